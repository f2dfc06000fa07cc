"""Everybody who is at work in a daemon: a worker for each office, a courier for each sink, who reads past days.

They share one gate, one way to the offices and one database. Who of them is wanted follows the configuration, which is
put in force elsewhere; here they are made, and end in good order.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

import anyio
import anyio.abc

from oddaemon.engine.backfill.reader import BackfillContext as BackfillReaderContext
from oddaemon.engine.backfill.service import BackfillService
from oddaemon.engine.delivery.courier import CourierContext
from oddaemon.engine.delivery.courier_pool import CourierPool, SinkFactory
from oddaemon.engine.delivery.routes import DeliveryRoutes
from oddaemon.engine.offices.fleet_state import FleetState
from oddaemon.engine.offices.registry import Registry
from oddaemon.engine.offices.supervisor import create_supervisor
from oddaemon.engine.tasks import CrashBudget
from oddaemon.opendental.client import Api, ApiEvent, Limits, TransportFactory
from oddaemon.opendental.rate_limiter import RateLimiter
from oddaemon.settings import Settings
from oddaemon.sftp import UploadReceiver
from oddaemon.store.database import Database
from oddaemon.telemetry.events.base import Event


@dataclass(frozen=True, slots=True)
class ServiceDeps:
    """What the crew works with, the database apart."""

    fleet: FleetState
    settings: Callable[[], Settings]
    """Those in force."""
    emit: Callable[[Event], None]
    rng: random.Random
    """For back-off."""
    transport: TransportFactory | None
    """What carries requests; None: the network."""
    receiver: UploadReceiver | None
    """Takes what offices upload; None: nobody does."""
    make_sink: SinkFactory


class Services:
    """The crew of one daemon. Nobody works until settings are put in force.

    Args:
        database: Where all that they bring goes.
        tasks: Where they live.
        deps: What else they work with.
    """

    def __init__(self, database: Database, tasks: anyio.abc.TaskGroup, deps: ServiceDeps) -> None:
        settings, fleet, emit, rng = deps.settings(), deps.fleet, deps.emit, deps.rng
        api, self._drain_seconds = settings.api, settings.daemon.drain_seconds
        budget, routes = (
            CrashBudget(settings.daemon.restarts_max, settings.daemon.restarts_within_seconds),
            DeliveryRoutes(),
        )
        limits = Limits(api.connect_timeout_seconds, api.request_timeout_seconds, api.max_response_bytes)
        self._emit = emit
        self._fleet = fleet
        self._rate_limiter = RateLimiter(api.max_in_flight, api.max_requests_per_second)
        self.api = Api(self._rate_limiter, limits, self._observe, fleet.now, deps.transport)
        self.registry = Registry(
            database,
            self.api,
            fleet,
            emit,
            rng,
            routes=routes,
            receiver=deps.receiver,
            key_change_seconds=api.key_change_seconds,
        )
        self.couriers = CourierPool(
            tasks, CourierContext(database, fleet.now, rng, emit), deps.make_sink, routes, budget
        )
        self.supervisor = create_supervisor(tasks, self.registry, self._rate_limiter, emit, budget)
        self.backfill = BackfillService(
            BackfillReaderContext(
                database,
                self.registry,
                fleet,
                self._rate_limiter,
                emit,
                rng,
                lambda: deps.settings().cadence,
                deps.receiver,
            )
        )

    async def drain(self) -> None:
        """Begin nothing more, and wait for what is under way, though no longer than `drain_seconds`."""
        self._rate_limiter.close()
        self.couriers.drain()
        with anyio.move_on_after(self._drain_seconds):
            await self.supervisor.wait_stopped()
            await self.couriers.wait_stopped()
            await self.backfill.wait_stopped()

    def _observe(self, event: ApiEvent) -> None:
        self._fleet.observe(event)
        self.registry.activity.observe(event)
        self._emit(event)
