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

from tests.crash.change_signal import TIMEOUT_SECONDS
from tests.crash.daemon_process import DaemonProcess
from tests.crash.environment import Environment, crash_environment
from tests.crash.request_interceptor import RequestKind
from tests.crash.scenario_run import KILLABLE_DAEMON
from tests.crash.scenarios import PAGE_ROWS, Scenario, find_noon_zone, make_scenarios

pytestmark = pytest.mark.real("stops and kills real processes")

IN_TIME_SECONDS = 15.0
"""Far above what an end takes on a busy machine, far below `LONG_SECONDS`."""
LONG_SECONDS = 60.0


class DelayedPage:
    """A page whose answer is held back until the test releases it."""

    def __init__(self, environment: Environment, page: int) -> None:
        self._page = page
        self._requested = anyio.Event()
        self._released = anyio.Event()
        environment.interceptor.on_page = self._delay

    async def wait_until_requested(self) -> None:
        """Return once the daemon waits for it."""
        with anyio.fail_after(TIMEOUT_SECONDS):
            await self._requested.wait()

    def release(self) -> None:
        """Let it be answered."""
        self._released.set()

    async def _delay(self, pages: int) -> None:
        if pages == self._page:
            self._requested.set()
            await self._released.wait()


def get_scenario(name: str) -> Scenario:
    return make_scenarios(find_noon_zone())[name]


def count_pages(environment: Environment) -> int:
    return sum(request.kind is RequestKind.PAGE for request in environment.interceptor.requests)


def compute_seconds_between(first: dict[str, Any], last: dict[str, Any]) -> float:
    earlier, later = (datetime.fromisoformat(line["timestamp"]) for line in (first, last))
    return (later - earlier).total_seconds()


async def test_sigterm_lets_the_page_in_flight_arrive_and_asks_for_no_other(tmp_path: Path) -> None:
    async with crash_environment(get_scenario("pages"), tmp_path) as built:
        page = DelayedPage(built, 3)
        async with built.running_daemon() as daemon:
            await page.wait_until_requested()
            daemon.send_signal(signal.SIGTERM)
            await daemon.wait_for_event("daemon_draining")
            page.release()
            assert await daemon.wait_for_exit() == 0
        assert (daemon.lines[-1]["event"], daemon.other_output) == ("daemon_stopped", [])
        assert (count_pages(built), len(built.interceptor.answered)) == (3, len(built.interceptor.requests))
        async with built.running_daemon() as second:
            await second.wait_for_event("snapshot_published")
        assert second.find_events("pull_started")[0]["resumed_rows"] == 3 * PAGE_ROWS
        assert count_pages(built) == 8


async def test_sigterm_waits_no_longer_than_drain_seconds(tmp_path: Path) -> None:
    async with crash_environment(get_scenario("pages"), tmp_path) as built:
        built.configure(daemon={"drain_seconds": 0.3})
        page = DelayedPage(built, 3)
        async with built.running_daemon() as daemon:
            await page.wait_until_requested()
            daemon.send_signal(signal.SIGTERM)
            assert await daemon.wait_for_exit() == 0
        assert 0.3 <= compute_seconds_between(get_draining_event(daemon), daemon.lines[-1]) < IN_TIME_SECONDS
        assert daemon.other_output == []


@pytest.mark.parametrize(("second_signal", "status"), [(signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)])
async def test_a_second_signal_ends_the_drain_at_once_and_the_page_in_flight_is_read_again(
    tmp_path: Path, second_signal: signal.Signals, status: int
) -> None:
    async with crash_environment(get_scenario("pages"), tmp_path) as built:
        built.configure(daemon={"drain_seconds": LONG_SECONDS})
        page = DelayedPage(built, 3)
        async with built.running_daemon() as daemon:
            await page.wait_until_requested()
            daemon.send_signal(signal.SIGTERM)
            await daemon.wait_for_event("daemon_draining")
            daemon.send_signal(second_signal)
            assert await daemon.wait_for_exit() == status
        assert compute_seconds_between(get_draining_event(daemon), daemon.lines[-1]) < IN_TIME_SECONDS
        assert daemon.other_output == []
        page.release()
        async with built.running_daemon() as second:
            await second.wait_for_event("snapshot_published")
        assert second.find_events("pull_started")[0]["resumed_rows"] == 2 * PAGE_ROWS
        assert count_pages(built) == 9


@pytest.mark.parametrize("commit", [1, 2, 3])
async def test_sigterm_before_it_is_ready_ends_it_in_good_order(tmp_path: Path, commit: int) -> None:
    """In the middle of migrating, of opening, and of enrolling the offices."""
    async with crash_environment(get_scenario("pages"), tmp_path) as built:
        program = (KILLABLE_DAEMON, "--before", str(commit), "--signal", "SIGTERM", "--")
        async with built.running_daemon(program) as daemon:
            assert await daemon.wait_for_exit() == 0
        assert (daemon.lines[-1]["event"], daemon.other_output) == ("daemon_stopped", [])
        assert (daemon.find_events("daemon_ready"), built.interceptor.requests) == ([], [])


@pytest.mark.parametrize("program", [("--importing", "sqlalchemy"), ("--before", "1"), ("--before", "3")])
async def test_sighup_before_it_is_ready_does_not_end_it(tmp_path: Path, program: tuple[str, str]) -> None:
    async with crash_environment(get_scenario("pages"), tmp_path) as built:
        launched = (KILLABLE_DAEMON, *program, "--signal", "SIGHUP", "--")
        async with built.running_daemon(launched) as daemon:
            await daemon.wait_for_event("snapshot_published")
            daemon.send_signal(signal.SIGTERM)
            assert await daemon.wait_for_exit() == 0
        assert daemon.other_output == []


async def test_a_configuration_changed_while_it_starts_is_not_missed(tmp_path: Path) -> None:
    """It was read already, the offices are about to be enrolled, and the hangup comes before all is ready."""
    async with crash_environment(get_scenario("fleet"), tmp_path) as built:
        built.configure("packed")
        launched = (KILLABLE_DAEMON, "--before", "3", "--signal", "SIGSTOP", "--")
        async with built.running_daemon(launched) as daemon:
            await daemon.wait_for_event("daemon_started")
            await wait_until_stopped(daemon.pid)
            assert not daemon.find_events("daemon_ready")
            built.configure()
            daemon.send_signal(signal.SIGHUP)
            daemon.send_signal(signal.SIGCONT)
            await daemon.wait_for_event("snapshot_published", 4)


async def test_sighup_in_the_middle_of_a_pull_does_not_disturb_it(tmp_path: Path) -> None:
    async with crash_environment(get_scenario("fleet"), tmp_path) as built:
        built.configure("paged")
        page = DelayedPage(built, 3)
        async with built.running_daemon() as daemon:
            await page.wait_until_requested()
            daemon.send_signal(signal.SIGHUP)
            await daemon.wait_for_event("configuration_loaded", 2)
            built.configure()
            daemon.send_signal(signal.SIGHUP)
            loaded = await daemon.wait_for_event("configuration_loaded", 3)
            await daemon.wait_for_event("snapshot_published", 3)
            page.release()
            await daemon.wait_for_event("snapshot_published", 4)
            daemon.send_signal(signal.SIGTERM)
            assert await daemon.wait_for_exit() == 0
        assert loaded["offices"] == 4
        assert [line["office"] for line in daemon.find_events("snapshot_published")][-1] == "paged"
        assert [line["resumed_rows"] for line in daemon.find_events("pull_started") if line["office"] == "paged"] == [0]
        assert daemon.find_events("snapshot_published")[-1]["requests"] == 10
        assert count_pages(built) == 8


async def wait_until_stopped(pid: int) -> None:
    """It stopped itself, and goes on with SIGCONT."""
    stopped = partial(os.waitid, os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)
    with anyio.fail_after(TIMEOUT_SECONDS):
        await anyio.to_thread.run_sync(stopped, abandon_on_cancel=True)


def get_draining_event(daemon: DaemonProcess) -> dict[str, Any]:
    (line,) = daemon.find_events("daemon_draining")
    return line
