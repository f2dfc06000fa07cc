"""One task an office, and a guard around each: whatever one office's worker does, the others do not notice."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

import anyio
import anyio.abc

from oddaemon.engine.guard import RESTART_PAUSE_SECONDS, Budget, Crashes, crash_of
from oddaemon.engine.reconcile import reconcile
from oddaemon.opendental.gate import Gate, GateClosedError
from oddaemon.telemetry.crash import describe
from oddaemon.telemetry.event import Event
from oddaemon.telemetry.events import OfficeQuarantined, OfficeStarted, OfficeStopped, WorkerCrashed

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
        gate: Its closing ends every worker.
        budget: Of restarts.
        emit: Takes the events.
    """

    def __init__(
        self,
        *,
        tasks: anyio.abc.TaskGroup,
        work: Callable[[str, T], Awaitable[None]],
        quarantine: Callable[[str], Awaitable[None]],
        gate: Gate,
        budget: Budget,
        emit: Callable[[Event], None],
    ) -> None:
        self._tasks = tasks
        self._work = work
        self._quarantine = quarantine
        self._gate = gate
        self._budget = budget
        self._emit = emit
        self._running: dict[str, _Task[T]] = {}

    async def apply(self, wanted: Mapping[str, T]) -> None:
        """Make what runs what is wanted; offices that did not change keep what they have in flight."""
        plan = reconcile(wanted, {key: task.settings for key, task in self._running.items()})
        stopping = [self._running[key] for key in plan.stop]
        for task in stopping:
            task.scope.cancel()
        for task in stopping:
            await task.ended.wait()
        ids = {id(settings): key for key, settings in wanted.items()}
        for settings in plan.start:
            key = ids[id(settings)]
            self._running[key] = task = _Task(settings)
            self._tasks.start_soon(self._keep, key, task, name=f"office {key}")

    async def ended(self) -> None:
        """Wait until no worker is left."""
        for task in list(self._running.values()):
            await task.ended.wait()

    async def _keep(self, key: str, task: _Task[T]) -> None:
        why = "cancelled"
        try:
            with task.scope:
                self._emit(OfficeStarted(key))
                why = await self._guarded(key, task.settings)
            if task.scope.cancelled_caught:
                why = "not wanted any more"
        finally:
            if self._running.get(key) is task:
                del self._running[key]
            self._emit(OfficeStopped(key, why))
            task.ended.set()

    async def _guarded(self, key: str, settings: T) -> str:
        crashes = Crashes(self._budget)
        while True:
            try:
                error = await crash_of(partial(self._work, key, settings), GateClosedError)
            except GateClosedError:
                return "the daemon is stopping"
            if error is not None:
                left = crashes.one_more()
                self._emit(WorkerCrashed(key, type(error).__name__, left, describe(error)))
                if left == 0:
                    self._emit(OfficeQuarantined(key))
                    await self._quarantine(key)
                    return "crashed too often"
            try:
                await self._gate.sleep_until(anyio.current_time() + RESTART_PAUSE_SECONDS)
            except GateClosedError:
                return "the daemon is stopping"
