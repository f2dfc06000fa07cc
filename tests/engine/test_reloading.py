"""A reload touches what changed and nothing else."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import time, timedelta
from pathlib import Path

import anyio

from oddaemon.core.model import Condition, Owner, Reader
from oddaemon.settings import OfficeSettings, Secret, Settings
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from tests.engine.night import SMALL, SMILE, night, office_settings
from tests.engine.world import World

SLOW = HeadquartersOptions(base_seconds=2)
STAYS, GOES, COMES = (replace(SMALL, office_id=name, seed=seed) for seed, name in enumerate(("stays", "goes", "comes")))
PAGED = office_settings("stays", reader=Reader.PAGES)


def with_offices(world: World, offices: Iterable[OfficeSettings]) -> Settings:
    return replace(world.settings, offices=tuple(offices))


async def test_an_office_that_did_not_change_keeps_its_pull_in_flight(tmp_path: Path) -> None:
    specs = [replace(SMILE, office_id="stays"), GOES, COMES]
    async with night(tmp_path, specs, [PAGED, office_settings("goes")], options=SLOW) as world:
        await world.until_said("page_stored", office_id="stays")
        await anyio.sleep(1)
        assert world.headquarters.in_flight >= 1
        before = len(world.exchanges("goes"))
        await world.apply(
            with_offices(world, [office_settings("stays", reader=Reader.PAGES), office_settings("comes")])
        )
        await world.until_published(1, "stays")
        await world.until_published(1, "comes")
        assert len(world.events("pull_started", "stays")) == 1
        assert all(each.status == 200 for each in world.exchanges("stays"))
        assert len(world.events("office_started", "stays")) == 1
        assert world.events("office_stopped", "goes")[-1]["reason"] == "removed or reconfigured"
        assert len(world.exchanges("goes")) - before <= 1
        assert set(world.daemon.fleet.offices) == {"stays", "comes"}
        assert world.explains(Condition.FRESH, None, office_id="stays")
        assert await world.is_true("stays")
        assert await world.is_true("comes")


async def test_an_office_that_goes_and_comes_back_has_lost_nothing(tmp_path: Path) -> None:
    async with night(tmp_path, [STAYS, GOES]) as world:
        await world.until_published(1, "goes")
        both = world.settings
        await world.apply(with_offices(world, [office_settings("stays")]))
        await anyio.sleep(600)
        asked = len(world.exchanges("goes"))
        await world.apply(both)
        await world.until_is(Condition.FRESH, "goes")
        assert len(world.exchanges("goes")) - asked <= 2
        assert len(await world.history("goes")) == 1
        assert len(await world.balances("goes")) == 40


async def test_a_corrected_key_is_used_from_the_next_question_on(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL], [office_settings(key="planted-wrong-key")]) as world:
        await world.until_is(Condition.BLOCKED)
        assert world.explains(Condition.BLOCKED, Owner.US, "does not accept the key, and never did")
        await world.apply(with_offices(world, [office_settings()]))
        await world.until_published(1, within=timedelta(minutes=32))
        assert world.explains(Condition.FRESH, None)
        assert await world.is_true()


async def test_a_new_developer_key_starts_every_office_anew(tmp_path: Path) -> None:
    async with night(tmp_path, [STAYS, GOES]) as world:
        await world.until_published(1, "goes")
        api = world.settings.api.model_copy(update={"developer_key": Secret("planted-other-developer-key")})
        await world.apply(replace(world.settings, api=api))
        for office_id in ("stays", "goes"):
            await world.until_is(Condition.BLOCKED, office_id)
            assert world.explains(Condition.BLOCKED, Owner.OFFICE, "does not accept the key", office_id=office_id)
        assert world.events("configuration_loaded", "")[-1]["warnings"] == []


async def test_pausing_and_resuming_an_office(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        await world.apply(with_offices(world, [office_settings(enabled=False)]))
        await world.until_is(Condition.PAUSED)
        assert world.explains(Condition.PAUSED, Owner.US, "Switched off")
        asked = len(world.exchanges())
        await anyio.sleep(40_000)
        assert len(world.exchanges()) == asked
        await world.apply(with_offices(world, [office_settings()]))
        await world.until_published(2, within=timedelta(minutes=1))
        assert world.explains(Condition.FRESH, None, "2026-03-03")


async def test_what_only_a_restart_changes_is_told(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        api = world.settings.api.model_copy(update={"max_in_flight": 2, "base_url": "http://127.0.0.1:2/api/v1"})
        before = world.settings
        for _ in range(2):
            await world.apply(replace(world.settings, api=api))
            assert world.events("configuration_loaded")[-1]["warnings"] == ["[api] takes effect only after a restart."]
        await world.apply(before)
        assert world.events("configuration_loaded")[-1]["warnings"] == []


async def test_what_only_a_restart_changes_is_reckoned_with_after_it(tmp_path: Path) -> None:
    # Else a shorter time-out would have the watchdog kill a daemon whose requests still take the former one.
    async with night(tmp_path, [SMALL]) as world:
        before = world.settings
        api = before.api.model_copy(update={"request_timeout_seconds": 1.0, "developer_name": "Acme"})
        daemon = before.daemon.model_copy(update={"drain_seconds": 1.0})
        for drained in (before.daemon, daemon):
            await world.apply(replace(before, api=api, daemon=drained))
        in_force = world.daemon.settings
        assert in_force.api == before.api.model_copy(update={"developer_name": "Acme"})
        told = await world.daemon.commands.drain(1000)
        assert f"within {before.daemon.drain_seconds:g} s" in told


async def test_what_is_still_being_read_when_the_daemon_has_ended_comes_to_nothing(tmp_path: Path) -> None:
    # A fleet takes a second to be read, and a reload is soon followed by a stop.
    async with night(tmp_path, [SMALL]) as world:
        await world.until_published(1)
        loaded = len(world.events("configuration_loaded"))
        await world.drain()
        await world.apply(with_offices(world, []))
        assert len(world.events("configuration_loaded")) == loaded


async def test_a_reload_back_and_forth_never_has_two_requests_of_a_key_in_flight(tmp_path: Path) -> None:
    async with night(tmp_path, [SMALL], options=SLOW) as world:
        for turn in range(6):
            await anyio.sleep(2.3)
            await world.apply(with_offices(world, [office_settings(fresh_by=time(6, turn))]))
        await world.until_published(1)
        assert len(world.events("office_started")) == 7
        assert await world.is_true()
