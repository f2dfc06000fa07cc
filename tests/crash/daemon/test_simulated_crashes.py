"""Kill the daemon anywhere: nothing is lost, doubled or half."""

import random
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from oddaemon.core.failures.failure import FailureKind
from oddaemon.core.model import Condition, Owner, Reader
from oddaemon.simulator.faults.faults import EConnectorDown, TooManyRequests
from oddaemon.simulator.model.spec import PracticeSpec
from tests.engine.night import (
    DUE,
    SMILE,
    make_office_settings,
    night,
    replace_offices,
    schedule_fault,
    time_after_start,
)
from tests.engine.world import World

FLEET = (
    PracticeSpec("packed", seed=1, guarantors=60, settled=20, service_time_due="02:00:00"),
    PracticeSpec("paged", seed=2, guarantors=250, settled=20, service_time_due="02:03:00"),
    PracticeSpec("busy", seed=3, guarantors=60, settled=20, service_time_due="02:06:00", activity_per_hour=200),
)
OFFICES = (
    make_office_settings("packed"),
    make_office_settings("paged", reader=Reader.PAGES),
    make_office_settings("busy"),
)


@pytest.fixture
def anyio_backend(virtual_time: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    return virtual_time


@pytest.mark.parametrize("pages", [1, 2, 3])
async def test_no_page_is_fetched_twice_after_a_crash(tmp_path: Path, pages: int) -> None:
    async with night(tmp_path, [SMILE], [make_office_settings(reader=Reader.PAGES)]) as world:
        await world.wait_for_event("page_stored", pages)
        await world.crash()
        truth = world.get_practice().balances.get_true_balances()
        await world.start()
        await world.wait_for_snapshots(1)
        assert world.find_events("pull_started")[-1]["resumed_rows"] == 100 * pages
        assert max(Counter(heard.sql for heard in world.list_statements() if heard.is_page).values()) == 1
        assert sum(heard.is_control for heard in world.list_statements()) == 2
        assert world.list_published()[0]["requests"] == 5
        assert [tuple(balance) for balance in await world.read_balances()] == [tuple(balance) for balance in truth]
        assert world.assert_explained(Condition.FRESH, None)


async def test_rows_changed_while_the_daemon_was_down_are_patched(tmp_path: Path) -> None:
    async with night(tmp_path, [SMILE], [make_office_settings(reader=Reader.PAGES)]) as world:
        await world.wait_for_event("page_stored", 2)
        await world.crash()
        world.get_practice().post_activity(8)
        await anyio.sleep(600)
        await world.start()
        await world.wait_for_snapshots(1)
        assert max(Counter(heard.sql for heard in world.list_statements() if heard.is_page).values()) == 1
        assert world.list_failure_kinds() == []
        assert await world.is_true()


async def test_pages_of_an_earlier_run_are_not_mixed_with_those_of_the_next(tmp_path: Path) -> None:
    async with night(tmp_path, [SMILE], [make_office_settings(reader=Reader.PAGES)]) as world:
        await world.wait_for_event("page_stored", 2)
        await world.crash()
        await world.sleep_until(DUE + timedelta(minutes=10))
        await world.start()
        await world.wait_for_snapshots(1)
        assert world.list_published()[0]["aging_date"] == "2026-03-03"
        assert world.list_published()[0]["requests"] >= 5
        assert [line["resumed_rows"] for line in world.find_events("pull_started")][-1] == 0
        assert await world.is_true()


async def test_pages_read_for_another_spec_are_not_used(tmp_path: Path) -> None:
    spec = PracticeSpec("smile", seed=1, guarantors=300, clinics=2)
    async with night(tmp_path, [spec], [make_office_settings(reader=Reader.PAGES)]) as world:
        await world.wait_for_event("page_stored", 2)
        await world.crash()
        narrowed = make_office_settings(reader=Reader.PAGES, clinics=(1,))
        await world.start(replace_offices(world.settings, (narrowed,)))
        await world.wait_for_snapshots(1)
        assert world.find_events("pull_started")[-1]["resumed_rows"] == 0
        assert {balance.clinic_num for balance in await world.read_balances()} == {1}
        assert await world.is_true()


async def test_forty_crashes_around_publishing_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    """At random instants, and at the worst ones: just after something happened, between an answer and its storing."""
    rng = random.Random(12)
    async with night(tmp_path, FLEET, OFFICES) as world:
        await _wait_until_all_fresh(world)
        await world.sleep_until(DUE - timedelta(seconds=20))
        for crash in range(40):
            if crash % 4 == 0:
                await anyio.sleep(rng.choice((1, 10, 60)) * rng.random())
            else:
                await world.wait_for_lines(lines=rng.randint(1, 20), steps=rng.randint(0, 12))
            await world.crash()
            await world.start()
        assert world.clock.now() > DUE + timedelta(minutes=2)
        await world.sleep_until(DUE + timedelta(hours=1))
        await _wait_until_all_fresh(world)
        for office in world.settings.offices.values():
            dates = [row.aging_date.isoformat() for row in await world.read_history(office.spec.id)]
            assert dates == ["2026-03-02", "2026-03-03"]
            assert world.assert_explained(Condition.FRESH, None, "2026-03-03", office_id=office.spec.id)


async def _wait_until_all_fresh(world: World) -> None:
    for office in world.settings.offices.values():
        await world.wait_for_condition(Condition.FRESH, office.spec.id)


async def test_a_restart_does_not_forget_a_back_off(tmp_path: Path) -> None:
    async with night(tmp_path, faults=[schedule_fault(EConnectorDown())]) as world:
        await world.sleep_until(time_after_start(hours=2))
        not_before = world.get_state().not_before
        since = world.clock.now()
        assert world.assert_explained(Condition.UNREACHABLE, Owner.OFFICE, FailureKind.ECONNECTOR_DOWN)
        for _ in range(6):
            await world.crash()
            await world.start()
            assert world.get_state().not_before == not_before
            assert world.assert_explained(Condition.UNREACHABLE, Owner.OFFICE, FailureKind.ECONNECTOR_DOWN)
        await world.sleep_until(not_before - timedelta(seconds=1))
        assert world.list_requests(since=since) == []
        await world.sleep_until(not_before + timedelta(seconds=5))
        assert len(world.list_requests(since=since)) == 1


async def test_a_restart_does_not_forget_what_the_server_asked_for(tmp_path: Path) -> None:
    async with night(tmp_path, faults=[schedule_fault(TooManyRequests("3600"), hits_max=1)]) as world:
        await world.wait_for_condition(Condition.UNREACHABLE)
        refused_at = world.clock.now()
        await world.crash()
        await anyio.sleep(60)
        await world.start()
        assert world.assert_explained(Condition.UNREACHABLE, Owner.US, FailureKind.THROTTLED, "HTTP 429")
        await world.wait_for_snapshots(1)
        assert world.list_requests()[1].arrived >= refused_at + timedelta(hours=1)
        assert await world.is_true()


async def test_a_wall_clock_set_back_does_not_make_an_office_wait_for_years(tmp_path: Path) -> None:
    async with night(tmp_path) as world:
        await world.wait_for_condition(Condition.FRESH)
        await world.crash()
        world.clock.step(timedelta(days=-300))
        since = world.clock.now()
        await world.start()
        await world.wait_until(lambda: bool(world.list_requests(since=since)), within=timedelta(hours=8))
        world.clock.step(timedelta(days=300))
        await world.wait_for_snapshots(2)
        assert await world.is_true()
