"""All couriers of a daemon: who runs follows the configuration, and what is queued follows it, too."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio
import anyio.abc

from oddaemon.engine.courier import Courier, Round, Streets
from oddaemon.engine.guard import RESTART_PAUSE_SECONDS, Budget, Crashes, crash_of
from oddaemon.engine.outbox import Outbox
from oddaemon.engine.reconcile import reconcile
from oddaemon.settings import Settings, SinkSettings
from oddaemon.sinks.payload import Sink
from oddaemon.store.errors import StoreError
from oddaemon.telemetry.crash import describe
from oddaemon.telemetry.events import CourierCrashed, SinkStarted, SinkStopped

NOT_WANTED = "not wanted any more"
SinkFactory = Callable[[SinkSettings], Sink]


@dataclass(slots=True)
class _Task:
    settings: SinkSettings
    courier: Courier
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: anyio.Event = field(default_factory=anyio.Event)
    crashed: bool = False
    """It ended for good, by an error of ours."""


class Couriers:
    """Keeps a courier at work for every configured sink.

    Args:
        tasks: where they live.
        streets: what they share.
        make_sink: makes a sink of its settings.
        outbox: read by the publications.
        budget: of restarts.
    """

    def __init__(
        self,
        tasks: anyio.abc.TaskGroup,
        streets: Streets,
        make_sink: SinkFactory,
        outbox: Outbox,
        budget: Budget,
    ) -> None:
        self._tasks = tasks
        self._streets = streets
        self._make_sink = make_sink
        self._outbox = outbox
        self._budget = budget
        self._running: dict[str, _Task] = {}
        self._ending = False
        outbox.queued = self.look

    async def apply(self, settings: Settings) -> None:
        """Make what runs what is wanted; sinks that did not change keep what they have in flight."""
        wanted = {sink.name: sink for sink in settings.sinks}
        plan = reconcile(wanted, {name: task.settings for name, task in self._running.items()})
        stopping = [self._running[name] for name in plan.stop]
        for task in stopping:
            task.scope.cancel()
        for task in stopping:
            if task.crashed:
                self._streets.emit(SinkStopped(task.settings.name, NOT_WANTED))
            await task.ended.wait()
            del self._running[task.settings.name]
        for sink in plan.start:
            self._start(sink)
        self.look(tuple(wanted))

    @contextmanager
    def routed(self, settings: Settings) -> Iterator[None]:
        """Around what puts these settings on record: what is published meanwhile goes by the new routes already.

        Else it could pass between the two unseen. If it fails, the former routes are back.
        """
        former, self._outbox.routes = self._outbox.routes, _routes(settings)
        try:
            yield
        except StoreError:
            self._outbox.routes = former
            raise

    def end(self) -> None:
        """Begin no other delivery."""
        self._ending = True
        for task in self._running.values():
            task.courier.end()

    async def ended(self) -> None:
        """Wait until no courier is left."""
        for task in list(self._running.values()):
            await task.ended.wait()

    @property
    def names(self) -> tuple[str, ...]:
        """Of the sinks in force."""
        return tuple(self._running)

    def look(self, sinks: tuple[str, ...]) -> None:
        """There is something for these to fetch, or to be tried sooner."""
        for name in sinks:
            if name in self._running:
                self._running[name].courier.look()

    def _start(self, settings: SinkSettings) -> None:
        errand = Round(settings.name, settings.content, settings.patience, settings.in_flight_max)
        task = _Task(settings, Courier(errand, self._make_sink(settings), self._streets))
        self._running[settings.name] = task
        if self._ending:
            # Of a reload that was under way already: nobody would tell this one, and everybody wait for it.
            task.courier.end()
        self._tasks.start_soon(self._keep, task, name=f"sink {settings.name}")

    async def _keep(self, task: _Task) -> None:
        name, emit = task.settings.name, self._streets.emit
        why = "cancelled"
        try:
            with task.scope:
                emit(SinkStarted(name, task.settings.table.kind))
                why = await self._guarded(task)
            if task.scope.cancelled_caught:
                why = NOT_WANTED
        finally:
            emit(SinkStopped(name, why, task.crashed))
            task.ended.set()

    async def _guarded(self, task: _Task) -> str:
        name, crashes = task.settings.name, Crashes(self._budget)
        while (error := await crash_of(task.courier.run)) is not None:
            left = crashes.one_more()
            self._streets.emit(CourierCrashed(name, type(error).__name__, left, describe(error)))
            if left == 0:
                # It stays among those that run, so that only another configuration or a restart tries again.
                task.crashed = True
                return "crashed too often"
            await anyio.sleep(RESTART_PAUSE_SECONDS)
        return "the daemon is stopping"


def _routes(settings: Settings) -> Mapping[str, tuple[str, ...]]:
    return {
        each.office.id: tuple(sink.name for sink in settings.sinks if sink.wants(each.office))
        for each in settings.offices
    }
