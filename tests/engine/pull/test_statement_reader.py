from dataclasses import replace
from pathlib import Path

import pytest

from oddaemon.core.model import Condition, Include, Reader
from oddaemon.simulator.api.messages import Endpoint
from oddaemon.simulator.faults.row_corruption import get_alteration
from oddaemon.simulator.model.spec import PracticeSpec
from tests.engine.night import SMILE, make_office_settings, night, replace_offices, schedule_fault
from tests.engine.practice_activity import list_owing_families, post_charge


async def test_a_server_that_truncates_gets_narrower_columns_and_that_is_remembered(tmp_path: Path) -> None:
    async with night(tmp_path, [replace(SMILE, group_concat_max_len=200)]) as world:
        await world.wait_for_snapshots(1)
        assert set(world.list_failure_kinds()) == {"column_truncated"}
        assert world.assert_explained(Condition.FRESH, None)
        assert await world.is_true()
        cuts = len(world.list_failure_kinds())
        await world.crash()
        await world.start()
        await world.wait_for_snapshots(2)
        assert "column_truncated" not in world.list_failure_kinds()[cuts:]
        assert world.list_published()[1]["requests"] == 1
        assert [row.reader for row in await world.read_history()] == [Reader.STATEMENT, Reader.STATEMENT]
        assert await world.is_true()


async def test_a_column_planned_wide_and_then_truncated_is_narrowed_again(tmp_path: Path) -> None:
    async with night(tmp_path, [replace(SMILE, group_concat_max_len=480)]) as world:
        await world.wait_for_snapshots(2)
        assert set(world.list_failure_kinds()) <= {"column_truncated", "aging_changed"}
        assert world.list_published()[1]["reader"] == "statement"
        assert await world.is_true()


async def test_a_server_that_cuts_even_a_single_row_is_read_in_pages(tmp_path: Path) -> None:
    async with night(tmp_path, [replace(SMILE, group_concat_max_len=16)]) as world:
        await world.wait_for_snapshots(1)
        assert set(world.list_failure_kinds()) == {"column_truncated"}
        assert world.list_published()[0]["reader"] == "pages"
        assert await world.is_true()


async def test_random_pat_nums_are_read_in_pages_from_then_on(tmp_path: Path) -> None:
    async with night(tmp_path, [replace(SMILE, pat_nums="random", guarantors=210)]) as world:
        await world.wait_for_snapshots(2)
        assert world.list_failure_kinds()[0] == "too_sparse"
        assert [line["requests"] for line in world.list_published()] == [5, 5]
        assert [line["reader"] for line in world.list_published()] == ["pages", "pages"]
        assert sum(heard.is_packed for heard in world.list_statements()) == 1
        assert world.assert_explained(Condition.FRESH, None)
        assert await world.is_true()


async def test_sparse_pat_nums_still_fit_one_statement(tmp_path: Path) -> None:
    async with night(tmp_path, [replace(SMILE, pat_nums="sparse")]) as world:
        await world.wait_for_snapshots(2)
        assert [line["requests"] for line in world.list_published()] == [1, 1]
        assert await world.is_true()


async def test_an_office_too_sparse_for_the_first_packing_is_packed_wider(tmp_path: Path) -> None:
    spec = PracticeSpec("smile", seed=1, pat_nums="sparse", guarantors=1600, settled=1600)
    async with night(tmp_path, [spec]) as world:
        await world.wait_for_snapshots(2)
        assert [line["reader"] for line in world.list_published()] == ["statement", "statement"]
        assert [line["requests"] for line in world.list_published()] == [2, 1]
        assert await world.is_true()


async def test_eight_thousand_guarantors_are_one_statement(tmp_path: Path) -> None:
    async with night(tmp_path, [PracticeSpec("smile", seed=3, guarantors=8000, settled=500)]) as world:
        await world.wait_for_snapshots(1)
        assert world.list_published()[0]["guarantors"] == 8000
        assert world.list_published()[0]["requests"] == 1
        assert await world.is_true()


async def test_a_large_office_takes_several_statements_and_resumes_after_a_crash(
    tmp_path: Path,
) -> None:
    spec, office = PracticeSpec("smile", seed=1, guarantors=1200, settled=100), make_office_settings(page_rows=2)
    async with night(tmp_path, [spec], [office], rows_max={"smile": 2}) as world:
        await world.wait_for_event("page_stored")
        await world.crash()
        before = len(world.list_statements())
        await world.start()
        await world.wait_for_snapshots(1)
        assert world.find_events("pull_started")[-1]["resumed_rows"] > 0
        assert all("PatNum>" in heard.sql for heard in world.list_statements()[before:])
        assert len({heard.sql for heard in world.list_statements()}) == len(world.list_statements()) == 2
        assert world.list_published()[0]["requests"] == 2
        assert await world.is_true()


async def test_what_moves_between_two_statements_is_patched(tmp_path: Path) -> None:
    spec, office = PracticeSpec("smile", seed=1, guarantors=1200, settled=100), make_office_settings(page_rows=2)
    async with night(tmp_path, [spec], [office], rows_max={"smile": 2}) as world:
        await world.wait_for_event("page_stored")
        post_charge(world.get_practice(), list_owing_families(world.get_practice())[3])
        await world.wait_for_snapshots(1)
        assert sum(heard.is_patch for heard in world.list_statements()) == 1
        assert world.list_failure_kinds() == []
        assert await world.is_true()


async def test_a_later_statement_that_is_cut_is_narrowed_without_reading_the_earlier_again(tmp_path: Path) -> None:
    spec, office = PracticeSpec("smile", seed=1, guarantors=1200, settled=100), make_office_settings(page_rows=2)
    cut = schedule_fault(
        get_alteration("halve_longest_lane"), endpoints=frozenset({Endpoint.SHORT_QUERY}), skip=1, hits_max=1
    )
    async with night(tmp_path, [spec], [office], rows_max={"smile": 2}, faults=[cut]) as world:
        await world.wait_for_snapshots(1)
        assert world.list_failure_kinds() == ["column_truncated"]
        assert world.find_events("pull_started")[-1]["resumed_rows"] > 0
        assert ["PatNum>" in heard.sql for heard in world.list_statements()] == [False, True, True]
        assert await world.is_true()


@pytest.mark.parametrize("reader", [Reader.STATEMENT, Reader.PAGES])
async def test_credits_and_thousandths_arrive_to_the_cent(tmp_path: Path, reader: Reader) -> None:
    spec = replace(SMILE, three_decimals=True, seed=5)
    async with night(tmp_path, [spec], [make_office_settings(reader=reader)]) as world:
        await world.wait_for_snapshots(1)
        balances = await world.read_balances()
        assert any(balance.bal_total < 0 for balance in balances)
        assert any(balance.est_balance < 0 for balance in balances)
        assert await world.is_true()


@pytest.mark.parametrize("reader", [Reader.STATEMENT, Reader.PAGES])
async def test_debts_alone_leave_the_pure_credits_out(tmp_path: Path, reader: Reader) -> None:
    async with night(tmp_path, offices=[make_office_settings(reader=reader, include=Include.DEBTS)]) as world:
        await world.wait_for_snapshots(1)
        assert 0 < world.list_published()[0]["guarantors"] < 300
        assert all(max(balance[2:]) > 0 for balance in await world.read_balances())
        assert await world.is_true()


@pytest.mark.parametrize("reader", [Reader.STATEMENT, Reader.PAGES])
async def test_a_clinic_filter_knows_clinic_zero_and_hidden_ones(tmp_path: Path, reader: Reader) -> None:
    office = make_office_settings(reader=reader, clinics=(0, 3))
    async with night(tmp_path, [replace(SMILE, clinics=3)], [office]) as world:
        assert [row["ClinicNum"] for row in world.get_practice().list_clinics()] == [1, 2]
        await world.wait_for_snapshots(1)
        assert {balance.clinic_num for balance in await world.read_balances()} == {0, 3}
        assert await world.is_true()


async def test_a_changed_spec_asks_for_another_snapshot_at_once(tmp_path: Path) -> None:
    async with night(tmp_path, [replace(SMILE, clinics=3)]) as world:
        await world.wait_for_snapshots(1)
        await world.crash()
        await world.start(replace_offices(world.settings, (make_office_settings(clinics=(1,)),)))
        await world.wait_for_snapshots(2)
        assert {balance.clinic_num for balance in await world.read_balances()} == {1}
        assert world.list_published()[1]["aging_date"] == "2026-03-02"
        assert await world.is_true()
