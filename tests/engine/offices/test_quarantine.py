"""A programmer's error in one office's worker ends that worker, within a budget, and no other worker."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import anyio
import pytest

from oddaemon.core.model import Condition, Owner, Reader
from oddaemon.settings import DaemonSettings
from tests.engine.night import SMALL, SMILE, make_office_settings, night, replace_offices
from tests.golden import GoldenTexts

HEALTHY = replace(SMALL, office_id="healthy", seed=2)
TWICE = DaemonSettings(restarts_max=2, restarts_within_seconds=600)


async def test_a_worker_that_crashes_is_started_again(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL, HEALTHY], daemon=TWICE, crashes=True) as world:
        world.injected_crashes["smile"] = 2
        await world.wait_for_snapshots(1)
        crashes = world.find_events("worker_crashed")
        assert [(line["error"], line["restarts_left"]) for line in crashes] == [
            ("InjectedCrash", 2),
            ("InjectedCrash", 1),
        ]
        assert "_crash_on_event" in crashes[0]["traceback"]
        assert world.find_events("worker_crashed", "healthy") == []
        assert len(world.list_requests("healthy")) >= 6
        assert world.assert_explained(Condition.FRESH, None)
        assert await world.is_true()


async def test_a_worker_that_crashes_too_often_is_quarantined_and_its_neighbour_goes_on(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL, HEALTHY], daemon=TWICE, crashes=True) as world:
        world.injected_crashes["smile"] = 1000
        await world.wait_for_condition(Condition.BLOCKED)
        assert world.assert_explained(Condition.BLOCKED, Owner.US, "crashed too often")
        assert "worker_crashed" in world.get_status().advice
        assert [line["restarts_left"] for line in world.find_events("worker_crashed")] == [2, 1, 0]
        assert world.find_events("office_stopped")[-1]["reason"] == "crashed too often"
        await world.wait_for_snapshots(2, "healthy")
        assert world.assert_explained(Condition.FRESH, None, "2026-03-03", office_id="healthy")
        assert await world.is_true("healthy")


@pytest.mark.parametrize("how", ["reload", "restart"])
async def test_a_reload_or_a_restart_ends_a_quarantine(tmp_path: Path, how: str) -> None:
    async with night(tmp_path, [SMALL, HEALTHY], daemon=TWICE, crashes=True) as world:
        world.injected_crashes["smile"] = 3
        await world.wait_for_condition(Condition.BLOCKED)
        if how == "reload":
            await world.apply(world.settings)
        else:
            await world.crash()
            await world.start()
            assert world.assert_explained(Condition.BLOCKED, Owner.US, "crashed too often")
        await world.wait_for_snapshots(1)
        assert world.assert_explained(Condition.FRESH, None)
        assert await world.is_true()


async def test_a_quarantine_ends_by_itself_after_an_hour_and_says_when(tmp_path: Path, golden: GoldenTexts) -> None:
    async with night(tmp_path, [SMALL], daemon=TWICE, crashes=True) as world:
        world.injected_crashes["smile"] = 3
        await world.wait_for_condition(Condition.BLOCKED)
        status = world.get_status()
        assert status.next_action_at == world.clock.now() + timedelta(hours=1)
        golden.check(status.next_action)
        assert "oddaemon_office_next_action_timestamp_seconds{" not in world.render_metrics()
        await world.wait_for_event("office_started", 2)
        assert world.clock.now() == status.next_action_at
        await world.wait_for_snapshots(1)
        assert world.assert_explained(Condition.FRESH, None)
        assert await world.is_true()


async def test_each_quarantine_is_twice_as_long_up_to_a_day(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL], daemon=TWICE, crashes=True) as world:
        world.injected_crashes["smile"] = 1000
        await world.wait_until(lambda: len(world.find_events("office_quarantined")) == 7, timedelta(days=4))
        waits = [
            datetime.fromisoformat(line["until"]) - datetime.fromisoformat(line["timestamp"])
            for line in world.find_events("office_quarantined")
        ]
        assert [round(wait / timedelta(hours=1)) for wait in waits] == [1, 2, 4, 8, 16, 24, 24]


async def test_many_offices_that_crash_by_one_error_are_one_event(tmp_path: Path) -> None:
    names = ("smile", "fir", "oak", "elm")
    specs = [replace(SMALL, office_id=name, seed=number) for number, name in enumerate(names, 1)]
    async with night(tmp_path, specs, daemon=TWICE, crashes=True) as world:
        world.injected_crashes.update(dict.fromkeys(names, 1000))
        await world.wait_until(lambda: all(world.find_events("office_quarantined", name) for name in names))
        (event,) = world.find_events("offices_crashed_alike")
        assert (event["error"], event["offices"]) == ("InjectedCrash", 3)
        assert event["place"].startswith("telemetry/telemetry.py:")
        loud = [line for line in world.lines if line["level"] == "error" and line["event"] != "offices_crashed_alike"]
        assert {line["event"] for line in loud} == {"worker_crashed"}
        assert len(loud) <= 3 * len(names)


async def test_an_office_that_a_reload_has_taken_out_is_not_shown_as_blocked(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL, HEALTHY]) as world:
        await world.wait_for_snapshots(1)
        await world.apply(replace_offices(world.settings, [*world.settings.offices.values()][1:]))
        await world.services.registry.quarantine("smile", ZeroDivisionError(), 3600.0)
        assert set(world.daemon.fleet.offices) == {"healthy"}


async def test_crashes_far_apart_are_forgiven(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL], daemon=TWICE, crashes=True) as world:
        await world.wait_for_snapshots(1)
        for count in range(1, 5):
            world.injected_crashes["smile"] = 1
            await world.wait_for_event("worker_crashed", count)
            await anyio.sleep(700)
        assert {line["restarts_left"] for line in world.find_events("worker_crashed")} == {2}
        await world.wait_for_snapshots(2)
        assert await world.is_true()


async def test_a_crash_in_the_middle_of_the_pages_goes_on_from_there(tmp_path: Path) -> None:
    async with night(tmp_path, [SMILE], [make_office_settings(reader=Reader.PAGES)], crashes=True) as world:
        await world.wait_for_event("page_stored", 2)
        world.injected_crashes["smile"] = 1
        await world.wait_for_snapshots(1)
        assert world.find_events("pull_started")[-1]["resumed_rows"] == 200
        pages = [heard.sql for heard in world.list_statements() if heard.is_page]
        assert len(set(pages)) == len(pages)
        assert await world.is_true()


async def test_a_drain_does_not_wait_for_a_worker_that_is_to_be_started_again(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL], crashes=True) as world:
        world.injected_crashes["smile"] = 1
        await world.wait_for_event("worker_crashed")
        began = world.clock.now()
        await world.drain()
        assert world.clock.now() == began
