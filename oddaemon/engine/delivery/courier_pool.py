"""All couriers of a daemon: who runs follows the configuration, and what is queued follows it, too."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio
import anyio.abc

from oddaemon.engine.delivery.courier import Courier, CourierConfig, CourierContext
from oddaemon.engine.delivery.routes import DeliveryRoutes
from oddaemon.engine.tasks import RESTART_PAUSE_SECONDS, CrashBudget, CrashCounter, reconcile, run_guarded
from oddaemon.settings import Settings, SinkSettings
from oddaemon.sinks.payload import Sink
from oddaemon.store.errors import StoreError
from oddaemon.telemetry.events import CourierCrashed, SinkStarted, SinkStopped
from oddaemon.telemetry.logging.traceback import format_traceback

NOT_WANTED = "not wanted any more"
SinkFactory = Callable[[SinkSettings], Sink]


@dataclass(slots=True)
class _CourierTask:
    settings: SinkSettings
    courier: Courier
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: anyio.Event = field(default_factory=anyio.Event)
    crashed: bool = False
    """It ended for good, by an error of ours."""


class CourierPool:
    """Keeps a courier at work for every configured sink.

    Args:
        tasks: where they live.
        context: what they share.
        make_sink: makes a sink of its settings.
        routes: read by the publications.
        budget: of restarts.
    """

    def __init__(
        self,
        tasks: anyio.abc.TaskGroup,
        context: CourierContext,
        make_sink: SinkFactory,
        routes: DeliveryRoutes,
        budget: CrashBudget,
    ) -> None:
        self._tasks = tasks
        self._context = context
        self._make_sink = make_sink
        self._routes = routes
        self._budget = budget
        self._running: dict[str, _CourierTask] = {}
        self._draining = False
        routes.on_queued = self.notify

    async def apply(self, settings: Settings) -> None:
        """Make what runs what is wanted; sinks that did not change keep what they have in flight."""
        wanted = {sink.name: sink for sink in settings.sinks}
        diff = reconcile(wanted, {name: task.settings for name, task in self._running.items()})
        stopping = [self._running[name] for name in diff.stop]
        for task in stopping:
            task.scope.cancel()
        for task in stopping:
            if task.crashed:
                self._context.emit(SinkStopped(task.settings.name, NOT_WANTED))
            await task.ended.wait()
            del self._running[task.settings.name]
        for sink in diff.start:
            self._start(sink)
        self.notify(tuple(wanted))

    @contextmanager
    def switch_routes(self, settings: Settings) -> Iterator[None]:
        """Around what puts these settings on record: what is published meanwhile goes by the new routes already.

        Else it could pass between the two unseen. If it fails, the former routes are back.
        """
        previous, self._routes.by_office = self._routes.by_office, _build_routes(settings)
        try:
            yield
        except StoreError:
            self._routes.by_office = previous
            raise

    def drain(self) -> None:
        """Begin no other delivery."""
        self._draining = True
        for task in self._running.values():
            task.courier.drain()

    async def wait_stopped(self) -> None:
        """Wait until no courier is left."""
        for task in list(self._running.values()):
            await task.ended.wait()

    @property
    def names(self) -> tuple[str, ...]:
        """Of the sinks in force."""
        return tuple(self._running)

    def notify(self, sinks: tuple[str, ...]) -> None:
        """There is something for these to fetch, or to be tried sooner."""
        for name in sinks:
            if name in self._running:
                self._running[name].courier.notify()

    def _start(self, settings: SinkSettings) -> None:
        config = CourierConfig(settings.name, settings.content, settings.retry_policy, settings.in_flight_max)
        task = _CourierTask(settings, Courier(config, self._make_sink(settings), self._context))
        self._running[settings.name] = task
        if self._draining:
            # Of a reload that was under way already: nobody would tell this one, and everybody wait for it.
            task.courier.drain()
        self._tasks.start_soon(self._run_task, task, name=f"sink {settings.name}")

    async def _run_task(self, task: _CourierTask) -> None:
        name, emit = task.settings.name, self._context.emit
        why = "cancelled"
        try:
            with task.scope:
                emit(SinkStarted(name, task.settings.table.kind))
                why = await self._run_with_restarts(task)
            if task.scope.cancelled_caught:
                why = NOT_WANTED
        finally:
            emit(SinkStopped(name, why, task.crashed))
            task.ended.set()

    async def _run_with_restarts(self, task: _CourierTask) -> str:
        name, crashes = task.settings.name, CrashCounter(self._budget)
        while (error := await run_guarded(task.courier.run)) is not None:
            left = crashes.record_crash()
            self._context.emit(CourierCrashed(name, type(error).__name__, left, format_traceback(error)))
            if left == 0:
                # It stays among those that run, so that only another configuration or a restart tries again.
                task.crashed = True
                return "crashed too often"
            await anyio.sleep(RESTART_PAUSE_SECONDS)
        return "the daemon is stopping"


def _build_routes(settings: Settings) -> Mapping[str, tuple[str, ...]]:
    return {
        each.office.id: tuple(sink.name for sink in settings.sinks if sink.matches_office(each.office))
        for each in settings.offices
    }
