from pathlib import Path

import anyio

from oddaemon.core.model import Condition, Owner, Reader
from oddaemon.simulator.api.messages import Endpoint
from oddaemon.simulator.faults.faults import GatewayError
from oddaemon.simulator.model.spec import PracticeSpec
from tests.engine.night import DUE, make_office_settings, night, schedule_fault
from tests.engine.practice_activity import list_owing_families, list_settled_families, post_charge, remove_guarantor
from tests.engine.world import World
from tests.golden import GoldenTexts

PAGED = (make_office_settings(reader=Reader.PAGES),)
ODD = PracticeSpec("smile", seed=1, guarantors=333)
FULL_PAGES = PracticeSpec("smile", seed=1, guarantors=300, settled=100)
CALM_REQUESTS = 6
"""For 333 guarantors: four pages and a control at either end."""


async def wait_for_pages(world: World, count: int) -> None:
    """The number of pages of the pull that began last."""
    start = len(world.find_events("page_stored"))
    await world.wait_for_event("page_stored", start + count)


async def test_an_office_that_refuses_the_statement_is_read_in_pages_from_then_on(tmp_path: Path) -> None:
    spec = PracticeSpec("smile", seed=1, guarantors=333, refuses=("GROUP_CONCAT",))
    async with night(tmp_path, [spec]) as world:
        await world.wait_for_snapshots(1)
        assert world.list_failure_kinds() == ["query_refused"]
        assert world.list_published()[0]["requests"] == CALM_REQUESTS
        assert world.assert_explained(Condition.FRESH, None)
        await world.crash()
        await world.start()
        await world.wait_for_snapshots(2)
        assert world.list_published()[1]["requests"] == CALM_REQUESTS
        assert sum(heard.is_packed for heard in world.list_statements()) == 1
        assert [row.reader for row in await world.read_history()] == [Reader.PAGES, Reader.PAGES]
        assert await world.is_true()


async def test_an_office_of_full_pages_needs_no_empty_page_to_end(tmp_path: Path) -> None:
    async with night(tmp_path, [FULL_PAGES], PAGED) as world:
        await world.wait_for_snapshots(1)
        assert world.list_published()[0]["requests"] == 5
        assert await world.is_true()


async def test_an_office_that_owes_nothing_is_two_controls_at_most(tmp_path: Path) -> None:
    async with night(tmp_path, [PracticeSpec("smile", seed=1, guarantors=0, settled=5)], PAGED) as world:
        await world.wait_for_snapshots(1)
        assert world.list_published()[0]["guarantors"] == 0
        assert world.list_published()[0]["requests"] <= 2
        assert world.assert_explained(Condition.FRESH, None)


async def test_what_is_posted_during_the_pull_is_patched_by_its_time_stamp(tmp_path: Path) -> None:
    async with night(tmp_path, [ODD], PAGED) as world:
        await wait_for_pages(world, 2)
        # Payments, charges, families that fall to zero, settled ones that return: before and behind the page.
        world.get_practice().post_activity(16)
        await world.wait_for_snapshots(1)
        assert world.list_published()[0]["requests"] == CALM_REQUESTS + 2
        assert sum(heard.is_patch for heard in world.list_statements()) == 1
        assert world.list_failure_kinds() == []
        assert await world.is_true()


async def test_families_that_return_behind_the_page_displace_no_row(tmp_path: Path) -> None:
    async with night(tmp_path, [FULL_PAGES], PAGED) as world:
        await wait_for_pages(world, 1)
        practice = world.get_practice()
        returning = [
            family
            for family in list_settled_families(practice)
            if family.guarantor > list_owing_families(practice)[120].guarantor
        ]
        for family in returning[:3]:
            post_charge(practice, family)
        await world.wait_for_snapshots(1)
        assert world.list_published()[0]["guarantors"] == 303
        assert world.list_failure_kinds() == []
        assert await world.is_true()


async def test_families_that_fall_to_zero_before_the_page_are_not_kept(tmp_path: Path) -> None:
    async with night(tmp_path, [ODD], PAGED) as world:
        await wait_for_pages(world, 2)
        practice, gone = world.get_practice(), list_owing_families(world.get_practice())[3]
        remove_guarantor(practice, gone)
        practice.tables.connection.execute(
            "UPDATE patient SET DateTStamp = '2027-01-01 00:00:00' WHERE PatNum = ?", (gone.guarantor,)
        )
        await world.wait_for_snapshots(1)
        assert world.list_published()[0]["guarantors"] == 332
        assert world.list_failure_kinds() == []
        assert await world.is_true()


async def test_a_guarantor_who_vanishes_without_a_trace_costs_a_second_reading(
    tmp_path: Path, golden: GoldenTexts
) -> None:
    async with night(tmp_path, [ODD], PAGED) as world:
        await wait_for_pages(world, 2)
        remove_guarantor(world.get_practice(), list_owing_families(world.get_practice())[3])
        await world.wait_for_event("pull_rejected")
        assert world.assert_explained(Condition.PULLING, None, "332")
        golden.check(world.get_status().reason)
        await world.wait_for_snapshots(1)
        assert world.list_failure_kinds() == ["incomplete"]
        assert world.list_published()[0]["requests"] == CALM_REQUESTS
        assert await world.is_true()


async def test_an_office_that_never_stands_still_is_suspect_until_it_does(tmp_path: Path) -> None:
    async with night(tmp_path, [ODD], PAGED) as world:
        await world.wait_for_snapshots(1)
        previous = await world.read_balances()
        await world.sleep_until(DUE)
        with anyio.CancelScope() as busy:
            world.tasks.start_soon(_keep_posting, world, busy)
            await world.wait_for_condition(Condition.SUSPECT)
            assert world.assert_explained(Condition.SUSPECT, Owner.VENDOR, "nothing was published")
            assert await world.read_balances() == previous
        busy.cancel()
        await world.wait_for_snapshots(2)
        assert world.assert_explained(Condition.FRESH, None)
        assert await world.is_true()


async def _keep_posting(world: World, busy: anyio.CancelScope) -> None:
    while not busy.cancel_called:
        world.get_practice().post_activity(2)
        await anyio.sleep(0.7)


async def test_too_many_changes_to_patch_are_read_again(tmp_path: Path) -> None:
    office = (make_office_settings(reader=Reader.PAGES, page_rows=10),)
    async with night(tmp_path, [ODD], office) as world:
        await wait_for_pages(world, 33)
        for family in list_owing_families(world.get_practice())[:210]:
            post_charge(world.get_practice(), family)
        await world.wait_for_event("pull_rejected")
        assert sum(heard.is_patch for heard in world.list_statements()) <= 20
        await world.wait_for_snapshots(1)
        assert world.list_failure_kinds() == ["incomplete"]
        assert await world.is_true()


async def test_a_pull_that_broke_off_goes_on_from_its_last_page(tmp_path: Path) -> None:
    broken = schedule_fault(GatewayError(502), endpoints=frozenset({Endpoint.SHORT_QUERY}), skip=3, hits_max=2)
    async with night(tmp_path, [ODD], PAGED, faults=[broken]) as world:
        await world.wait_for_condition(Condition.UNREACHABLE)
        assert world.assert_explained(Condition.UNREACHABLE, Owner.VENDOR, "HTTP 502")
        await world.wait_for_snapshots(1)
        pages = [heard.sql for heard in world.list_statements() if heard.is_page]
        assert len(set(pages)) == 4
        assert len(pages) == 6
        assert world.list_published()[0]["requests"] == CALM_REQUESTS
        assert await world.is_true()
