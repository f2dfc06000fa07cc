import re
from collections import Counter
from datetime import datetime, timedelta
from typing import Any, Literal

import pytest

from oddaemon.core.diagnostics.diagnosis import RegisteredKeys
from oddaemon.core.model import Balance, ControlQueryResult, Include, OfficeSpec
from oddaemon.core.secret import Secret
from oddaemon.core.snapshot.balance_rows import BalanceRows
from oddaemon.core.snapshot.packing import FIRST_PACKING, PackedColumnTruncated, Packing, plan_packing
from oddaemon.core.snapshot.verify import compute_totals
from oddaemon.opendental import decode, sql
from oddaemon.opendental.decode_values import Row
from oddaemon.opendental.document import decode_rows
from oddaemon.simulator.api import responses
from oddaemon.simulator.practice.practice import Practice
from tests.simulator.sample_practice import TEN_TO_TWO, make_practice

LONG_AGO = datetime.fromisoformat("2000-01-01")
NARROW = Packing(lane_span=4, lanes=2)
STATEMENTS_MAX = 60

PRACTICES: dict[str, dict[str, Any]] = {
    "dense": {"guarantors": 300},
    "sparse": {"pat_nums": "sparse", "guarantors": 120},
    "random": {"pat_nums": "random", "guarantors": 90},
    "clinics": {"clinics": 4, "guarantors": 150},
    "three decimals": {"three_decimals": True, "guarantors": 150},
    "empty": {"guarantors": 0, "settled": 0},
    "all settled": {"guarantors": 0, "settled": 12},
}


def run_statement(office: Practice, statement: str) -> list[Row]:
    """What comes back over the wire, in the documented JSON."""
    return decode_rows(responses.make_rows(office.run_short_query(statement)).body)


def get_true_balances(office: Practice, spec: OfficeSpec) -> list[Balance]:
    include: Literal["debts", "all"] = "debts" if spec.include is Include.DEBTS else "all"
    return [Balance._make(row) for row in office.balances.get_true_balances(include, spec.clinics)]


def make_spec(include: Include = Include.ALL, clinics: tuple[int, ...] = (), page_rows: int = 100) -> OfficeSpec:
    return OfficeSpec("elm", "Elm", include=include, clinics=clinics, page_rows=page_rows)


def read_by_statements(
    office: Practice, spec: OfficeSpec, packing: Packing
) -> tuple[list[Balance], list[ControlQueryResult], int]:
    balances: list[Balance] = []
    controls: list[ControlQueryResult] = []
    after = None
    for _ in range(STATEMENTS_MAX):
        answer = run_statement(office, sql.select_packed(spec, packing, after))
        assert len(answer) <= max(1, spec.page_rows)
        packed = decode.parse_packed(answer, packing)
        balances += packed.balances
        controls.append(packed.control)
        if packed.last_group is None:
            break
        after = (packed.last_group + 1) * packing.group_span - 1
    return balances, controls, len(controls)


def read_by_pages(office: Practice, spec: OfficeSpec) -> list[Balance]:
    balances: list[Balance] = []
    while page := decode.parse_page(
        run_statement(office, sql.select_page(spec, balances[-1].pat_num if balances else None)),
        balances[-1].pat_num if balances else None,
        spec.page_rows,
    ):
        balances += page
    return balances


def read_changed_rows(office: Practice, spec: OfficeSpec, since: datetime) -> list[decode.ChangedRow]:
    found: list[decode.ChangedRow] = []
    after = None
    while page := decode.parse_changed(run_statement(office, sql.select_changed(spec, since, after)), after):
        found += page
        after = page[-1].pat_num
    return found


every_practice = pytest.mark.parametrize("overrides", PRACTICES.values(), ids=PRACTICES)
every_spec = pytest.mark.parametrize(
    "spec",
    [make_spec(), make_spec(Include.DEBTS), make_spec(clinics=(0, 2)), make_spec(Include.DEBTS, (1,))],
    ids=["all", "debts", "two clinics", "debts of a clinic"],
)


@every_practice
@every_spec
def test_the_control_says_what_the_truth_adds_up_to(overrides: dict[str, Any], spec: OfficeSpec) -> None:
    office = make_practice(**overrides)
    control = decode.parse_control(run_statement(office, sql.select_control(spec)))
    assert control.totals == compute_totals(get_true_balances(office, spec))


@every_practice
@every_spec
def test_a_pull_in_pages_is_the_truth(overrides: dict[str, Any], spec: OfficeSpec) -> None:
    office = make_practice(**overrides)
    assert read_by_pages(office, spec) == get_true_balances(office, spec)


@pytest.mark.parametrize("overrides", [kind for name, kind in PRACTICES.items() if name != "random"])
@every_spec
def test_packed_statements_are_the_truth_and_carry_its_totals(overrides: dict[str, Any], spec: OfficeSpec) -> None:
    office = make_practice(**overrides)
    true = get_true_balances(office, spec)
    balances, controls, _ = read_by_statements(office, spec, FIRST_PACKING)
    assert balances == true
    assert {control.totals for control in controls} == {compute_totals(true)}


def test_a_dense_office_is_one_statement() -> None:
    office = make_practice(guarantors=900, settled=600)
    packing = plan_packing(BalanceRows.of(get_true_balances(office, make_spec())))
    assert packing is not None
    answer = run_statement(office, sql.select_packed(make_spec(), packing, None))
    assert list(decode.parse_packed(answer, packing).balances) == get_true_balances(office, make_spec())


def test_an_office_of_random_pat_nums_can_be_packed_if_it_must() -> None:
    spec = make_spec()
    office = make_practice(pat_nums="random", guarantors=90)
    balances, _, statements = read_by_statements(office, spec, FIRST_PACKING)
    assert balances == get_true_balances(office, spec)
    assert statements == 2, "90 rows of one guarantor each, and one that finds nothing more"


def test_a_large_office_continues_where_the_previous_statement_ended() -> None:
    spec = make_spec(page_rows=5)
    office = make_practice(guarantors=100)
    balances, _, statements = read_by_statements(office, spec, NARROW)
    assert balances == get_true_balances(office, spec)
    assert statements > 3


def test_the_control_of_a_later_statement_still_speaks_of_the_whole_office() -> None:
    office = make_practice()
    later = decode.parse_packed(run_statement(office, sql.select_packed(make_spec(), NARROW, 100)), NARROW)
    assert later.control.totals == compute_totals(get_true_balances(office, make_spec()))
    assert list(later.balances) == [
        balance for balance in get_true_balances(office, make_spec()) if balance.pat_num > 100
    ]


def test_a_column_that_the_server_truncates_is_noticed() -> None:
    office = make_practice(group_concat_max_len=80)
    with pytest.raises(PackedColumnTruncated):
        decode.parse_packed(run_statement(office, sql.select_packed(make_spec(), FIRST_PACKING, None)), FIRST_PACKING)


def test_an_office_without_balances_still_has_its_control() -> None:
    office = make_practice(guarantors=0, settled=3)
    packed = decode.parse_packed(
        run_statement(office, sql.select_packed(make_spec(), FIRST_PACKING, None)), FIRST_PACKING
    )
    assert (list(packed.balances), packed.groups, packed.last_group) == ([], 0, None)
    assert packed.control.totals == compute_totals([])


def test_credits_belong_to_all_and_not_to_debts() -> None:
    office = make_practice(guarantors=200)
    every, debts = read_by_pages(office, make_spec()), read_by_pages(office, make_spec(Include.DEBTS))
    credits_only = set(every) - set(debts)
    assert credits_only
    assert all(max(balance[2:]) <= 0 for balance in credits_only)


def test_changed_since_long_ago_is_every_patient_with_null_for_unwanted_ones() -> None:
    office = make_practice()
    found = read_changed_rows(office, make_spec(), LONG_AGO)
    assert [row.balance for row in found if row.balance is not None] == get_true_balances(office, make_spec())
    patients = {row["PatNum"] for row in office.run_short_query("SELECT PatNum FROM patient")}
    assert {row.pat_num for row in found} == patients
    assert len(found) > len(get_true_balances(office, make_spec()))


def test_changed_since_now_is_every_patient_posted_to_since() -> None:
    office = make_practice()
    before = {balance.pat_num: balance for balance in get_true_balances(office, make_spec())}
    now, *_ = decode.parse_clocks(run_statement(office, sql.select_clocks()))
    office.post_activity(8)
    after = {balance.pat_num: balance for balance in get_true_balances(office, make_spec())}
    found = {row.pat_num: row.balance for row in read_changed_rows(office, make_spec(), now)}
    changed = {pat_num for pat_num in before.keys() | after.keys() if before.get(pat_num) != after.get(pat_num)}
    assert changed
    assert changed <= found.keys()
    assert all(found[pat_num] == after.get(pat_num) for pat_num in changed)


def test_clocks_and_aging_come_as_the_office_has_them() -> None:
    office = make_practice(clock_skew_seconds=90.0)
    office_now, utc_now, *_ = decode.parse_clocks(run_statement(office, sql.select_clocks()))
    expected = TEN_TO_TWO.replace(tzinfo=None) + timedelta(seconds=90)
    assert abs(utc_now - expected) < timedelta(seconds=2)
    assert timedelta(hours=-8) == office_now - utc_now
    control = decode.parse_control(run_statement(office, sql.select_control(make_spec())))
    assert (control.date_last_aging, control.aging_begin) == ("2026-11-21", "")
    assert abs(control.office_now - office_now) < timedelta(seconds=2)


def test_a_preference_that_the_office_does_not_have_is_empty_in_the_control() -> None:
    office = make_practice(last_aging="never")
    control = decode.parse_control(run_statement(office, sql.select_control(make_spec())))
    assert control.date_last_aging == ""


def list_statements() -> list[str]:
    return [
        text
        for spec in (make_spec(), make_spec(Include.DEBTS, (0, 7)))
        for after in (None, 77)
        for text in (
            sql.select_clocks(),
            sql.select_control(spec),
            sql.select_packed(spec, FIRST_PACKING, after),
            sql.select_page(spec, after),
            sql.select_changed(spec, LONG_AGO, after),
        )
    ]


def blank_literals(statement: str) -> str:
    return re.sub(r"'[^']*'", "''", statement)


@pytest.mark.parametrize("statement", list_statements())
def test_every_statement_passes_the_screening_of_an_office(statement: str) -> None:
    assert statement.startswith("SELECT ")
    assert "schema" not in statement.lower()
    assert not re.search(r"--|#|/\*|\*/|\n", statement)
    assert ";" not in statement
    assert not re.search(r"\b(WITH|OVER|JSON\w*|INTO|UNION)\b", blank_literals(statement), re.IGNORECASE)
    assert statement.isascii()


def test_statements_stay_far_below_what_the_api_takes() -> None:
    widest = sql.select_packed(make_spec(clinics=tuple(range(1, 60))), Packing(1, 128), 2**63 - 1)
    assert len(widest) < 20_000


MONEY = ("EstBalance", "Bal_0_30", "Bal_31_60", "Bal_61_90", "BalOver90", "InsEst", "BalTotal")
ROW = (
    "CONCAT_WS(',',PatNum,ClinicNum,ROUND(EstBalance*100)+0,ROUND(Bal_0_30*100)+0,ROUND(Bal_31_60*100)+0,"
    "ROUND(Bal_61_90*100)+0,ROUND(BalOver90*100)+0,ROUND(InsEst*100)+0,ROUND(BalTotal*100)+0)"
)
DEBTS = (
    "PatNum=Guarantor AND ClinicNum IN (0,3) AND (EstBalance>0 OR Bal_0_30>0 OR Bal_31_60>0 OR Bal_61_90>0 OR "
    "BalOver90>0 OR InsEst>0 OR BalTotal>0)"
)
IDENTITY = (
    "CRC32(CONCAT_WS('',(SELECT TRIM(MAX(ValueString)) FROM preference WHERE PrefName='PracticeTitle'))) AS Title,"
    "CRC32(CONCAT_WS('',(SELECT TRIM(MAX(ValueString)) FROM preference WHERE PrefName='PracticePhone'))) AS Phone,"
    "CRC32(CONCAT_WS('',(SELECT TRIM(MAX(ValueString)) FROM preference WHERE PrefName='PracticeAddress'),"
    "(SELECT TRIM(MAX(ValueString)) FROM preference WHERE PrefName='PracticeZip'))) AS Address"
)
CONTROL = (
    "SELECT COUNT(*) AS Guarantors,"
    "IFNULL(SUM(ROUND(EstBalance*100)+0),0) AS SumEstBalance,IFNULL(SUM(ROUND(Bal_0_30*100)+0),0) AS SumBal_0_30,"
    "IFNULL(SUM(ROUND(Bal_31_60*100)+0),0) AS SumBal_31_60,IFNULL(SUM(ROUND(Bal_61_90*100)+0),0) AS SumBal_61_90,"
    "IFNULL(SUM(ROUND(BalOver90*100)+0),0) AS SumBalOver90,IFNULL(SUM(ROUND(InsEst*100)+0),0) AS SumInsEst,"
    "IFNULL(SUM(ROUND(BalTotal*100)+0),0) AS SumBalTotal,"
    f"IFNULL(SUM(CRC32({ROW})+0e0),0) AS Checksum,0 AS Touched,"
    "(SELECT MAX(ValueString) FROM preference WHERE PrefName='DateLastAging') AS DateLastAging,"
    "(SELECT MAX(ValueString) FROM preference WHERE PrefName='AgingBeginDateTime') AS AgingBeginDateTime,"
    f"NOW() AS OfficeNow,UTC_TIMESTAMP() AS UtcNow,{IDENTITY} "
    f"FROM patient WHERE {DEBTS}"
)
TWO_CLINICS_DEBTS = make_spec(Include.DEBTS, (0, 3))


def test_the_text_of_the_control() -> None:
    assert sql.select_control(TWO_CLINICS_DEBTS) == CONTROL


def test_rows_written_since_the_last_snapshot_are_counted() -> None:
    since = datetime.fromisoformat("2026-03-02 02:10:00")
    asked_for = sql.select_control(TWO_CLINICS_DEBTS, since)
    touched = "IFNULL(SUM(CASE WHEN DateTStamp>'2026-03-02 02:10:00' THEN 1 ELSE 0 END),0) AS Touched"
    assert asked_for == CONTROL.replace("0 AS Touched", touched)
    assert asked_for in sql.select_packed(TWO_CLINICS_DEBTS, FIRST_PACKING, None, since)


def test_the_clocks_come_with_the_identity() -> None:
    clocks = "NOW() AS OfficeNow,UTC_TIMESTAMP() AS UtcNow"
    assert sql.select_clocks().startswith(
        f"SELECT {clocks},(SELECT MAX(ValueString) FROM preference WHERE PrefName='Da"
    )
    assert sql.select_clocks().endswith(f" AS AgingBeginDateTime,{IDENTITY}")


def test_a_query_user_who_may_read_patients_only_is_asked_for_nothing_else() -> None:
    assert sql.select_clocks(preferences=False) == "SELECT NOW() AS OfficeNow,UTC_TIMESTAMP() AS UtcNow"
    assert "FROM preference" not in sql.select_control(TWO_CLINICS_DEBTS, preferences=False)


def test_the_text_of_a_page() -> None:
    assert sql.select_page(TWO_CLINICS_DEBTS, 77) == (
        f"SELECT {ROW} AS Balance FROM patient WHERE {DEBTS} AND PatNum>77 ORDER BY PatNum LIMIT 100"
    )


def test_the_text_of_the_changed_rows_query() -> None:
    since = datetime.fromisoformat("2026-03-03 02:00:01")
    assert sql.select_changed(TWO_CLINICS_DEBTS, since, 77) == (
        f"SELECT PatNum,CASE WHEN {DEBTS} THEN {ROW} END AS Balance FROM patient "
        "WHERE DateTStamp>='2026-03-03 02:00:01' AND PatNum>77 ORDER BY PatNum LIMIT 100"
    )


def test_the_text_of_a_packed_statement() -> None:
    assert sql.select_packed(TWO_CLINICS_DEBTS, Packing(lane_span=90, lanes=2), 77) == (
        f"SELECT c.*,g.* FROM ({CONTROL}) c LEFT JOIN ("
        "SELECT G,COUNT(*) AS N,"
        "GROUP_CONCAT(CASE WHEN L=0 THEN R END ORDER BY P SEPARATOR '|') AS L0,"
        "GROUP_CONCAT(CASE WHEN L=1 THEN R END ORDER BY P SEPARATOR '|') AS L1 FROM ("
        f"SELECT PatNum AS P,PatNum DIV 180 AS G,PatNum DIV 90 MOD 2 AS L,{ROW} AS R "
        f"FROM patient WHERE {DEBTS} AND PatNum>77) r GROUP BY G ORDER BY G LIMIT 100) g ON 1=1 ORDER BY g.G"
    )


def test_all_is_asked_with_differs_from_zero() -> None:
    asked_for = sql.select_page(make_spec(), None)
    assert " OR ".join(f"{column}<>0" for column in MONEY) in asked_for
    assert ">0" not in asked_for.replace("<>0", "")


@every_practice
def test_the_shares_of_clinics_are_true_whatever_clinics_are_configured(overrides: dict[str, Any]) -> None:
    office = make_practice(**overrides)
    found = decode.parse_clinic_shares(run_statement(office, sql.select_clinic_shares(make_spec(clinics=(1,)))))
    counted = Counter(balance.clinic_num for balance in get_true_balances(office, make_spec()))
    assert {share.clinic_num: share.guarantors for share in found} == counted
    hidden = {share.clinic_num for share in found if share.hidden}
    assert hidden == ({4} if overrides.get("clinics") == 4 else set())
    assert all(share.hidden is None for share in found if share.clinic_num == 0)


@every_practice
def test_the_density_shows_whether_packing_is_worth_it(overrides: dict[str, Any]) -> None:
    office = make_practice(**overrides)
    balances = get_true_balances(office, make_spec())
    found = decode.parse_density(run_statement(office, sql.select_density(make_spec())))
    assert found.guarantors == len(balances)
    assert found.groups == len({balance.pat_num // 2**23 for balance in balances})


@every_practice
@every_spec
def test_a_statement_past_the_end_is_its_control_without_balances(overrides: dict[str, Any], spec: OfficeSpec) -> None:
    office = make_practice(**overrides)
    found = decode.parse_packed(
        run_statement(office, sql.select_packed(spec, FIRST_PACKING, sql.PAT_NUM_MAX)), FIRST_PACKING
    )
    assert (list(found.balances), found.groups) == ([], 0)
    assert found.control.totals == compute_totals(get_true_balances(office, spec))


def test_the_keys_that_an_office_holds_are_compared_and_never_shown() -> None:
    office = make_practice()
    for key in ("planted-one", "planted-two"):
        office.tables.insert_key("O'Dea & Sons", key)
    office.tables.insert_key("others", "planted-three")
    rows = run_statement(office, sql.select_registered_keys("O'Dea & Sons"))
    assert decode.parse_registered_keys(rows, Secret("planted-two")) == RegisteredKeys(ours=True, count=2)
    found = decode.parse_registered_keys(rows, Secret("planted-three"))
    assert found == RegisteredKeys(ours=False, count=2)
    assert "planted" not in repr(found)


@pytest.mark.parametrize("name", ["a;b", "a--b", "a\\", 'a"', "a/*b", "a#b", "a`b"])
def test_a_name_that_could_end_the_statement_is_never_sent(name: str) -> None:
    with pytest.raises(ValueError, match="not allowed in"):
        sql.select_registered_keys(name)
