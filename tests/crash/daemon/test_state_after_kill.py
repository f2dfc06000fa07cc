"""A requested pause and a count of failures outlive the process that received them."""

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
from tests.crash.change_signal import TIMEOUT_SECONDS
from tests.crash.daemon_process import DaemonProcess
from tests.crash.environment import Environment, crash_environment
from tests.crash.leftover_state import read_balances, read_states
from tests.crash.scenario_run import read_states_from_copy
from tests.crash.scenarios import Scenario, find_noon_zone, make_scenarios

pytestmark = pytest.mark.real("kills real processes")

LIVES = 2


def make_scenario(*faults: ScheduledFault) -> Scenario:
    return replace(make_scenarios(find_noon_zone())["statement"], faults=faults)


async def wait_for_state(
    environment: Environment, daemon: DaemonProcess, condition: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """The office's state, once it is stored so.

    Read in the file itself: of one that is written to meanwhile, a copy may have pages of two instants.
    """
    await daemon.wait_for_event("daemon_ready")  # no reader stands in the way while the file is made
    with anyio.fail_after(TIMEOUT_SECONDS):
        while True:
            state = read_states(environment.database).get("packed")
            if state is not None and condition(state):
                return state
            await anyio.sleep(0.005)  # another process writes it: there is nothing to wait on


async def test_a_retry_after_is_obeyed_after_a_kill(tmp_path: Path) -> None:
    async with crash_environment(make_scenario(ScheduledFault(TooManyRequests("3600"))), tmp_path) as built:
        async with built.running_daemon() as daemon:
            state = await wait_for_state(built, daemon, lambda state: state["attempts"] == 1)
            daemon.send_signal(signal.SIGKILL)
        for _ in range(LIVES):
            async with built.running_daemon() as daemon:
                event = await daemon.wait_for_event("condition_changed")
                assert (event["after"], event["reason"]) == ("unreachable", state["standing"]["reason"])
                daemon.send_signal(signal.SIGKILL)
            assert read_states_from_copy(built.database)["packed"] == state
        assert len(built.interceptor.requests) == 1


async def test_a_back_off_goes_on_where_it_stood(tmp_path: Path) -> None:
    async with crash_environment(make_scenario(ScheduledFault(EConnectorDown())), tmp_path) as built:
        built.configure(cadence={"backoff_base_seconds": 0.05, "backoff_max_seconds": 900.0})
        async with built.running_daemon() as daemon:
            await wait_for_state(built, daemon, lambda state: state["attempts"] == 2)
            daemon.send_signal(signal.SIGKILL)
        state = read_states_from_copy(built.database)["packed"]
        async with built.running_daemon() as daemon:
            later = await wait_for_state(built, daemon, lambda now: now["attempts"] == state["attempts"] + 2)
            daemon.send_signal(signal.SIGKILL)
        assert daemon.find_events("failure_seen")[0]["attempt"] == state["attempts"] + 1
        assert later["standing"]["since"] == state["standing"]["since"]


async def test_a_run_whose_start_was_seen_is_read_after_a_kill(tmp_path: Path) -> None:
    """The second run of one day: no date moves, only who has seen it under way can know of it."""
    async with crash_environment(make_scenario(), tmp_path) as built:
        (practice,) = built.headquarters.practices.values()
        await built.run_aging()
        async with built.running_daemon() as daemon:
            first = await daemon.wait_for_event("snapshot_published")
            begun = datetime.now(ZoneInfo(practice.spec.zone))
            practice.set_preference("AgingBeginDateTime", f"{begun:%Y-%m-%d %H:%M:%S}")
            await wait_for_state(built, daemon, lambda state: state["run_seen"] is not None)
            daemon.send_signal(signal.SIGKILL)
        await built.run_aging()
        async with built.running_daemon() as daemon:
            second = await daemon.wait_for_event("snapshot_published")
            daemon.send_signal(signal.SIGTERM)
            assert await daemon.wait_for_exit() == 0
        assert second["aging_date"] == first["aging_date"]
        assert second["changed"] > 0
        assert read_balances(built.database, "packed") == [
            tuple(balance) for balance in practice.balances.get_true_balances()
        ]
