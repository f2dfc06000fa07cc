"""The aging report, as documented: of any day, ordered by name, in pages."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal

import anyio
import pytest

from oddaemon.simulator.api.keys import ApiKey, Permission
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.simulator.virtual_time import make_virtual_loop
from tests.simulator.small_headquarters import (
    CUSTOMER_KEY,
    DEVELOPER_KEY,
    SmallHeadquarters,
    make_headquarters,
    parse_json,
)

READ_ALL = ApiKey(CUSTOMER_KEY, "brookside", Permission.READ_ALL)
OPTIONS = HeadquartersOptions(developer_key=DEVELOPER_KEY)
CLINICS = PracticeSpec("brookside", seed=7, guarantors=150, settled=50, clinics=3)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return ("asyncio", {"loop_factory": make_virtual_loop})


async def fetch_rows(there: SmallHeadquarters, query: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    answer = await there.get("reports/Aging", query)
    assert answer.status == 200
    found: list[dict[str, Any]] = parse_json(answer)
    return found


async def test_a_row_is_the_documented_object_and_its_portion_follows_from_it() -> None:
    for row in await fetch_rows(make_headquarters(key=READ_ALL)):
        assert list(row) == [
            *("PatNum", "patName", "Bal_0_30", "Bal_31_60", "Bal_61_90", "BalOver90"),
            *("BalTotal", "InsWoEst", "InsPayEst", "PatientPortion"),
        ]
        assert row["PatientPortion"] == pytest.approx(row["BalTotal"] - row["InsWoEst"] - row["InsPayEst"])


async def test_it_comes_in_pages_ordered_by_name() -> None:
    there = make_headquarters(key=READ_ALL)
    first, second = await fetch_rows(there), await fetch_rows(there, {"Offset": "100"})
    assert (len(first), len(second)) == (
        100,
        len(there.get_practice().get_aging_report(there.get_practice().today())) - 100,
    )
    names = [row["patName"] for row in [*first, *second]]
    assert names == sorted(names)
    assert await fetch_rows(there, {"Offset": "100000"}) == []
    quirky = make_headquarters(
        key=replace(READ_ALL, rows_override=20), options=replace(OPTIONS, offset_gives_everything=True)
    )
    assert len(await fetch_rows(quirky, {"Offset": "20"})) > 20


async def test_of_the_last_aging_day_it_has_the_table_without_post_dated_entries() -> None:
    practice = make_headquarters().get_practice()
    table = {each.pat_num: each for each in practice.balances.get_true_balances()}
    day = practice.today() - timedelta(days=1)
    lines = practice.get_aging_report(day)
    assert len(lines) > 100
    for line in lines:
        reported, stored = line.to_true_balance(with_clinic=True), table[line.pat_num]
        assert reported[3:7] == stored[3:7]
        assert reported.clinic_num == stored.clinic_num


async def test_of_an_earlier_day_it_says_something_else() -> None:
    practice = make_headquarters().get_practice()
    now, then = (practice.get_aging_report(practice.today() - timedelta(days=days)) for days in (1, 60))
    assert {line.pat_num: line.bal_total for line in now} != {line.pat_num: line.bal_total for line in then}


async def test_it_can_be_of_one_clinic_zero_and_hidden_ones_included() -> None:
    there = make_headquarters(spec=CLINICS, key=replace(READ_ALL, rows_override=1000))
    everywhere = {row["PatNum"] for row in await fetch_rows(there)}
    of_each = [{row["PatNum"] for row in await fetch_rows(there, {"ClinicNum": str(clinic)})} for clinic in range(4)]
    assert set().union(*of_each) == everywhere
    assert sum(map(len, of_each)) == len(everywhere)


async def test_an_old_version_has_none_and_a_day_must_be_one() -> None:
    old = PracticeSpec("brookside", seed=7, guarantors=9, settled=0, program_version="21.3.9.0")
    assert (await make_headquarters(spec=old).get("reports/Aging")).status == 400
    assert (await make_headquarters().get("reports/Aging", {"DateAsOf": "yesterday"})).status == 400


async def test_it_is_slow() -> None:
    there, started = make_headquarters(key=READ_ALL), anyio.current_time()
    await fetch_rows(there)
    assert anyio.current_time() - started >= OPTIONS.report_seconds


@pytest.mark.parametrize("claims", ["now", "then"])
async def test_the_estimates_of_a_past_day_are_of_the_claims_pending_now_or_then(
    claims: Literal["now", "then"],
) -> None:
    practice = make_headquarters(spec=replace(CLINICS, report_claims=claims), key=READ_ALL).get_practice()
    today = practice.today()
    debtors = [family for family in practice.balances.families if family.owed_mills > 0]
    closed, opened = (
        next(family for family in debtors if bool(family.ins_est_mills) is is_open) for is_open in (True, False)
    )
    pending_mills = closed.ins_est_mills
    closed.set_claims(0, today.toordinal())
    opened.set_claims(50_000, today.toordinal())
    reports = [practice.get_aging_report(today - timedelta(days=days)) for days in (0, 1)]
    estimates = [{line.pat_num: line.ins_pay + line.write_off for line in report} for report in reports]
    assert [each[opened.guarantor] for each in estimates] == ([50_000, 0] if claims == "then" else [50_000, 50_000])
    assert [each[closed.guarantor] for each in estimates] == ([0, pending_mills] if claims == "then" else [0, 0])


async def test_a_report_may_leave_out_credits_and_insurance_alone() -> None:
    specs = [replace(CLINICS, report_credits=included) for included in (True, False)]
    practices = [make_headquarters(spec=spec, key=READ_ALL).get_practice() for spec in specs]
    everyone, debtors = (each.get_aging_report(each.today()) for each in practices)
    assert any(line.bal_total < 0 for line in everyone)
    assert {line.pat_num for line in debtors} == {
        line.pat_num for line in everyone if any(line.buckets) and line.bal_total > 0
    }
