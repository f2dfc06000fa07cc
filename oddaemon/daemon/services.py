"""The work of a daemon: a worker for each office, a courier for each sink, the backfills, and the background tasks.

They share one rate limiter, one API client and one database. Which of them run follows from the active configuration;
this module creates them and drains them.
"""

import random
from dataclasses import dataclass
from functools import partial

import anyio
import anyio.abc

from oddaemon.core.fleet.lease import LeaseKind, Role
from oddaemon.daemon.lifecycle import Lifecycle
from oddaemon.engine.backfill.service import BackfillService
from oddaemon.engine.config.active_config import ActiveConfig
from oddaemon.engine.context import EngineContext
from oddaemon.engine.delivery.courier_pool import CourierPool, SinkFactory
from oddaemon.engine.fleet.holder import LeaseHolder
from oddaemon.engine.fleet.roles import StartRole
from oddaemon.engine.journal.recorder import JournalRecorder
from oddaemon.engine.maintenance.jobs import build_jobs
from oddaemon.engine.maintenance.scheduler import run_maintenance
from oddaemon.engine.monitoring.freshness_monitor import FreshnessMonitor
from oddaemon.engine.monitoring.heartbeat_ping import HeartbeatPinger
from oddaemon.engine.monitoring.night_memory import FleetNightMemory
from oddaemon.engine.offices.api_factory import create_api
from oddaemon.engine.offices.fleet_state import FleetState
from oddaemon.engine.offices.registry import Registry
from oddaemon.engine.tasks import BackgroundTasks, CrashBudget
from oddaemon.opendental.client import TransportFactory
from oddaemon.settings import Settings
from oddaemon.settings.tables.sections import SftpSettings
from oddaemon.settings.values.url import split_listen
from oddaemon.sftp.receiver import ReceiverOptions, SftpReceiver
from oddaemon.sftp.upload_slot import UploadReceiver
from oddaemon.store.database import Database
from oddaemon.telemetry.events import MaintenanceHandedOver
from oddaemon.telemetry.events.base import Event
from oddaemon.telemetry.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class DaemonContext:
    """From the daemon's start to its end; the database and what needs it come later."""

    configuration: ActiveConfig
    lifecycle: Lifecycle
    fleet: FleetState
    journal: JournalRecorder
    telemetry: Telemetry
    rng: random.Random
    """For back-off."""
    transport: TransportFactory | None
    """Carries the requests; None: the network."""
    make_sink: SinkFactory

    @property
    def settings(self) -> Settings:
        """The active settings."""
        return self.configuration.settings


class Services:
    """The workers, couriers and backfills of one daemon. They start when a configuration is applied.

    Args:
        context: What they share with the rest of the daemon.
        database: Where they store everything.
        tasks: Where they run.
        receiver: Receives what offices upload; None: no office may.
        holder: Says what is this daemon's to do.
    """

    def __init__(
        self,
        context: DaemonContext,
        database: Database,
        tasks: anyio.abc.TaskGroup,
        receiver: UploadReceiver | None,
        holder: LeaseHolder,
    ) -> None:
        fleet, emit, rng = context.fleet, context.telemetry.emit, context.rng
        api, daemon = context.settings.api, context.settings.daemon
        budget = CrashBudget(daemon.restarts_max, daemon.restarts_within_seconds)
        self._drain_seconds = daemon.drain_seconds
        self._emit = emit
        self._fleet = fleet
        self.api = create_api(api, self._observe, fleet.now, context.transport)
        self.rate_limiter = self.api.rate_limiter
        shared = EngineContext(database, holder, fleet.now, self.rate_limiter, rng, emit, receiver)
        self.couriers = CourierPool(tasks, shared, context.make_sink, budget)
        self.registry = Registry(tasks, shared, fleet, self.api, self.couriers, budget=budget)
        self.backfill = BackfillService(shared, fleet, self.registry)

    async def drain(self) -> None:
        """Start nothing new, and wait for what is running, at most `drain_seconds`."""
        self.rate_limiter.close()
        self.couriers.drain()
        with anyio.move_on_after(self._drain_seconds):
            await self.registry.wait_stopped()
            await self.couriers.wait_stopped()
            await self.backfill.wait_stopped()

    def _observe(self, event: Event) -> None:
        self._fleet.observe(event)
        self.registry.observe(event)
        self._emit(event)


def start_background_tasks(
    context: DaemonContext, database: Database, own: Database, background: BackgroundTasks
) -> None:
    """Start what each daemon does beside its offices: it writes their journal, and watches the database.

    Args:
        context: What the daemon shares.
        database: Whose health is watched.
        own: The same, for what the daemon writes under no lease.
        background: Where they run.
    """
    health = context.lifecycle.health
    background.start_soon("journal", partial(context.journal.run, own))
    background.start_soon("store health", partial(health.watch, database, context.settings.state.look_seconds))


def make_roles(context: DaemonContext, holder: LeaseHolder) -> dict[Role, StartRole]:
    """What one daemon does for the whole fleet: it prunes, it reports each night, and it sends the heartbeat pings."""
    settings, fleet, emit, health = context.settings, context.fleet, context.telemetry.emit, context.lifecycle.health

    def keep_house(background: BackgroundTasks) -> None:
        house = holder.get_database(LeaseKind.ROLE, Role.HOUSEKEEPER)
        jobs = build_jobs(settings, house, fleet, health.report_failure, emit)

        async def run_jobs() -> None:
            try:
                await run_maintenance(house, jobs, fleet.now, emit)
            finally:
                if holder.is_shared:
                    emit(MaintenanceHandedOver())

        background.start_soon("maintenance", run_jobs)

    def monitor_nights(background: BackgroundTasks) -> None:
        pinger = HeartbeatPinger(lambda: context.settings.alerts, emit)
        memory = FleetNightMemory(holder, fleet.now) if holder.is_shared else None
        monitor = FreshnessMonitor(fleet, emit, pinger.on_result, memory)
        background.start_soon("freshness monitor", partial(monitor.run, lambda: context.settings.alerts.look_seconds))
        background.start_soon("heartbeat pings", pinger.run)

    return {Role.HOUSEKEEPER: keep_house, Role.FRESHNESS_MONITOR: monitor_nights}


def create_receiver(sftp: SftpSettings) -> SftpReceiver | None:
    """The receiver. None: it is disabled."""
    if not sftp.is_on or sftp.host_key is None or sftp.directory is None:
        return None
    host, port = split_listen(sftp.listen)
    return SftpReceiver(ReceiverOptions(host=host, port=port, **sftp.model_dump(exclude={"listen"})))
