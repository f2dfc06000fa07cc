"""One task an office, and a guard around each: whatever one office's worker does, the others do not notice."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

import anyio
import anyio.abc

from oddaemon.engine.tasks import RESTART_PAUSE_SECONDS, CrashBudget, CrashCounter, reconcile, run_guarded
from oddaemon.opendental.rate_limiter import RateLimiter, ShuttingDown
from oddaemon.telemetry.events import OfficeQuarantined, OfficeStarted, OfficeStopped, WorkerCrashed
from oddaemon.telemetry.events.base import Event
from oddaemon.telemetry.logging.traceback import format_traceback

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Task(Generic[T]):
    settings: T
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: anyio.Event = field(default_factory=anyio.Event)


class Supervisor(Generic[T]):
    """Keeps the wanted offices at work.

    Args:
        tasks: Where the offices' tasks live.
        work: Watches one office until cancelled; called again if it crashed.
        quarantine: Told of an office that crashed too often.
        rate_limiter: Its closing ends every worker.
        budget: Of restarts.
        emit: Takes the events.
    """

    def __init__(
        self,
        *,
        tasks: anyio.abc.TaskGroup,
        work: Callable[[str, T], Awaitable[None]],
        quarantine: Callable[[str], Awaitable[None]],
        rate_limiter: RateLimiter,
        budget: CrashBudget,
        emit: Callable[[Event], None],
    ) -> None:
        self._tasks = tasks
        self._work = work
        self._quarantine = quarantine
        self._rate_limiter = rate_limiter
        self._budget = budget
        self._emit = emit
        self._running: dict[str, _Task[T]] = {}

    async def apply(self, wanted: Mapping[str, T]) -> None:
        """Make what runs what is wanted; offices that did not change keep what they have in flight."""
        diff = reconcile(wanted, {key: task.settings for key, task in self._running.items()})
        stopping = [self._running[key] for key in diff.stop]
        for task in stopping:
            task.scope.cancel()
        for task in stopping:
            await task.ended.wait()
        ids = {id(settings): key for key, settings in wanted.items()}
        for settings in diff.start:
            key = ids[id(settings)]
            self._running[key] = task = _Task(settings)
            self._tasks.start_soon(self._run_task, key, task, name=f"office {key}")

    async def wait_stopped(self) -> None:
        """Wait until no worker is left."""
        for task in list(self._running.values()):
            await task.ended.wait()

    async def _run_task(self, key: str, task: _Task[T]) -> None:
        why = "cancelled"
        try:
            with task.scope:
                self._emit(OfficeStarted(key))
                why = await self._run_with_restarts(key, task.settings)
            if task.scope.cancelled_caught:
                why = "not wanted any more"
        finally:
            if self._running.get(key) is task:
                del self._running[key]
            self._emit(OfficeStopped(key, why))
            task.ended.set()

    async def _run_with_restarts(self, key: str, settings: T) -> str:
        crashes = CrashCounter(self._budget)
        while True:
            try:
                error = await run_guarded(partial(self._work, key, settings), ShuttingDown)
            except ShuttingDown:
                return "the daemon is stopping"
            if error is not None:
                left = crashes.record_crash()
                self._emit(WorkerCrashed(key, type(error).__name__, left, format_traceback(error)))
                if left == 0:
                    self._emit(OfficeQuarantined(key))
                    await self._quarantine(key)
                    return "crashed too often"
            try:
                await self._rate_limiter.sleep_until(anyio.current_time() + RESTART_PAUSE_SECONDS)
            except ShuttingDown:
                return "the daemon is stopping"
