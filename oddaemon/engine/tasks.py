"""Guarded tasks: an error in one of them does not end the others, and what runs follows the configuration.

`run_guarded` has the one broad `except` of the engine. `TaskSupervisor` keeps one task running for each office, or for
each sink, and restarts a task that crashed, within a budget.
"""

import operator
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

import anyio
import anyio.abc

from oddaemon.opendental.rate_limiter import ShuttingDown
from oddaemon.telemetry.events.base import Event

RESTART_PAUSE_SECONDS = 1.0
CANCELLED = "cancelled"
CRASHED = "crashed too often"
NOT_WANTED = "removed or reconfigured"
STOPPING = "the daemon is stopping"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CrashBudget:
    """How often a task may be restarted."""

    restarts_max: int
    within_seconds: float


class CrashCounter:
    """Counts the crashes of one task against its budget."""

    def __init__(self, budget: CrashBudget) -> None:
        self._budget = budget
        self._crashed_at = deque[float](maxlen=budget.restarts_max + 1)

    def record_crash(self) -> int:
        """Count another crash. Returns how many restarts are left."""
        now = anyio.current_time()
        self._crashed_at.append(now)
        recent = sum(1 for at in self._crashed_at if now - at <= self._budget.within_seconds)
        return max(0, self._budget.restarts_max - recent + 1)


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


@dataclass(frozen=True, slots=True)
class TaskDiff:
    """The keys of the tasks to stop first and of those to start afterwards; all others keep running."""

    stop: tuple[str, ...]
    start: tuple[str, ...]


def reconcile(
    wanted: Mapping[str, T], running: Mapping[str, T], needs_restart: Callable[[T, T], bool] = operator.ne
) -> TaskDiff:
    """Stop what is not wanted, start what does not run, and restart where `needs_restart(running, wanted)`."""
    restart = {key for key in running.keys() & wanted.keys() if needs_restart(running[key], wanted[key])}
    stop = tuple(key for key in running if key in restart or key not in wanted)
    start = tuple(key for key in wanted if key in restart or key not in running)
    return TaskDiff(stop, start)


@dataclass(frozen=True, slots=True)
class TaskEvents(Generic[T]):
    """Makes the events of one kind of task."""

    started: Callable[[str, T], Event]
    stopped: Callable[[str, str, bool], Event]
    """Of the key, the reason, and whether it crashed too often."""
    crashed: Callable[[str, Exception, int], Event]
    """Of the key, the exception, and how many restarts are left."""


@dataclass(slots=True)
class _Task(Generic[T]):
    settings: T
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: anyio.Event = field(default_factory=anyio.Event)
    crashed: bool = False
    """It crashed too often and was not restarted."""


class TaskSupervisor(Generic[T]):
    """Keeps one task running for each wanted key.

    Args:
        tasks: The task group in which they run.
        kind: What a key names, for the tasks' names.
        work: Runs the task of a key until it is cancelled or the daemon stops; called again after a crash.
        events: Makes the events.
        emit: Takes the events.
        budget: How often each task may be restarted.
        give_up: Called for a task that crashed too often. None: such a task stays known as crashed, and only other
            settings or a restart of the daemon start it again; otherwise the next `apply` does.
        sleep: Waits before a restart; may raise ShuttingDown.
        needs_restart: Whether a task must start again when its settings change from the first to the second.
    """

    def __init__(
        self,
        tasks: anyio.abc.TaskGroup,
        kind: str,
        work: Callable[[str, T], Awaitable[None]],
        *,
        events: TaskEvents[T],
        emit: Callable[[Event], None],
        budget: CrashBudget,
        give_up: Callable[[str], Awaitable[None]] | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        needs_restart: Callable[[T, T], bool] = operator.ne,
    ) -> None:
        self._tasks = tasks
        self._kind = kind
        self._work = work
        self._events = events
        self._emit = emit
        self._budget = budget
        self._give_up = give_up
        self._sleep = sleep
        self._needs_restart = needs_restart
        self._running: dict[str, _Task[T]] = {}

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that have a task, crashed ones included."""
        return tuple(self._running)

    async def apply(self, wanted: Mapping[str, T]) -> None:
        """Run the wanted tasks and no others; tasks that need no restart are not interrupted."""
        diff = reconcile(wanted, {key: task.settings for key, task in self._running.items()}, self._needs_restart)
        stopping = {key: self._running[key] for key in diff.stop}
        for task in stopping.values():
            task.scope.cancel()
        for key, task in stopping.items():
            await task.ended.wait()
            if task.crashed and self._running.pop(key, None) is task:
                self._emit(self._events.stopped(key, NOT_WANTED, False))
        for key in diff.start:
            self._running[key] = task = _Task(wanted[key])
            self._tasks.start_soon(self._run_task, key, task, name=f"{self._kind} {key}")

    async def wait_stopped(self) -> None:
        """Wait until no task is running."""
        for task in list(self._running.values()):
            await task.ended.wait()

    async def _run_task(self, key: str, task: _Task[T]) -> None:
        reason = CANCELLED
        try:
            with task.scope:
                self._emit(self._events.started(key, task.settings))
                reason = await self._run_with_restarts(key, task)
            if task.scope.cancelled_caught:
                reason = NOT_WANTED
        finally:
            if not task.crashed and self._running.get(key) is task:
                del self._running[key]
            self._emit(self._events.stopped(key, reason, task.crashed))
            task.ended.set()

    async def _run_with_restarts(self, key: str, task: _Task[T]) -> str:
        """Run the work until it ends. Returns why it ended."""
        crashes = CrashCounter(self._budget)
        try:
            while (error := await run_guarded(partial(self._work, key, task.settings), ShuttingDown)) is not None:
                restarts_left = crashes.record_crash()
                self._emit(self._events.crashed(key, error, restarts_left))
                if restarts_left == 0:
                    if self._give_up is None:
                        task.crashed = True
                    else:
                        await self._give_up(key)
                    return CRASHED
                await self._sleep(RESTART_PAUSE_SECONDS)
        except ShuttingDown:
            pass
        return STOPPING
