"""The daemon's own tasks: none of them ends the daemon, and none stays away without an event."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel
import pytest

import oddaemon
from oddaemon.engine.tasks import (
    STARTS_PER_SLICE,
    BackgroundTasks,
    CrashBudget,
    CrashCounter,
    Restart,
    TaskEvents,
    TaskSupervisor,
)
from oddaemon.simulator.virtual_time import make_virtual_loop
from oddaemon.telemetry.events import BackgroundTaskCrashed, OfficeStarted, OfficeStopped
from oddaemon.telemetry.events.base import Event
from oddaemon.telemetry.metrics.fleet import BACKGROUND_TASKS


@dataclass
class CrashingWork:
    """Crashes at first."""

    crashes: int
    runs: list[float] = field(default_factory=list)

    async def run(self) -> None:
        self.runs.append(anyio.current_time())
        if len(self.runs) <= self.crashes:
            raise LookupError
        await anyio.sleep_forever()

    async def serve(self, *, task_status: anyio.abc.TaskStatus[Any] = anyio.TASK_STATUS_IGNORED) -> None:
        task_status.started("here")
        await self.run()


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": make_virtual_loop}


async def run_in_background(start: Callable[[BackgroundTasks], Awaitable[None]], seconds: float) -> list[Event]:
    events: list[Event] = []
    async with anyio.create_task_group() as tasks:
        await start(BackgroundTasks(tasks, events.append))
        await anyio.sleep(seconds)
        tasks.cancel_scope.cancel()
    return events


async def test_a_task_that_crashes_is_started_again_and_reported() -> None:
    work = CrashingWork(crashes=2)

    async def start(background: BackgroundTasks) -> None:
        background.start_soon("heartbeat pings", work.run)

    events = await run_in_background(start, 10.0)
    crashes = [event for event in events if isinstance(event, BackgroundTaskCrashed)]
    assert [(event.task, event.error, event.restarts_left) for event in crashes] == [
        ("heartbeat pings", "LookupError", 5),
        ("heartbeat pings", "LookupError", 4),
    ]
    assert "in run" in crashes[0].traceback
    assert len(work.runs) == 3


async def test_a_task_that_always_crashes_is_tried_every_half_minute_for_ever() -> None:
    work = CrashingWork(crashes=10**6)

    async def start(background: BackgroundTasks) -> None:
        background.start_soon("journal", work.run)

    await run_in_background(start, 3600.0)
    pauses = [later - earlier for earlier, later in zip(work.runs, work.runs[1:], strict=False)]
    assert pauses[:5] == [1.0] * 5
    assert set(pauses[5:]) == {30.0}


async def test_a_server_that_crashes_after_its_start_is_started_again() -> None:
    work = CrashingWork(crashes=1)

    async def start(background: BackgroundTasks) -> None:
        assert await background.start("listener", work.serve) == "here"

    await run_in_background(start, 10.0)
    assert len(work.runs) == 2


async def test_a_server_that_cannot_start_is_the_caller_s_error() -> None:
    async def fail(*, task_status: anyio.abc.TaskStatus[Any]) -> None:
        del task_status
        raise LookupError("the address is in use")

    async def start(background: BackgroundTasks) -> None:
        with pytest.raises(LookupError):
            await background.start("listener", fail)

    assert not [each for each in await run_in_background(start, 1.0) if isinstance(each, BackgroundTaskCrashed)]


async def test_a_quarantine_is_short_again_after_a_task_ran_for_as_long_as_it_rested() -> None:
    crashes = CrashCounter(CrashBudget(restarts_max=0, within_seconds=600.0))
    assert crashes.record_crash() == Restart(0, 3600.0)
    await anyio.sleep(3600.0)
    assert crashes.record_crash() == Restart(0, 7200.0)
    await anyio.sleep(7200.0 + 7201.0)
    assert crashes.record_crash() == Restart(0, 3600.0)


def test_every_task_that_the_daemon_starts_has_a_counter_from_the_beginning() -> None:
    package = Path(oddaemon.__file__).parent
    started = {
        name
        for file in package.rglob("*.py")
        for name in re.findall(r"background\.start(?:_soon)?\(\s*\"([a-z ]+)\"", file.read_text())
    }
    assert started == set(BACKGROUND_TASKS)


async def test_many_tasks_start_in_slices_between_which_all_others_get_their_turn() -> None:
    keys, started, most_at_once = [f"office-{number}" for number in range(20 * STARTS_PER_SLICE)], list[str](), 0

    async def work(key: str) -> None:
        started.append(key)
        await anyio.sleep_forever()

    events = TaskEvents(
        OfficeStarted, lambda key, why, _: OfficeStopped(key, why), lambda key, *_: OfficeStopped(key, "")
    )
    async with anyio.create_task_group() as tasks:
        supervisor = TaskSupervisor(
            tasks, "office", work, events=events, emit=lambda _: None, budget=CrashBudget(1, 60.0)
        )
        tasks.start_soon(supervisor.apply, keys, ())
        while len(started) < len(keys):
            before = len(started)
            await anyio.lowlevel.checkpoint()
            most_at_once = max(most_at_once, len(started) - before)
        tasks.cancel_scope.cancel()
    assert started == keys
    assert most_at_once <= 2 * STARTS_PER_SLICE
