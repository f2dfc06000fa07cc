"""All couriers of a daemon: one for each configured sink."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

import anyio
import anyio.abc

from oddaemon.core.fleet.lease import LeaseKind, LeaseLost
from oddaemon.engine.context import EngineContext
from oddaemon.engine.delivery.courier import Courier
from oddaemon.engine.tasks import CrashBudget, TaskEvents, TaskSupervisor
from oddaemon.settings import Settings, SinkSettings
from oddaemon.sinks.payload import Sink
from oddaemon.store.errors import StoreError
from oddaemon.store.fleet.sink_start import start_sink
from oddaemon.telemetry.events import CourierCrashed, OutboxSize, SinkStarted, SinkStopped
from oddaemon.telemetry.logging.traceback import format_traceback

SinkFactory = Callable[[SinkSettings], Sink]


class CourierPool:
    """Runs a courier for every configured sink.

    Args:
        tasks: The task group in which they run.
        context: What they share.
        make_sink: Makes a sink from its settings.
        budget: How often each courier may be restarted.
    """

    def __init__(
        self,
        tasks: anyio.abc.TaskGroup,
        context: EngineContext,
        make_sink: SinkFactory,
        budget: CrashBudget,
    ) -> None:
        self._context = context
        self._make_sink = make_sink
        self._couriers: dict[str, Courier] = {}
        self._draining = False
        self._sinks: dict[str, SinkSettings] = {}
        """The active ones, by name."""
        self._offices_by_sink: Mapping[str, Sequence[str]] = {}
        self._elsewhere: set[str] = set()
        """The active ones that another host has."""
        self._begun: dict[str, tuple[str, ...]] = {}
        """The offices of each sink that this daemon holds in a fleet, once those that are new to it were enqueued."""
        self._apply_lock = anyio.Lock()
        events = TaskEvents(
            started=lambda sink: SinkStarted(sink, self._sinks[sink].kind),
            stopped=SinkStopped,
            crashed=lambda sink, error, left: CourierCrashed(sink, type(error).__name__, left, format_traceback(error)),
        )
        self._supervisor = TaskSupervisor(
            tasks,
            "sink",
            self._run_courier,
            events=events,
            emit=context.emit,
            budget=budget,
            sleep=context.rate_limiter.sleep,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The active sinks."""
        return tuple(self._sinks)

    @property
    def offices_by_sink(self) -> Mapping[str, Sequence[str]]:
        """The ids of the offices of each active sink."""
        return self._offices_by_sink

    async def apply(self, sinks: Sequence[SinkSettings], changed: Collection[str]) -> None:
        """Run couriers for the configured sinks; those that did not change keep their deliveries in flight.

        In a fleet: for those that this daemon holds.
        """
        self._sinks = {sink.name: sink for sink in sinks}
        await self._run_held(changed)
        self.notify(self.names)

    async def follow_leases(self) -> None:
        """Run a courier for each configured sink that this daemon holds, and no others.

        Raises:
            StoreError: An office that is new to a sink was not enqueued; the next call does it.
        """
        await self._run_held((), ends_quarantines=False)
        held = {name: tuple(self._offices_by_sink.get(name, ())) for name in self._sinks if self._holds(name)}
        self._begun = {name: offices for name, offices in self._begun.items() if name in held}
        with suppress(LeaseLost):
            for name in [name for name, offices in held.items() if self._begun.get(name) != offices]:
                database = self._context.holder.get_database(LeaseKind.SINK, name)
                await start_sink(database, name, held[name], self._context.now())
                self._begun[name] = held[name]
                self.notify((name,))

    def _holds(self, name: str) -> bool:
        return self._context.holder.holds(LeaseKind.SINK, name)

    def is_idle(self, name: str) -> bool:
        """Whether no delivery to this sink is in flight here."""
        return name not in self._couriers or self._couriers[name].is_idle

    async def _run_held(self, changed: Collection[str], *, ends_quarantines: bool = True) -> None:
        async with self._apply_lock:
            held = [name for name in self._sinks if self._holds(name)]
            await self._supervisor.apply(held, changed, ends_quarantines=ends_quarantines)
            elsewhere = self._sinks.keys() - held
            for name in sorted(elsewhere - self._elsewhere):
                # The host that holds it counts its deliveries.
                self._context.emit(OutboxSize(name, 0, None))
            self._elsewhere = elsewhere

    @contextmanager
    def switch_routes(self, settings: Settings) -> Iterator[Mapping[str, Sequence[str]]]:
        """The ids of the offices of each sink, in use while the block stores them, so that no publication is missed.

        Restores the previous ones if that fails with a StoreError.
        """
        previous = self._offices_by_sink
        self._offices_by_sink = {
            sink.name: [each.spec.id for each in settings.offices.values() if sink.matches_office(each.spec)]
            for sink in settings.sinks
        }
        try:
            yield self._offices_by_sink
        except StoreError:
            self._offices_by_sink = previous
            raise

    def get_sinks(self, office_id: str) -> tuple[str, ...]:
        """The names of the sinks that an office's snapshots go to."""
        return tuple(sink for sink, office_ids in self._offices_by_sink.items() if office_id in office_ids)

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

    async def _run_courier(self, name: str) -> None:
        settings = self._sinks[name]
        context = replace(self._context, database=self._context.holder.get_database(LeaseKind.SINK, name))
        self._couriers[name] = courier = Courier(settings, self._make_sink(settings), context)
        if self._draining:
            # Started by a reload that was under way when the drain began.
            courier.drain()
        try:
            await courier.run()
        finally:
            del self._couriers[name]
