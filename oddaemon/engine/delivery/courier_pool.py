"""All couriers of a daemon: one for each configured sink."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import anyio.abc

from oddaemon.engine.delivery.courier import Courier, CourierConfig, CourierContext
from oddaemon.engine.delivery.routes import DeliveryRoutes
from oddaemon.engine.tasks import CrashBudget, TaskEvents, TaskSupervisor
from oddaemon.settings import Settings, SinkSettings
from oddaemon.sinks.payload import Sink
from oddaemon.store.errors import StoreError
from oddaemon.telemetry.events import CourierCrashed, SinkStarted, SinkStopped
from oddaemon.telemetry.logging.traceback import format_traceback

SinkFactory = Callable[[SinkSettings], Sink]


class CourierPool:
    """Runs a courier for every configured sink.

    Args:
        tasks: The task group in which they run.
        context: What they share.
        make_sink: Makes a sink from its settings.
        routes: Read by each publication.
        budget: How often each courier may be restarted.
    """

    def __init__(
        self,
        tasks: anyio.abc.TaskGroup,
        context: CourierContext,
        make_sink: SinkFactory,
        routes: DeliveryRoutes,
        budget: CrashBudget,
    ) -> None:
        self._context = context
        self._make_sink = make_sink
        self._routes = routes
        self._couriers: dict[str, Courier] = {}
        self._draining = False
        self.names: tuple[str, ...] = ()
        """The active sinks."""
        events: TaskEvents[SinkSettings] = TaskEvents(
            started=lambda sink, settings: SinkStarted(sink, settings.kind),
            stopped=SinkStopped,
            crashed=lambda sink, error, left: CourierCrashed(sink, type(error).__name__, left, format_traceback(error)),
        )
        self._supervisor = TaskSupervisor[SinkSettings](
            tasks, "sink", self._run_courier, events=events, emit=context.emit, budget=budget
        )
        routes.on_queued = self.notify

    async def apply(self, settings: Settings) -> None:
        """Run couriers for the configured sinks; sinks that did not change keep their deliveries in flight."""
        wanted = {sink.name: sink for sink in settings.sinks}
        await self._supervisor.apply(wanted)
        self.names = tuple(wanted)
        self.notify(self.names)

    @contextmanager
    def switch_routes(self, settings: Settings) -> Iterator[None]:
        """Use the new routes while the block stores them, so that no publication in between is missed.

        Restores the previous routes if that fails with a StoreError.
        """
        previous, self._routes.by_office = self._routes.by_office, _build_routes(settings)
        try:
            yield
        except StoreError:
            self._routes.by_office = previous
            raise

    def drain(self) -> None:
        """Start no more deliveries."""
        self._draining = True
        for courier in self._couriers.values():
            courier.drain()

    async def wait_stopped(self) -> None:
        """Wait until no courier is running."""
        await self._supervisor.wait_stopped()

    def notify(self, sinks: tuple[str, ...]) -> None:
        """These sinks have new deliveries, or some to try sooner."""
        for name in sinks:
            if name in self._couriers:
                self._couriers[name].notify()

    async def _run_courier(self, name: str, settings: SinkSettings) -> None:
        config = CourierConfig(name, settings.get_content(), settings.retry_policy, settings.get_in_flight_max())
        self._couriers[name] = courier = Courier(config, self._make_sink(settings), self._context)
        if self._draining:
            # Started by a reload that was under way when the drain began.
            courier.drain()
        try:
            await courier.run()
        finally:
            del self._couriers[name]


def _build_routes(settings: Settings) -> Mapping[str, tuple[str, ...]]:
    return {
        each.spec.id: tuple(sink.name for sink in settings.sinks if sink.matches_office(each.spec))
        for each in settings.offices
    }
