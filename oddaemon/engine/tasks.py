"""Guarded tasks: an error in one of them does not end the others, and what runs follows the configuration.

`run_guarded` has the one broad `except` of the engine. `TaskSupervisor` keeps one task running for each office, or for
each sink; `BackgroundTasks` runs everything else of the daemon. Both restart a task that crashed. One that crashes too
often rests for longer, but never for good.
"""

import math
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import anyio
import anyio.abc
import anyio.lowlevel

from oddaemon.core.fleet.lease import LeaseLost
from oddaemon.opendental.rate_limiter import ShuttingDown
from oddaemon.telemetry.events import BackgroundTaskCrashed
from oddaemon.telemetry.events.base import Event
from oddaemon.telemetry.logging.traceback import format_traceback

RESTART_PAUSE_SECONDS = 1.0
STARTS_PER_SLICE = 50
"""Tasks that start before all others get their turn: some ten milliseconds."""
CANCELLED = "cancelled"
CRASHED = "crashed too often"
NOT_WANTED = "removed or reconfigured"
STOPPING = "the daemon is stopping"
LOST = "another host has it now"


@dataclass(frozen=True, slots=True)
class CrashBudget:
    """How often a task may be restarted at once, and how long it rests afterwards."""

    restarts_max: int
    within_seconds: float
    quarantine_seconds: float = 3600.0
    """Doubles each time, unless the task ran for as long as it had rested."""
    quarantine_seconds_max: float = 86_400.0


BACKGROUND_BUDGET = CrashBudget(5, 600.0, quarantine_seconds=30.0, quarantine_seconds_max=30.0)
"""The daemon needs its own tasks: they rest for less than systemd's watchdog waits (`WatchdogSec=60`)."""


@dataclass(frozen=True, slots=True)
class Restart:
    """What follows a crash."""

    restarts_left: int
    """How many restarts at once were left before this one. 0: the task rests in quarantine."""
    pause_seconds: float


class CrashCounter:
    """Counts the crashes of one task against its budget."""

    def __init__(self, budget: CrashBudget) -> None:
        self._budget = budget
        self._crashed_at: list[float] = []
        """The last ones. Empty lists, not deques: ten thousand of those take 7 MB."""
        self._quarantine_seconds = 0.0
        """The length of the last quarantine."""
        self._quarantine_ends_at = -math.inf

    def record_crash(self) -> Restart:
        """Count another crash. Returns what follows."""
        now, budget = anyio.current_time(), self._budget
        self._crashed_at = [*self._crashed_at, now][-(budget.restarts_max + 1) :]
        recent = sum(1 for at in self._crashed_at if now - at <= budget.within_seconds)
        if recent <= budget.restarts_max:
            return Restart(budget.restarts_max - recent + 1, RESTART_PAUSE_SECONDS)
        if now - self._quarantine_ends_at > self._quarantine_seconds:
            self._quarantine_seconds = 0.0
        seconds = min(max(budget.quarantine_seconds, 2 * self._quarantine_seconds), budget.quarantine_seconds_max)
        self._quarantine_seconds, self._quarantine_ends_at = seconds, now + seconds
        return Restart(0, seconds)


async def run_guarded(work: Callable[[], Awaitable[None]], *expected: type[Exception]) -> Exception | None:
    """Run the work and catch its crash.

    Args:
        work: What to run.
        expected: Exceptions that are not crashes.

    Returns:
        The exception that the work crashed with; None if it did not crash.

    Raises:
        Exception: An expected one.
    """
    try:
        await work()
    except expected:
        raise
    except Exception as error:  # noqa: BLE001 - a bug of any kind
        return error
    return None


async def _keep_running(
    work: Callable[[], Awaitable[None]], budget: CrashBudget, rest: Callable[[Exception, Restart], Awaitable[None]]
) -> None:
    """Run the work until it returns or the daemon stops; `rest` reports each crash and waits for the restart.

    Raises:
        LeaseLost: Another daemon of the fleet does this work now.
    """
    crashes = CrashCounter(budget)
    with suppress(ShuttingDown):
        while (error := await run_guarded(work, ShuttingDown, LeaseLost)) is not None:
            await rest(error, crashes.record_crash())


class StartableWork(Protocol):
    """Work that reports when it has started, as a task group's `start` expects."""

    async def __call__(self, *, task_status: anyio.abc.TaskStatus[Any]) -> None:
        """Run until cancelled."""


class BackgroundTasks:
    """The daemon's own tasks: none of them can end the daemon, and none stays away without an event and an alert."""

    def __init__(self, tasks: anyio.abc.TaskGroup, emit: Callable[[Event], None]) -> None:
        self._tasks = tasks
        self._emit = emit

    def start_soon(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run the work until it returns, and again after each crash; not after this daemon has left its fleet."""
        self._tasks.start_soon(self._run, name, work, name=name)

    async def start(self, name: str, work: StartableWork) -> Any:  # noqa: ANN401 - as that of a task group
        """The same, once the work has started. Returns what it started with.

        Raises:
            Exception: The work failed before it had started the first time.
        """
        return await self._tasks.start(self._run_started, name, work, name=name)

    async def _run_started(
        self, name: str, work: StartableWork, *, task_status: anyio.abc.TaskStatus[Any] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        has_started, failure = False, None

        async def attempt() -> None:
            nonlocal has_started, failure
            try:
                async with anyio.create_task_group() as tasks:
                    value = await tasks.start(work)
                    if not has_started:
                        has_started = True
                        task_status.started(value)
            except ExceptionGroup as group:  # of the task alone: the group has no other
                if has_started:
                    raise group.exceptions[0] from None
                failure = group.exceptions[0]

        await self._run(name, attempt)
        if failure is not None:
            raise failure

    async def _run(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        async def rest(error: Exception, restart: Restart) -> None:
            traceback = format_traceback(error)
            self._emit(BackgroundTaskCrashed(name, type(error).__name__, restart.restarts_left, traceback))
            await anyio.sleep(restart.pause_seconds)

        with suppress(LeaseLost):
            await _keep_running(work, BACKGROUND_BUDGET, rest)


@dataclass(frozen=True, slots=True)
class TaskEvents:
    """Makes the events of one kind of task."""

    started: Callable[[str], Event]
    stopped: Callable[[str, str, bool], Event]
    """Of the key, the reason, and whether it crashed too often."""
    crashed: Callable[[str, Exception, int], Event]
    """Of the key, the exception, and how many restarts are left."""


@dataclass(slots=True)
class _Task:
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    has_ended: bool = False
    ended: anyio.Event | None = None
    """Made by the first that waits for its end."""
    quarantine: anyio.CancelScope | None = None
    """Around its present quarantine."""

    def end(self) -> None:
        """Let those go on who wait for its end."""
        self.has_ended = True
        if self.ended is not None:
            self.ended.set()

    async def wait_ended(self) -> None:
        """Wait for its end."""
        if not self.has_ended:
            self.ended = self.ended or anyio.Event()
            await self.ended.wait()


class TaskSupervisor:
    """Keeps one task running for each wanted key.

    Args:
        tasks: The task group in which they run.
        kind: What a key names, for the tasks' names.
        work: Runs the task of a key until it is cancelled or the daemon stops; called again after a crash.
        events: Makes the events.
        emit: Takes the events.
        budget: How often each task may be restarted.
        on_quarantine: Called for a task that crashed too often, with the exception and for how many seconds it rests.
            `apply` ends a quarantine early.
        sleep: Waits before a restart; may raise ShuttingDown.
    """

    def __init__(
        self,
        tasks: anyio.abc.TaskGroup,
        kind: str,
        work: Callable[[str], Awaitable[None]],
        *,
        events: TaskEvents,
        emit: Callable[[Event], None],
        budget: CrashBudget,
        on_quarantine: Callable[[str, Exception, float], Awaitable[None]] | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._tasks = tasks
        self._kind = kind
        self._work = work
        self._events = events
        self._emit = emit
        self._budget = budget
        self._on_quarantine = on_quarantine
        self._sleep = sleep
        self._running: dict[str, _Task] = {}

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that have a task, those in quarantine included."""
        return tuple(self._running)

    async def apply(self, wanted: Collection[str], changed: Collection[str], *, ends_quarantines: bool = True) -> None:
        """Run the wanted tasks and no others: stop first, start afterwards.

        Args:
            wanted: The key of each task.
            changed: The keys whose task must start again; the other running tasks are not interrupted.
            ends_quarantines: Whether those that rest are tried again now.
        """
        stopping = [task for key, task in self._running.items() if key in changed or key not in wanted]
        for task in stopping:
            task.scope.cancel()
        for task in stopping:
            await task.wait_ended()
        for task in self._running.values():
            if ends_quarantines and task.quarantine is not None:
                task.quarantine.cancel()
        for number, key in enumerate([each for each in wanted if each not in self._running], start=1):
            self._running[key] = task = _Task()
            self._tasks.start_soon(self._run_task, key, task, name=f"{self._kind} {key}")
            if number % STARTS_PER_SLICE == 0:
                # The first steps of thousands of tasks at once would stop the event loop for a second.
                await anyio.lowlevel.checkpoint()

    async def wait_stopped(self) -> None:
        """Wait until no task is running."""
        for task in list(self._running.values()):
            await task.wait_ended()

    async def _run_task(self, key: str, task: _Task) -> None:
        reason = CANCELLED
        try:
            with task.scope:
                self._emit(self._events.started(key))
                try:
                    await _keep_running(partial(self._work, key), self._budget, partial(self._rest, key, task))
                    reason = STOPPING
                except LeaseLost:
                    reason = LOST
            if task.scope.cancelled_caught:
                reason = NOT_WANTED
        finally:
            if self._running.get(key) is task:
                del self._running[key]
            self._emit(self._events.stopped(key, reason, False))
            task.end()

    async def _rest(self, key: str, task: _Task, error: Exception, restart: Restart) -> None:
        """Report a crash, and wait for the restart."""
        self._emit(self._events.crashed(key, error, restart.restarts_left))
        if restart.restarts_left > 0:
            await self._sleep(restart.pause_seconds)
            return
        self._emit(self._events.stopped(key, CRASHED, True))
        if self._on_quarantine is not None:
            await self._on_quarantine(key, error, restart.pause_seconds)
        with anyio.CancelScope() as task.quarantine:
            await self._sleep(restart.pause_seconds)
        task.quarantine = None
        self._emit(self._events.started(key))
