"""Every statement that the vendor documents, and those that this fleet is read with, against the oracle."""

from typing import Any

import anyio
import pytest

from oddaemon.simulator.model.balances import TrueBalance
from oddaemon.simulator.practice.practice import Practice
from tests.simulator.sample_practice import MONEY_COLUMNS, VIRTUAL_BACKEND, format_condition, make_practice

SPAN = 90
COLUMNS = 8


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL_BACKEND


def make_packed_statement(operator: str = "<>") -> str:
    columns = ("EstBalance", "Bal_0_30", "Bal_31_60", "Bal_61_90", "BalOver90", "InsEst", "BalTotal")
    sums = ", ".join(f"SUM(ROUND({column}*100)) AS Sum{column}" for column in columns)
    fields = ",".join(f"ROUND({column}*100)+0" for column in columns)
    packed_columns = ", ".join(
        f"GROUP_CONCAT(CASE WHEN PatNum DIV {SPAN} MOD {COLUMNS}={number} "
        f"THEN CONCAT_WS(',',PatNum,ClinicNum,{fields}) END ORDER BY PatNum SEPARATOR ';') AS L{number}"
        for number in range(COLUMNS)
    )
    group = f"PatNum DIV {SPAN * COLUMNS}"
    return (
        f"SELECT c.*, g.* FROM (SELECT COUNT(*) AS Total, {sums}, (SELECT ValueString FROM preference WHERE "
        "PrefName='DateLastAging') AS DateLastAging, (SELECT ValueString FROM preference WHERE "
        "PrefName='AgingBeginDateTime') AS AgingBegin, NOW() AS OfficeNow, UTC_TIMESTAMP() AS OfficeUtc "
        f"FROM patient WHERE {format_condition(operator)}) c LEFT JOIN (SELECT {group} AS G, COUNT(*) AS "
        f"N, {packed_columns} "
        f"FROM patient WHERE {format_condition(operator)} GROUP BY {group} ORDER BY G LIMIT 100) g ON 1=1 ORDER BY g.G"
    )


def unpack_rows(rows: list[dict[str, Any]]) -> list[TrueBalance]:
    items = [
        item for row in rows for column in range(COLUMNS) if row[f"L{column}"] for item in row[f"L{column}"].split(";")
    ]
    return [TrueBalance(*map(int, item.split(","))) for item in items]


def test_the_documented_aging_query_gives_the_debts_of_one_clinic() -> None:
    office = make_practice(clinics=3, guarantors=300)
    rows = office.run_short_query(
        "SELECT patnum, estbalance, bal_0_30, bal_31_60, bal_61_90, balover90, insest, baltotal FROM patient "
        "WHERE patnum=guarantor and clinicnum=2 AND ( estbalance>0 OR bal_0_30>0 OR bal_31_60>0 OR bal_61_90>0 OR "
        "balover90>0 OR insest>0 OR baltotal>0)"
    )
    assert list(rows[0]) == ["patnum", *MONEY_COLUMNS]
    in_cents = [(row.pop("patnum"), 2, *(round(float(str(money)) * 100) for money in row.values())) for row in rows]
    assert in_cents == office.balances.get_true_balances("debts", [2])
    assert in_cents


def test_two_clocks_measure_the_offset_of_the_office() -> None:
    assert make_practice().run_short_query("SELECT NOW(), UTC_TIMESTAMP()") == [
        {"NOW()": "2026-11-22T01:50:00", "UTC_TIMESTAMP()": "2026-11-22T09:50:00"}
    ]


def test_the_keys_that_an_office_granted_a_developer() -> None:
    office = make_practice()
    office.tables.insert_key("Someone's", "planted-customer-key")
    office.tables.insert_key("Another", "other-key")
    rows = office.run_short_query("SELECT CustApiKey FROM apikey WHERE DevName='someone''s'")
    assert rows == [{"CustApiKey": "planted-customer-key"}]


@pytest.mark.parametrize(("operator", "include"), [(">", "debts"), ("<>", "all")])
@pytest.mark.parametrize(
    "overrides", [{}, {"three_decimals": True}, {"clinics": 3}, {"pat_nums": "sparse"}, {"guarantors": 800}], ids=str
)
def test_the_packed_statement_carries_the_whole_office_and_its_control_totals(
    operator: str, include: Any, overrides: dict[str, Any]
) -> None:
    office = make_practice(**{"guarantors": 300, "group_concat_max_len": 4096, **overrides})
    rows: list[dict[str, Any]] = office.run_short_query(make_packed_statement(operator))
    truth = office.balances.get_true_balances(include)
    assert unpack_rows(rows) == truth
    assert sum(row["N"] for row in rows) == len(truth)
    for row in rows:
        assert row["Total"] == len(truth)
        assert row["SumBalTotal"] == sum(balance.bal_total for balance in truth)
        assert row["SumInsEst"] == sum(balance.ins_est for balance in truth)
        assert (row["DateLastAging"], row["AgingBegin"]) == ("2026-11-21", "")
        assert (row["OfficeNow"], row["OfficeUtc"]) == ("2026-11-22T01:50:00", "2026-11-22T09:50:00")


def test_an_empty_office_answers_one_row_with_totals_and_no_group() -> None:
    (row,) = make_practice(guarantors=0).run_short_query(make_packed_statement())
    assert row["Total"] == 0
    assert [row[name] for name in ("SumBalTotal", "G", "N", "L0", "L7")] == [None] * 5


def test_a_column_is_truncated_silently_and_the_count_shows_it() -> None:
    office = make_practice(guarantors=600, settled=0)
    rows: list[dict[str, Any]] = office.run_short_query(make_packed_statement())
    columns = [row[f"L{column}"] for row in rows for column in range(COLUMNS) if row[f"L{column}"]]
    assert max(map(len, columns)) == 1024
    assert sum(len(lane.split(";")) for lane in columns) < rows[0]["Total"]


def fetch_page(office: Practice, last: int) -> list[dict[str, object]]:
    return office.run_short_query(
        f"SELECT PatNum FROM patient WHERE {format_condition('<>')} AND PatNum > {last} ORDER BY PatNum LIMIT 100"
    )


@pytest.mark.parametrize("pat_nums", ["dense", "random"])
def test_key_set_pages_reach_every_guarantor_once(pat_nums: str) -> None:
    office = make_practice(guarantors=250, pat_nums=pat_nums)
    read: list[object] = []
    while rows := fetch_page(office, int(str(read[-1])) if read else 0):
        assert len(rows) <= 100
        read += [row["PatNum"] for row in rows]
    assert read == [balance.pat_num for balance in office.balances.get_true_balances()]


async def test_rows_changed_since_an_instant_are_found_by_their_stamp() -> None:
    office = make_practice()
    await anyio.sleep(3600)
    before = set(office.balances.get_true_balances())
    office.post_activity(5)
    changed = {balance.pat_num for balance in before ^ set(office.balances.get_true_balances())}
    for since in ("2026-11-22 02:50:00", "2026-11-22T02:50:00"):
        rows = office.run_short_query(
            f"SELECT PatNum, DateTStamp FROM patient WHERE PatNum=Guarantor AND DateTStamp >= '{since}' ORDER BY PatNum"
        )
        assert {row["PatNum"] for row in rows} == changed
        assert {row["DateTStamp"] for row in rows} == {"2026-11-22T02:50:00"}
    assert office.run_short_query("SELECT PatNum FROM patient WHERE DateTStamp > '2026-11-22 02:50:00'") == []


def test_the_control_query_names_its_columns_as_written() -> None:
    (row,) = make_practice().run_short_query(
        f"SELECT COUNT(*) AS total, MAX(DateTStamp) Latest FROM Patient WHERE {format_condition('<>')}"
    )
    assert row["total"] == 60
    assert str(row["Latest"])[10] == "T"
