"""What an office asked for, and how often it failed, outlives the process that was told."""

import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import anyio
import pytest

from oddaemon.simulator.faults.faults import EConnectorDown, ScheduledFault, TooManyRequests
from tests.crash.daemon_process import DaemonProcess, daemon_process
from tests.crash.news import PATIENCE_SECONDS
from tests.crash.remains import balances, states
from tests.crash.scenes import Scene, noon_zone, scenes
from tests.crash.stage import Stage, stage
from tests.crash.telling import WAKES_EARLY, left_behind

pytestmark = pytest.mark.real("kills real processes")

LIVES = 2


def scene(*troubles: ScheduledFault) -> Scene:
    return replace(scenes(noon_zone())["statement"], troubles=troubles)


async def remembered(built: Stage, daemon: DaemonProcess, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The office's state, once it is stored so.

    Read in the file itself: of one that is written to meanwhile, a copy may have pages of two instants.
    """
    await daemon.until_said("daemon_ready")  # no reader stands in the way while the file is made
    with anyio.fail_after(PATIENCE_SECONDS):
        while True:
            state = states(built.database).get("packed")
            if state is not None and is_so(state):
                return state
            await anyio.sleep(0.005)  # another process writes it: there is nothing to wait on


async def test_a_server_that_asked_for_time_gets_it_whoever_is_killed_meanwhile(tmp_path: Path) -> None:
    async with stage(scene(ScheduledFault(TooManyRequests("3600"))), tmp_path) as built:
        async with daemon_process(built.config, built.news, built.tasks) as daemon:
            state = await remembered(built, daemon, lambda state: state["attempts"] == 1)
            daemon.send(signal.SIGKILL)
        for _ in range(LIVES):
            async with daemon_process(built.config, built.news, built.tasks) as daemon:
                told = await daemon.until_said("condition_changed")
                assert (told["after"], told["reason"]) == ("unreachable", state["standing"]["reason"])
                daemon.send(signal.SIGKILL)
            assert left_behind(built.database)["packed"] == state
        assert len(built.ambush.seen) == 1


async def test_and_is_asked_again_when_that_time_is_over(tmp_path: Path) -> None:
    async with stage(scene(ScheduledFault(TooManyRequests("3"), hits_max=1)), tmp_path) as built:
        async with daemon_process(built.config, built.news, built.tasks) as daemon:
            state = await remembered(built, daemon, lambda state: state["attempts"] == 1)
            daemon.send(signal.SIGKILL)
        async with daemon_process(built.config, built.news, built.tasks) as daemon:
            await daemon.until_said("snapshot_published")
        assert built.ambush.seen[1].at >= datetime.fromisoformat(state["not_before"]) - WAKES_EARLY


async def test_a_back_off_goes_on_where_it_stood(tmp_path: Path) -> None:
    async with stage(scene(ScheduledFault(EConnectorDown())), tmp_path) as built:
        built.configure(cadence={"backoff_base_seconds": 0.05, "backoff_max_seconds": 900.0})
        async with daemon_process(built.config, built.news, built.tasks) as daemon:
            await remembered(built, daemon, lambda state: state["attempts"] == 2)
            daemon.send(signal.SIGKILL)
        state = left_behind(built.database)["packed"]
        async with daemon_process(built.config, built.news, built.tasks) as daemon:
            later = await remembered(built, daemon, lambda now: now["attempts"] == state["attempts"] + 2)
            daemon.send(signal.SIGKILL)
        assert daemon.said("failure_seen")[0]["attempt"] == state["attempts"] + 1
        assert later["standing"]["since"] == state["standing"]["since"]


async def test_a_run_that_was_seen_to_begin_is_read_though_nobody_saw_it_end(tmp_path: Path) -> None:
    """The second run of one day: no date moves, only who has seen it under way can know of it."""
    async with stage(scene(), tmp_path) as built:
        (practice,) = built.headquarters.practices.values()
        await built.age()
        async with daemon_process(built.config, built.news, built.tasks) as daemon:
            first = await daemon.until_said("snapshot_published")
            begun = datetime.now(ZoneInfo(practice.spec.zone))
            practice.set_preference("AgingBeginDateTime", f"{begun:%Y-%m-%d %H:%M:%S}")
            await remembered(built, daemon, lambda state: state["run_seen"] is not None)
            daemon.send(signal.SIGKILL)
        await built.age()
        async with daemon_process(built.config, built.news, built.tasks) as daemon:
            second = await daemon.until_said("snapshot_published")
            daemon.send(signal.SIGTERM)
            assert await daemon.ended() == 0
        assert second["aging_date"] == first["aging_date"]
        assert second["changed"] > 0
        assert balances(built.database, "packed") == [tuple(balance) for balance in practice.get_true_balances()]
