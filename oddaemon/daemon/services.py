"""The work of a daemon: a worker for each office, a courier for each sink, the backfills, and the background tasks.

They share one rate limiter, one API client and one database. Which of them run follows from the active configuration;
this module creates them and drains them.
"""

import random
from dataclasses import dataclass
from functools import partial

import anyio
import anyio.abc

from oddaemon.daemon.lifecycle import Lifecycle
from oddaemon.engine.backfill.service import BackfillService
from oddaemon.engine.config.active_config import ActiveConfig
from oddaemon.engine.context import EngineContext
from oddaemon.engine.delivery.courier_pool import CourierPool, SinkFactory
from oddaemon.engine.journal.recorder import JournalRecorder
from oddaemon.engine.maintenance.jobs import build_jobs
from oddaemon.engine.maintenance.scheduler import run_maintenance
from oddaemon.engine.monitoring.freshness_monitor import FreshnessMonitor
from oddaemon.engine.monitoring.heartbeat_ping import HeartbeatPinger
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
    """

    def __init__(
        self,
        context: DaemonContext,
        database: Database,
        tasks: anyio.abc.TaskGroup,
        receiver: UploadReceiver | None,
    ) -> None:
        fleet, emit, rng = context.fleet, context.telemetry.emit, context.rng
        api, daemon = context.settings.api, context.settings.daemon
        budget = CrashBudget(daemon.restarts_max, daemon.restarts_within_seconds)
        self._drain_seconds = daemon.drain_seconds
        self._emit = emit
        self._fleet = fleet
        self.api = create_api(api, self._observe, fleet.now, context.transport)
        self._rate_limiter = self.api.rate_limiter
        shared = EngineContext(database, fleet.now, self._rate_limiter, rng, emit, receiver)
        self.couriers = CourierPool(tasks, shared, context.make_sink, budget)
        self.registry = Registry(tasks, shared, fleet, self.api, self.couriers, budget=budget)
        self.backfill = BackfillService(shared, fleet, self.registry)

    async def drain(self) -> None:
        """Start nothing new, and wait for what is running, at most `drain_seconds`."""
        self._rate_limiter.close()
        self.couriers.drain()
        with anyio.move_on_after(self._drain_seconds):
            await self.registry.wait_stopped()
            await self.couriers.wait_stopped()
            await self.backfill.wait_stopped()

    def _observe(self, event: Event) -> None:
        self._fleet.observe(event)
        self.registry.observe(event)
        self._emit(event)


def start_background_tasks(context: DaemonContext, database: Database, background: BackgroundTasks) -> None:
    """Start what runs beside the offices: journal, store health, maintenance, freshness monitor, heartbeat pings."""
    settings, fleet, emit, health = context.settings, context.fleet, context.telemetry.emit, context.lifecycle.health
    jobs = build_jobs(settings, database, fleet, health.report_failure, emit)
    pinger = HeartbeatPinger(lambda: context.settings.alerts, emit)
    monitor = FreshnessMonitor(fleet, emit, pinger.on_result)
    background.start_soon("journal", partial(context.journal.run, database))
    background.start_soon("store health", partial(health.watch, database, settings.state.look_seconds))
    background.start_soon("maintenance", partial(run_maintenance, database, jobs, fleet.now, emit))
    background.start_soon("freshness monitor", partial(monitor.run, lambda: context.settings.alerts.look_seconds))
    background.start_soon("heartbeat pings", pinger.run)


def create_receiver(sftp: SftpSettings) -> SftpReceiver | None:
    """The receiver. None: it is disabled."""
    if not sftp.is_on or sftp.host_key is None or sftp.directory is None:
        return None
    host, port = split_listen(sftp.listen)
    return SftpReceiver(ReceiverOptions(host=host, port=port, **sftp.model_dump(exclude={"listen"})))
