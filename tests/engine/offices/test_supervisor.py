"""A reload touches what changed and nothing else."""

from dataclasses import replace
from datetime import time, timedelta
from pathlib import Path

import anyio

from oddaemon.core.failures.failure import FailureKind
from oddaemon.core.model import Condition, Owner, Reader
from oddaemon.settings import Secret
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from tests.engine.night import SMALL, SMILE, make_office_settings, night, replace_credentials, replace_offices
from tests.golden import GoldenTexts

SLOW = HeadquartersOptions(base_seconds=2)
STAYS, GOES, COMES = (replace(SMALL, office_id=name, seed=seed) for seed, name in enumerate(("stays", "goes", "comes")))
PAGED = make_office_settings("stays", reader=Reader.PAGES)


async def test_an_office_that_did_not_change_keeps_its_pull_in_flight(tmp_path: Path) -> None:
    specs = [replace(SMILE, office_id="stays"), GOES, COMES]
    async with night(tmp_path, specs, [PAGED, make_office_settings("goes")], options=SLOW) as world:
        await world.wait_for_event("page_stored", office_id="stays")
        await anyio.sleep(1)
        assert world.headquarters.in_flight >= 1
        before = len(world.list_requests("goes"))
        await world.apply(
            replace_offices(
                world.settings, [make_office_settings("stays", reader=Reader.PAGES), make_office_settings("comes")]
            )
        )
        await world.wait_for_snapshots(1, "stays")
        await world.wait_for_snapshots(1, "comes")
        assert len(world.find_events("pull_started", "stays")) == 1
        assert all(each.status == 200 for each in world.list_requests("stays"))
        assert len(world.find_events("office_started", "stays")) == 1
        assert world.find_events("office_stopped", "goes")[-1]["reason"] == "removed or reconfigured"
        assert len(world.list_requests("goes")) - before <= 1
        assert set(world.daemon.fleet.offices) == {"stays", "comes"}
        assert world.assert_explained(Condition.FRESH, None, office_id="stays")
        assert await world.is_true("stays")
        assert await world.is_true("comes")


async def test_an_office_that_goes_and_comes_back_has_lost_nothing(tmp_path: Path) -> None:
    async with night(tmp_path, [STAYS, GOES]) as world:
        await world.wait_for_snapshots(1, "goes")
        both = world.settings
        await world.apply(replace_offices(world.settings, [make_office_settings("stays")]))
        await anyio.sleep(600)
        asked = len(world.list_requests("goes"))
        await world.apply(both)
        await world.wait_for_condition(Condition.FRESH, "goes")
        assert len(world.list_requests("goes")) - asked <= 2
        assert len(await world.read_history("goes")) == 1
        assert len(await world.read_balances("goes")) == 40


async def test_a_corrected_key_is_used_from_the_next_request_on(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL], [make_office_settings(key="planted-wrong-key")]) as world:
        await world.wait_for_condition(Condition.BLOCKED)
        assert world.assert_explained(Condition.BLOCKED, Owner.US, FailureKind.KEY_NEVER_ACCEPTED)
        await world.apply(replace_offices(world.settings, [make_office_settings()]))
        await world.wait_for_snapshots(1, within=timedelta(minutes=32))
        assert world.assert_explained(Condition.FRESH, None)
        assert await world.is_true()


async def test_a_new_developer_key_restarts_every_office(tmp_path: Path) -> None:
    async with night(tmp_path, [STAYS, GOES]) as world:
        await world.wait_for_snapshots(1, "goes")
        key = Secret("planted-other-developer-key")
        offices = [replace_credentials(each, developer_key=key) for each in world.settings.offices.values()]
        await world.apply(replace_offices(world.settings, offices))
        for office_id in ("stays", "goes"):
            await world.wait_for_condition(Condition.BLOCKED, office_id)
            assert world.assert_explained(
                Condition.BLOCKED, Owner.OFFICE, FailureKind.KEY_REJECTED, office_id=office_id
            )
        assert world.find_events("configuration_loaded", "")[-1]["warnings"] == []


async def test_pausing_and_resuming_an_office(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        await world.apply(replace_offices(world.settings, [make_office_settings(enabled=False)]))
        await world.wait_for_condition(Condition.PAUSED)
        assert world.assert_explained(Condition.PAUSED, Owner.US)
        asked = len(world.list_requests())
        await anyio.sleep(40_000)
        assert len(world.list_requests()) == asked
        await world.apply(replace_offices(world.settings, [make_office_settings()]))
        await world.wait_for_snapshots(2, within=timedelta(minutes=1))
        assert world.assert_explained(Condition.FRESH, None, "2026-03-03")


async def test_settings_that_need_a_restart_are_reported(tmp_path: Path, golden: GoldenTexts) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        api = world.settings.api.model_copy(update={"max_in_flight": 2, "base_url": "http://127.0.0.1:2/api/v1"})
        before = world.settings
        for _ in range(2):
            await world.apply(replace(world.settings, api=api))
            golden.check(world.find_events("configuration_loaded")[-1]["warnings"])
        await world.apply(before)
        assert world.find_events("configuration_loaded")[-1]["warnings"] == []


async def test_what_only_a_restart_changes_is_reckoned_with_after_it(tmp_path: Path) -> None:
    # Else a shorter time-out would have the watchdog kill a daemon whose requests still take the previous one.
    async with night(tmp_path, [SMALL]) as world:
        before = world.settings
        api = before.api.model_copy(update={"request_timeout_seconds": 1.0, "developer_name": "Acme"})
        daemon = before.daemon.model_copy(update={"drain_seconds": 1.0})
        for drained in (before.daemon, daemon):
            await world.apply(replace(before, api=api, daemon=drained))
        in_force = world.daemon.settings
        assert in_force.api == before.api.model_copy(update={"developer_name": "Acme"})
        message = await world.daemon.admin.commands.drain(1000)
        assert f"within {before.daemon.drain_seconds:g} s" in message


async def test_what_is_still_being_read_when_the_daemon_has_ended_comes_to_nothing(tmp_path: Path) -> None:
    # A fleet takes a second to be read, and a reload is soon followed by a stop.
    async with night(tmp_path, [SMALL]) as world:
        await world.wait_for_snapshots(1)
        loaded = len(world.find_events("configuration_loaded"))
        await world.drain()
        await world.apply(replace_offices(world.settings, []))
        assert len(world.find_events("configuration_loaded")) == loaded


async def test_a_reload_back_and_forth_never_has_two_requests_of_a_key_in_flight(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL], options=SLOW) as world:
        for turn in range(6):
            await anyio.sleep(2.3)
            await world.apply(replace_offices(world.settings, [make_office_settings(fresh_by=time(6, turn))]))
        await world.wait_for_snapshots(1)
        assert len(world.find_events("office_started")) == 7
        assert await world.is_true()
