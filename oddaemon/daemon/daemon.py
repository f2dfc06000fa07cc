"""The daemon, composed: settings in, a fleet of workers over one gate and one database, and an orderly end.

Starting and reloading take the same path: settings that were read and checked are applied whole. Signals and the
process around it belong to `app.py`, so a test can run a whole daemon inside its own event loop.
"""

import random
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial

import anyio
from starlette.types import ASGIApp

from oddaemon import __version__
from oddaemon.admin.app import AdminServices, create_admin_app, serve_control
from oddaemon.admin.backfill_commands import BackfillCommands
from oddaemon.admin.background_jobs import BackgroundJobs
from oddaemon.admin.commands import CommandLog
from oddaemon.admin.database_commands import DatabaseCommands
from oddaemon.admin.diagnostics_commands import DiagnosticJobs
from oddaemon.admin.inspection import StatusService
from oddaemon.admin.office_commands import CommandService
from oddaemon.admin.sink_commands import SinkCommands
from oddaemon.core.config_diff import ConfigDiff
from oddaemon.core.reporting.status_document import StatusDocument, make_status_document
from oddaemon.daemon.services import ServiceDeps, Services
from oddaemon.engine.backfill.receiver_factory import create_receiver
from oddaemon.engine.config.active_config import ActiveConfig, ReloadTrigger, hide_secrets
from oddaemon.engine.delivery.courier_pool import SinkFactory
from oddaemon.engine.delivery.sink_factory import create_sink
from oddaemon.engine.journal.recorder import JournalRecorder
from oddaemon.engine.maintenance.jobs import MaintenanceContext, build_jobs
from oddaemon.engine.maintenance.scheduler import run_maintenance
from oddaemon.engine.monitoring.freshness_monitor import FreshnessMonitor
from oddaemon.engine.monitoring.heartbeat_ping import HeartbeatPinger
from oddaemon.engine.monitoring.store_health import StoreHealth
from oddaemon.engine.monitoring.watchdog import DaemonHealth, run_watchdog
from oddaemon.engine.offices.fleet_state import FleetState
from oddaemon.engine.offices.readiness import Readiness
from oddaemon.http_server.server import ListenError, serve
from oddaemon.opendental.client import TransportFactory
from oddaemon.settings import LoadResult, Settings
from oddaemon.sftp import ReceiverError, SftpReceiver, UploadReceiver
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.telemetry import systemd
from oddaemon.telemetry.events import (
    DaemonDraining,
    DaemonReady,
    DaemonStarted,
    DaemonStopped,
    SftpListening,
    StoreOpened,
)
from oddaemon.telemetry.telemetry import Telemetry
from oddaemon.web.app import create_app
from oddaemon.web.pages.routes import Pages
from oddaemon.web.pages.view_builder import PageViewBuilder


class Daemon:
    """One daemon's life: `run` lives it, `drain` and `stop` end it. Make it inside the event loop."""

    def __init__(
        self,
        settings: Settings,
        telemetry: Telemetry,
        now: Callable[[], datetime],
        *,
        transport: TransportFactory | None = None,
        rng: random.Random | None = None,
        listening: bool = True,
        make_sink: SinkFactory | None = None,
        receiver: UploadReceiver | None = None,
    ) -> None:
        """Nothing happens yet.

        Args:
            settings: Checked ones.
            telemetry: Takes every event.
            now: The wall clock (aware UTC).
            transport: What carries requests; None: the network.
            rng: For back-off; None: the system's.
            listening: Whether to open the HTTP listener.
            make_sink: Makes a sink of its settings; None: the real one.
            receiver: Takes what offices upload; None: the SFTP server of `[sftp]`, if there is to be one.
        """
        self.configuration = ActiveConfig(settings, telemetry)
        self.fleet = FleetState(now)
        self.health = StoreHealth(telemetry.emit, now, lambda: self.is_running)
        self.running = anyio.Event()
        self._telemetry = telemetry
        self._journal = JournalRecorder(
            telemetry,
            now,
            retained_max=settings.state.journal_entries,
            write_seconds=settings.state.journal_write_seconds,
        )
        self.view_builder = PageViewBuilder(self.fleet, lambda: self.settings, lambda: self.readiness, self._journal)
        self._transport = transport
        self._rng = rng or random.SystemRandom()
        self._listening = listening
        self._receiver = receiver
        self._make_sink = make_sink or partial(create_sink, now=now)
        self._draining = anyio.Event()
        self._drain_deadline: float | None = None
        self._ended = False
        self._scope = anyio.CancelScope()
        self._database: SqliteDatabase | None = None
        self._services: Services | None = None
        self._admin: AdminServices | None = None

    @property
    def is_running(self) -> bool:
        """Whether the configuration is in force and may be changed."""
        return self.running.is_set() and not self._draining.is_set() and not self._ended

    @property
    def readiness(self) -> Readiness:
        """Whether the daemon does what it is there for; if not, what is missing."""
        if self._ended or self._draining.is_set():
            return Readiness(ready=False, reason="the daemon is stopping")
        if self.health.incident is not None:
            return Readiness(ready=False, reason=self.health.incident.sentence)
        if not self.running.is_set():
            return Readiness(ready=False, reason="the daemon is starting: the database is being opened")
        return Readiness(ready=True)

    async def run(self, warnings: Sequence[str] = ()) -> None:
        """Run until drained or stopped.

        A database that cannot be used for a reason that may pass (locked, read-only, a full disk) is opened again and
        again; meanwhile the listener answers, and says why nothing happens.

        Raises:
            StoreError: The database cannot be used, and waiting would not help.
            ListenError: The address of `[http] listen` cannot be used.
        """
        started = anyio.current_time()
        hide_secrets(self._telemetry, self.settings)
        self._telemetry.emit(DaemonStarted(__version__, len(self.settings.offices), self.settings.state.database))
        try:
            with self._scope:
                async with anyio.create_task_group() as servers:
                    listen = await servers.start(self._serve) if self._listening else ""
                    servers.start_soon(run_watchdog, self._get_health, self._telemetry.emit, name="heartbeat")
                    async with AsyncExitStack() as stack:
                        database = await self.health.retry_until_recovered(
                            lambda: self._open_database(stack), self._draining
                        )
                        if database is not None:
                            self.view_builder.database = database
                            try:
                                await self._run_services(database, listen, warnings)
                            finally:
                                # It is closed while the pages still answer.
                                self.view_builder.database = None
                    servers.cancel_scope.cancel()
        finally:
            self._ended = True
        self._telemetry.emit(DaemonStopped(anyio.current_time() - started))

    @property
    def settings(self) -> Settings:
        """What is in force."""
        return self.configuration.settings

    @property
    def admin(self) -> AdminServices:
        """Who takes orders, and who shows what."""
        assert self._admin is not None, "orders are taken only while it runs"
        return self._admin

    @property
    def commands(self) -> CommandService:
        """Takes most orders."""
        return self.admin.commands

    async def apply(self, settings: Settings) -> None:
        """Put settings in force that were read and checked already; offices that did not change are not touched.

        Raises:
            StoreError: The former ones stay in force.
        """
        await self.configuration.apply(settings, trigger=ReloadTrigger.COMMAND)

    async def reload(self, trigger: ReloadTrigger) -> tuple[ConfigDiff, LoadResult]:
        """Read the configuration again: all of it, checked, or nothing. Tells what changed.

        Raises:
            BadConfiguration: The former one stays in force.
            StoreError: The former one stays in force.
        """
        if trigger is not ReloadTrigger.FILES:
            systemd.notify_reloading()
        try:
            return await self.configuration.reload(trigger)
        finally:
            if self.is_running and trigger is not ReloadTrigger.FILES:
                systemd.notify_ready()

    def drain(self, why: str = "SIGTERM") -> None:
        """End in good order: what is in flight finishes, within `drain_seconds`. Saying it twice changes nothing."""
        if not self._draining.is_set():
            self._telemetry.emit(DaemonDraining(why))
            systemd.notify_stopping()
            self._drain_deadline = anyio.current_time() + self.settings.daemon.drain_seconds
            self._draining.set()

    def stop(self) -> None:
        """End at once; everything that matters is stored already."""
        self._scope.cancel()

    def get_status(self) -> StatusDocument:
        """How the fleet stands."""
        return make_status_document(self.fleet.get_summaries(), self.fleet.now())

    def create_web_app(self) -> ASGIApp:
        """What the listener serves."""
        return create_app(
            telemetry=self._telemetry,
            office_metrics=self.fleet.get_metrics,
            readiness=lambda: self.readiness,
            status=self._get_status,
            pages=Pages(self.view_builder, self._telemetry.redact, self.fleet.now),
        )

    def _get_health(self) -> DaemonHealth:
        """What systemd's questions are answered from."""
        return DaemonHealth(
            at=anyio.current_time(),
            settings=self.settings,
            has_started=self.running.is_set(),
            drain_deadline=self._drain_deadline,
            store_failure=self.health.incident.sentence if self.health.incident is not None else None,
            writing_since=self._database.writing_since if self._database is not None else None,
            activity=self._services.registry.activity.get_all() if self._services is not None else [],
            statuses=[runtime.state.standing for runtime in self.fleet.offices.values()],
            now=self.fleet.now(),
        )

    async def _open_database(self, stack: AsyncExitStack) -> SqliteDatabase:
        database = await stack.enter_async_context(
            SqliteDatabase.open(self.settings.state.database, self.health.report_failure)
        )
        opened = database.open_result
        previous_file = None if opened.previous_file is None else str(opened.previous_file)
        self._telemetry.emit(StoreOpened(opened.is_new, opened.previous_revision, previous_file))
        self._database = database
        return database

    async def _run_services(self, database: SqliteDatabase, listen: str, warnings: Sequence[str]) -> None:
        async with anyio.create_task_group() as tasks:
            receiver = self._receiver or create_receiver(self.settings.sftp)
            if isinstance(receiver, SftpReceiver):
                await self._start_receiver(receiver, tasks)
            self._services = services = Services(database, tasks, self._make_service_deps(receiver))
            self.configuration.attach(services.registry, services.supervisor, services.couriers)
            apply = partial(self.configuration.apply, self.settings, warnings)
            await self.health.retry_until_recovered(apply, self._draining)
            self._admin = admin = self._make_admin_services(database, services, tasks)
            tasks.start_soon(services.backfill.run, name="past days")
            if self._listening and (socket := self.settings.http.control_socket) is not None:
                await tasks.start(
                    serve_control, socket, create_admin_app(admin, self._telemetry, self.fleet.get_metrics)
                )
            self._start_background_tasks(database, tasks)
            self._mark_ready(listen)
            await self._draining.wait()
            admin.database.jobs.cancel_all()
            await services.drain()
            await self.configuration.close()
            await self._journal.flush(database)
            tasks.cancel_scope.cancel()

    async def _start_receiver(self, receiver: SftpReceiver, tasks: anyio.abc.TaskGroup) -> None:
        try:
            fingerprint = await tasks.start(receiver.serve, name="receiver")
        except ReceiverError as error:
            raise ListenError(str(error)) from error
        self._telemetry.emit(SftpListening(self.settings.sftp.listen, fingerprint))

    def _make_service_deps(self, receiver: UploadReceiver | None) -> ServiceDeps:
        return ServiceDeps(
            fleet=self.fleet,
            settings=lambda: self.settings,
            emit=self._telemetry.emit,
            rng=self._rng,
            transport=self._transport,
            receiver=receiver,
            make_sink=self._make_sink,
        )

    def _make_admin_services(
        self, database: SqliteDatabase, services: Services, tasks: anyio.abc.TaskGroup
    ) -> AdminServices:
        emit, fleet, registry = self._telemetry.emit, self.fleet, services.registry
        log = CommandLog(lambda: "" if self.is_running else self.readiness.reason, emit)
        jobs = BackgroundJobs(log, database, tasks, emit)
        return AdminServices(
            commands=CommandService(
                log,
                registry,
                fleet,
                reload=partial(self.reload, ReloadTrigger.COMMAND),
                preview=self.configuration.preview,
                drain=self._drain_by_command,
            ),
            backfill=BackfillCommands(log, services.backfill, registry, fleet, database),
            diagnostics=DiagnosticJobs(log, registry, services.api, tasks, lambda: self.settings, emit=emit),
            sinks=SinkCommands(log, services.couriers, database, fleet.now, emit),
            status=StatusService(database, fleet, self._journal, lambda: self.readiness),
            database=DatabaseCommands(log, jobs, self.configuration, services.backfill, fleet, database, emit),
        )

    def _start_background_tasks(self, database: SqliteDatabase, tasks: anyio.abc.TaskGroup) -> None:
        """What goes on beside the work: the journal, looks at the database and the mornings, the housekeeping."""
        emit = self._telemetry.emit
        check_interval_seconds = self.settings.state.look_seconds
        maintenance_jobs = build_jobs(
            self.settings, MaintenanceContext(database, self.fleet, self.health.report_failure, emit)
        )
        pinger = HeartbeatPinger(lambda: self.settings.alerts, emit)
        monitor = FreshnessMonitor(self.fleet, emit, pinger.on_result)
        tasks.start_soon(self._journal.run, database, name="journal")
        tasks.start_soon(self.health.watch, database, check_interval_seconds, name="store health")
        tasks.start_soon(run_maintenance, database, maintenance_jobs, self.fleet.now, emit, name="housekeeper")
        tasks.start_soon(monitor.run, lambda: self.settings.alerts.look_seconds, name="night watch")
        tasks.start_soon(pinger.run, name="sign of life")

    def _drain_by_command(self) -> str:
        self.drain("command")
        return f"Requests under way end, within {self.settings.daemon.drain_seconds:g} s; then the daemon stops."

    def _mark_ready(self, listen: str) -> None:
        if not self._draining.is_set():
            self.running.set()
            self._telemetry.emit(DaemonReady(listen))
            systemd.notify_ready()

    async def _serve(self, *, task_status: anyio.abc.TaskStatus[str]) -> None:
        http = self.settings.http
        listener = partial(serve, http.host, http.port, self.create_web_app(), allowed_hosts=http.allowed_hosts)
        async with anyio.create_task_group() as tasks:
            host, port = await tasks.start(listener)
            task_status.started(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")

    async def _get_status(self) -> StatusDocument:
        return self.get_status()
