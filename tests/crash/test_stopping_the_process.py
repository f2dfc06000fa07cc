"""SIGTERM and SIGHUP, to the real process, at the moments when they hurt."""

import os
import signal
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from tests.crash.ambush import Asked
from tests.crash.daemon_process import DaemonProcess, daemon_process
from tests.crash.held_page import HeldPage
from tests.crash.news import PATIENCE_SECONDS
from tests.crash.scenes import PAGE_ROWS, Scene, noon_zone, scenes
from tests.crash.stage import Stage, stage
from tests.crash.telling import MORTAL

pytestmark = pytest.mark.real("stops and kills real processes")

IN_TIME_SECONDS = 15.0
"""Far above what an end takes on a busy machine, far below `LONG_SECONDS`."""
LONG_SECONDS = 60.0


def scene(name: str) -> Scene:
    return scenes(noon_zone())[name]


def pages(built: Stage) -> int:
    return sum(seen.asked is Asked.PAGE for seen in built.ambush.seen)


def seconds_between(first: dict[str, Any], last: dict[str, Any]) -> float:
    earlier, later = (datetime.fromisoformat(line["timestamp"]) for line in (first, last))
    return (later - earlier).total_seconds()


async def test_sigterm_lets_the_page_in_flight_arrive_and_asks_for_no_other(tmp_path: Path) -> None:
    async with stage(scene("pages"), tmp_path) as built:
        page = HeldPage(built, 3)
        async with daemon_process(built.config, built.news, built.tasks) as daemon:
            await page.asked()
            daemon.send(signal.SIGTERM)
            await daemon.until_said("daemon_draining")
            page.let_go()
            assert await daemon.ended() == 0
        assert (daemon.lines[-1]["event"], daemon.noise) == ("daemon_stopped", [])
        assert (pages(built), len(built.ambush.fetched)) == (3, len(built.ambush.seen))
        async with daemon_process(built.config, built.news, built.tasks) as second:
            await second.until_said("snapshot_published")
        assert second.said("pull_started")[0]["resumed_rows"] == 3 * PAGE_ROWS
        assert pages(built) == 8


async def test_sigterm_waits_no_longer_than_drain_seconds(tmp_path: Path) -> None:
    async with stage(scene("pages"), tmp_path) as built:
        built.configure(daemon={"drain_seconds": 0.3})
        page = HeldPage(built, 3)
        async with daemon_process(built.config, built.news, built.tasks) as daemon:
            await page.asked()
            daemon.send(signal.SIGTERM)
            assert await daemon.ended() == 0
        assert 0.3 <= seconds_between(draining(daemon), daemon.lines[-1]) < IN_TIME_SECONDS
        assert daemon.noise == []


async def test_a_second_sigterm_stops_at_once(tmp_path: Path) -> None:
    async with stage(scene("pages"), tmp_path) as built:
        built.configure(daemon={"drain_seconds": LONG_SECONDS})
        page = HeldPage(built, 3)
        async with daemon_process(built.config, built.news, built.tasks) as daemon:
            await page.asked()
            daemon.send(signal.SIGTERM)
            await daemon.until_said("daemon_draining")
            daemon.send(signal.SIGTERM)
            assert await daemon.ended() == 0
        assert seconds_between(draining(daemon), daemon.lines[-1]) < IN_TIME_SECONDS
        assert daemon.noise == []
        page.let_go()
        async with daemon_process(built.config, built.news, built.tasks) as second:
            await second.until_said("snapshot_published")
        assert second.said("pull_started")[0]["resumed_rows"] == 2 * PAGE_ROWS


async def test_a_kill_while_it_drains_is_a_kill_like_any_other(tmp_path: Path) -> None:
    async with stage(scene("pages"), tmp_path) as built:
        page = HeldPage(built, 3)
        async with daemon_process(built.config, built.news, built.tasks) as daemon:
            await page.asked()
            daemon.send(signal.SIGTERM)
            await daemon.until_said("daemon_draining")
            daemon.send(signal.SIGKILL)
            assert await daemon.ended() == -signal.SIGKILL
        page.let_go()
        async with daemon_process(built.config, built.news, built.tasks) as second:
            await second.until_said("snapshot_published")
        assert second.said("pull_started")[0]["resumed_rows"] == 2 * PAGE_ROWS
        assert pages(built) == 9


@pytest.mark.parametrize("commit", [1, 2, 3])
async def test_sigterm_before_it_is_ready_ends_it_in_good_order(tmp_path: Path, commit: int) -> None:
    """In the middle of migrating, of opening, and of enrolling the offices."""
    async with stage(scene("pages"), tmp_path) as built:
        program = (MORTAL, "--before", str(commit), "--signal", "SIGTERM", "--")
        async with daemon_process(built.config, built.news, built.tasks, program) as daemon:
            assert await daemon.ended() == 0
        assert (daemon.lines[-1]["event"], daemon.noise) == ("daemon_stopped", [])
        assert (daemon.said("daemon_ready"), built.ambush.seen) == ([], [])


@pytest.mark.parametrize("program", [("--importing", "sqlalchemy"), ("--before", "1"), ("--before", "3")])
async def test_sighup_before_it_is_ready_does_not_end_it(tmp_path: Path, program: tuple[str, str]) -> None:
    async with stage(scene("pages"), tmp_path) as built:
        launched = (MORTAL, *program, "--signal", "SIGHUP", "--")
        async with daemon_process(built.config, built.news, built.tasks, launched) as daemon:
            await daemon.until_said("snapshot_published")
            daemon.send(signal.SIGTERM)
            assert await daemon.ended() == 0
        assert daemon.noise == []


async def test_a_configuration_changed_while_it_starts_is_not_missed(tmp_path: Path) -> None:
    """It was read already, the offices are about to be enrolled, and the hangup comes before all is ready."""
    async with stage(scene("fleet"), tmp_path) as built:
        built.configure("packed")
        launched = (MORTAL, "--before", "3", "--signal", "SIGSTOP", "--")
        async with daemon_process(built.config, built.news, built.tasks, launched) as daemon:
            await daemon.until_said("daemon_started")
            await until_stopped(daemon.pid)
            assert not daemon.said("daemon_ready")
            built.configure()
            daemon.send(signal.SIGHUP)
            daemon.send(signal.SIGCONT)
            await daemon.until_said("snapshot_published", 4)


async def test_sighup_in_the_middle_of_a_pull_does_not_disturb_it(tmp_path: Path) -> None:
    async with stage(scene("fleet"), tmp_path) as built:
        built.configure("paged")
        page = HeldPage(built, 3)
        async with daemon_process(built.config, built.news, built.tasks) as daemon:
            await page.asked()
            daemon.send(signal.SIGHUP)
            await daemon.until_said("configuration_loaded", 2)
            built.configure()
            daemon.send(signal.SIGHUP)
            loaded = await daemon.until_said("configuration_loaded", 3)
            await daemon.until_said("snapshot_published", 3)
            page.let_go()
            await daemon.until_said("snapshot_published", 4)
            daemon.send(signal.SIGTERM)
            assert await daemon.ended() == 0
        assert loaded["offices"] == 4
        assert [line["office"] for line in daemon.said("snapshot_published")][-1] == "paged"
        assert [line["resumed_rows"] for line in daemon.said("pull_started") if line["office"] == "paged"] == [0]
        assert daemon.said("snapshot_published")[-1]["requests"] == 10
        assert pages(built) == 8


async def until_stopped(pid: int) -> None:
    """It stopped itself, and goes on with SIGCONT."""
    stopped = partial(os.waitid, os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)
    with anyio.fail_after(PATIENCE_SECONDS):
        await anyio.to_thread.run_sync(stopped, abandon_on_cancel=True)


def draining(daemon: DaemonProcess) -> dict[str, Any]:
    (line,) = daemon.said("daemon_draining")
    return line
