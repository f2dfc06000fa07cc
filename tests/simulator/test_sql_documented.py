"""Every statement that the vendor documents, and those that this fleet is read with, against the oracle."""

from typing import Any

import anyio
import pytest

from oddaemon.simulator.practice.practice import Practice, TrueBalance
from tests.simulator.practice_world import MONEY_COLUMNS, VIRTUAL_BACKEND, practice, where

SPAN = 90
LANES = 8


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL_BACKEND


def packed_statement(operator: str = "<>") -> str:
    columns = ("EstBalance", "Bal_0_30", "Bal_31_60", "Bal_61_90", "BalOver90", "InsEst", "BalTotal")
    sums = ", ".join(f"SUM(ROUND({column}*100)) AS Sum{column}" for column in columns)
    fields = ",".join(f"ROUND({column}*100)+0" for column in columns)
    lanes = ", ".join(
        f"GROUP_CONCAT(CASE WHEN PatNum DIV {SPAN} MOD {LANES}={lane} "
        f"THEN CONCAT_WS(',',PatNum,ClinicNum,{fields}) END ORDER BY PatNum SEPARATOR ';') AS L{lane}"
        for lane in range(LANES)
    )
    group = f"PatNum DIV {SPAN * LANES}"
    return (
        f"SELECT c.*, g.* FROM (SELECT COUNT(*) AS Total, {sums}, (SELECT ValueString FROM preference WHERE "
        "PrefName='DateLastAging') AS DateLastAging, (SELECT ValueString FROM preference WHERE "
        "PrefName='AgingBeginDateTime') AS AgingBegin, NOW() AS OfficeNow, UTC_TIMESTAMP() AS OfficeUtc "
        f"FROM patient WHERE {where(operator)}) c LEFT JOIN (SELECT {group} AS G, COUNT(*) AS N, {lanes} "
        f"FROM patient WHERE {where(operator)} GROUP BY {group} ORDER BY G LIMIT 100) g ON 1=1 ORDER BY g.G"
    )


def unpacked(rows: list[dict[str, Any]]) -> list[TrueBalance]:
    items = [item for row in rows for lane in range(LANES) if row[f"L{lane}"] for item in row[f"L{lane}"].split(";")]
    return [TrueBalance(*map(int, item.split(","))) for item in items]


def test_the_documented_aging_query_gives_the_debts_of_one_clinic() -> None:
    office = practice(clinics=3, guarantors=300)
    rows = office.run_short_query(
        "SELECT patnum, estbalance, bal_0_30, bal_31_60, bal_61_90, balover90, insest, baltotal FROM patient "
        "WHERE patnum=guarantor and clinicnum=2 AND ( estbalance>0 OR bal_0_30>0 OR bal_31_60>0 OR bal_61_90>0 OR "
        "balover90>0 OR insest>0 OR baltotal>0)"
    )
    assert list(rows[0]) == ["patnum", *MONEY_COLUMNS]
    in_cents = [(row.pop("patnum"), 2, *(round(float(str(money)) * 100) for money in row.values())) for row in rows]
    assert in_cents == office.get_true_balances("debts", [2])
    assert in_cents


def test_two_clocks_measure_the_offset_of_the_office() -> None:
    assert practice().run_short_query("SELECT NOW(), UTC_TIMESTAMP()") == [
        {"NOW()": "2026-11-22T01:50:00", "UTC_TIMESTAMP()": "2026-11-22T09:50:00"}
    ]


def test_the_keys_that_an_office_granted_a_developer() -> None:
    office = practice()
    office.grant_key("Someone's", "planted-customer-key")
    office.grant_key("Another", "other-key")
    rows = office.run_short_query("SELECT CustApiKey FROM apikey WHERE DevName='someone''s'")
    assert rows == [{"CustApiKey": "planted-customer-key"}]


@pytest.mark.parametrize(("operator", "include"), [(">", "debts"), ("<>", "all")])
@pytest.mark.parametrize(
    "character", [{}, {"three_decimals": True}, {"clinics": 3}, {"pat_nums": "sparse"}, {"guarantors": 800}], ids=str
)
def test_the_packed_statement_carries_the_whole_office_and_its_control_totals(
    operator: str, include: Any, character: dict[str, Any]
) -> None:
    office = practice(**{"guarantors": 300, "group_concat_max_len": 4096, **character})
    rows: list[dict[str, Any]] = office.run_short_query(packed_statement(operator))
    truth = office.get_true_balances(include)
    assert unpacked(rows) == truth
    assert sum(row["N"] for row in rows) == len(truth)
    for row in rows:
        assert row["Total"] == len(truth)
        assert row["SumBalTotal"] == sum(balance.bal_total for balance in truth)
        assert row["SumInsEst"] == sum(balance.ins_est for balance in truth)
        assert (row["DateLastAging"], row["AgingBegin"]) == ("2026-11-21", "")
        assert (row["OfficeNow"], row["OfficeUtc"]) == ("2026-11-22T01:50:00", "2026-11-22T09:50:00")


def test_an_empty_office_answers_one_row_with_totals_and_no_group() -> None:
    (row,) = practice(guarantors=0).run_short_query(packed_statement())
    assert row["Total"] == 0
    assert [row[name] for name in ("SumBalTotal", "G", "N", "L0", "L7")] == [None] * 5


def test_a_lane_is_cut_silently_at_the_servers_limit_and_the_count_shows_it() -> None:
    office = practice(guarantors=600, settled=0)
    rows: list[dict[str, Any]] = office.run_short_query(packed_statement())
    lanes = [row[f"L{lane}"] for row in rows for lane in range(LANES) if row[f"L{lane}"]]
    assert max(map(len, lanes)) == 1024
    assert sum(len(lane.split(";")) for lane in lanes) < rows[0]["Total"]


def page(office: Practice, last: int) -> list[dict[str, object]]:
    return office.run_short_query(
        f"SELECT PatNum FROM patient WHERE {where('<>')} AND PatNum > {last} ORDER BY PatNum LIMIT 100"
    )


@pytest.mark.parametrize("pat_nums", ["dense", "random"])
def test_key_set_pages_reach_every_guarantor_once(pat_nums: str) -> None:
    office = practice(guarantors=250, pat_nums=pat_nums)
    seen: list[object] = []
    while rows := page(office, int(str(seen[-1])) if seen else 0):
        assert len(rows) <= 100
        seen += [row["PatNum"] for row in rows]
    assert seen == [balance.pat_num for balance in office.get_true_balances()]


async def test_rows_that_moved_since_an_instant_are_found_by_their_stamp() -> None:
    office = practice()
    await anyio.sleep(3600)
    before = set(office.get_true_balances())
    office.post_activity(5)
    moved = {balance.pat_num for balance in before ^ set(office.get_true_balances())}
    for since in ("2026-11-22 02:50:00", "2026-11-22T02:50:00"):
        rows = office.run_short_query(
            f"SELECT PatNum, DateTStamp FROM patient WHERE PatNum=Guarantor AND DateTStamp >= '{since}' ORDER BY PatNum"
        )
        assert {row["PatNum"] for row in rows} == moved
        assert {row["DateTStamp"] for row in rows} == {"2026-11-22T02:50:00"}
    assert office.run_short_query("SELECT PatNum FROM patient WHERE DateTStamp > '2026-11-22 02:50:00'") == []


def test_the_control_query_names_its_columns_as_written() -> None:
    (row,) = practice().run_short_query(
        f"SELECT COUNT(*) AS total, MAX(DateTStamp) Latest FROM Patient WHERE {where('<>')}"
    )
    assert row["total"] == 60
    assert str(row["Latest"])[10] == "T"
