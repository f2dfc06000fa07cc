"""What systemd hears of a daemon's life on virtual time, from its own socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from oddaemon.core.model import Condition
from oddaemon.core.stall_detection import TURN_SECONDS
from oddaemon.engine.monitoring.watchdog import CLOSING_SECONDS, NOTIFY_INTERVAL_SECONDS, DaemonHealth
from oddaemon.settings import ApiSettings, DaemonSettings, Secret, Settings, StateSettings
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from oddaemon.simulator.virtual_time import VirtualLoop
from tests.engine.night import BEFORE_DAWN, SMALL, night
from tests.engine.world import World
from tests.golden import GoldenTexts
from tests.systemd.notify_socket import NotifySocket

SLOW = HeadquartersOptions(base_seconds=50)
DAEMON_HEALTH = DaemonHealth(
    at=100.0,
    now=BEFORE_DAWN,
    settings=Settings(
        source=Path("oddaemon.toml"),
        api=ApiSettings(developer_key=Secret("none")),
        state=StateSettings(database_url=Secret("/x")),
    ),
    has_started=True,
    drain_deadline=None,
    store_failure=None,
    writing_since=None,
    activity=(),
    statuses=(),
)


@asynccontextmanager
async def night_with_notify_socket(
    directory: Path, monkeypatch: pytest.MonkeyPatch, **how: Any
) -> AsyncIterator[tuple[World, NotifySocket]]:
    """A night whose daemon has a service manager."""
    with NotifySocket(directory) as manager:
        monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
        monkeypatch.setenv("WATCHDOG_USEC", "60000000")
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(manager.record_messages)
            async with night(directory, [SMALL], **how) as world:
                yield world, manager
            tasks.cancel_scope.cancel()


def list_statuses(manager: NotifySocket) -> list[str]:
    return [each.removeprefix("STATUS=") for each in manager.messages if each.startswith("STATUS=")]


async def test_the_status_follows_the_fleet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, golden: GoldenTexts
) -> None:
    monkeypatch.setenv("TZ", "America/Los_Angeles")
    async with night_with_notify_socket(tmp_path, monkeypatch) as (world, manager):
        await world.wait_for_condition(Condition.FRESH)
        await world.wait_for_snapshots(2)
        await anyio.sleep(2 * NOTIFY_INTERVAL_SECONDS)
    shown = list_statuses(manager)
    golden.check(shown[0])
    assert any(each.startswith("1 of 1 fresh; next ") for each in shown)
    assert any(each.startswith("0 of 1 fresh, 1 aging; next ") for each in shown)
    assert manager.messages.index("READY=1") > manager.messages.index(f"STATUS={shown[0]}")
    assert len(shown) == sum(one != other for one, other in zip(shown, ["", *shown], strict=False)), "only what is new"


async def test_an_engine_with_nothing_to_do_feeds_the_watchdog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with night_with_notify_socket(tmp_path, monkeypatch) as (world, manager):
        await world.wait_for_condition(Condition.FRESH)
        manager.messages.clear()
        await anyio.sleep(6000)
        assert manager.messages.count("WATCHDOG=1") == pytest.approx(6000 / NOTIFY_INTERVAL_SECONDS, abs=2)
        assert not world.find_events("engine_stalled")


async def test_a_stuck_engine_starves_the_watchdog_though_the_loop_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with night_with_notify_socket(tmp_path, monkeypatch) as (world, manager):
        await world.wait_for_condition(Condition.FRESH)
        # A task took the writer's turn and never gives it back: no office gets any further.
        async with world.database._require_writer().lock:
            await world.wait_for_event("engine_stalled")
            stuck_since = anyio.current_time()
            [stalled] = world.find_events("engine_stalled")
            assert stalled["reason"].startswith("Office smile has made no progress for ")
            manager.messages.clear()
            await anyio.sleep(600)
            assert not [
                each for each in manager.messages if not each.startswith("STATUS=Stuck: office smile has made no")
            ]
        manager.messages.clear()
        await world.wait_for_event("engine_recovered")
        await anyio.sleep(NOTIFY_INTERVAL_SECONDS)
        assert "WATCHDOG=1" in manager.messages
        assert list_statuses(manager)[-1].startswith("1 of 1 fresh")
        assert world.find_events("engine_recovered")[0]["seconds"] >= 600
        assert stuck_since > TURN_SECONDS


async def test_a_process_that_was_stopped_for_an_hour_is_not_stuck(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with night_with_notify_socket(tmp_path, monkeypatch) as (world, manager):
        await world.wait_for_condition(Condition.FRESH)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop._jumping_selector.now_seconds += 3600
        manager.messages.clear()
        await anyio.sleep(4 * NOTIFY_INTERVAL_SECONDS)
        assert not world.find_events("engine_stalled")
        assert "WATCHDOG=1" in manager.messages


async def test_a_drain_asks_for_more_time_while_a_request_is_in_flight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = DaemonSettings(drain_seconds=300)
    async with night_with_notify_socket(tmp_path, monkeypatch, options=SLOW, daemon=daemon) as (world, manager):
        await world.wait_until(lambda: world.headquarters.in_flight == 1)
        await anyio.sleep(5)
        manager.messages.clear()
        began = anyio.current_time()
        await world.drain()
        drained_for = anyio.current_time() - began
    assert 40 < drained_for < 50
    extensions = manager.messages.count("EXTEND_TIMEOUT_USEC=30000000")
    assert extensions == pytest.approx(drained_for / NOTIFY_INTERVAL_SECONDS, abs=2)
    assert list_statuses(manager)[0] in {
        f"Stopping: 1 request in flight, for at most {seconds} s." for seconds in (298, 299, 300)
    }


@pytest.mark.parametrize(
    ("at", "needs"), [(100.0, True), (300.0, True), (300.0 + CLOSING_SECONDS, False), (4000.0, False)]
)
def test_a_drain_that_does_not_end_is_not_prolonged_for_ever(at: float, needs: bool) -> None:
    assert replace(DAEMON_HEALTH, at=at, drain_deadline=300.0).needs_more_time is needs


def test_a_start_needs_time_until_it_is_over() -> None:
    assert replace(DAEMON_HEALTH, has_started=False).needs_more_time
    assert not DAEMON_HEALTH.needs_more_time


def test_a_database_incident_comes_before_the_fleet() -> None:
    assert replace(DAEMON_HEALTH, store_failure="Disk full.").sentence == "Not ready: Disk full."
