"""The daemon as a whole: settings in; a fleet of workers over one rate limiter and one database; an orderly end.

Start and reload take the same path: checked settings are applied as a whole. Signals and the process belong to
`process.py`, so a test can run a whole daemon in its own event loop.
"""

import random
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import anyio
import anyio.abc
from starlette.types import ASGIApp

from oddaemon import __version__
from oddaemon.admin.app import AdminServices, create_admin_app, serve_control
from oddaemon.core.config_diff import ConfigDiff
from oddaemon.core.fleet.lease import LeaseKind
from oddaemon.core.reporting.status_document import StatusDocument, make_status_document
from oddaemon.daemon.admin_factory import make_admin_services
from oddaemon.daemon.fleet_session import FleetSession
from oddaemon.daemon.lifecycle import Lifecycle
from oddaemon.daemon.services import DaemonContext, Services, create_receiver, make_roles, start_background_tasks
from oddaemon.engine.config.active_config import ActiveConfig, ReloadTrigger, register_secrets
from oddaemon.engine.delivery.courier_pool import SinkFactory
from oddaemon.engine.delivery.sink_factory import create_sink
from oddaemon.engine.fleet.clock import SharedClock
from oddaemon.engine.fleet.holder import LeaseHolder, SoleHolder
from oddaemon.engine.fleet.remnants import Remnants
from oddaemon.engine.fleet.roles import RoleRunner
from oddaemon.engine.journal.recorder import JournalRecorder
from oddaemon.engine.monitoring.store_health import OPEN_IN_FLEET_SECONDS_MAX, OPEN_SECONDS_MAX
from oddaemon.engine.monitoring.watchdog import DaemonHealth, run_watchdog
from oddaemon.engine.offices.fleet_state import FleetState
from oddaemon.engine.offices.readiness import Readiness
from oddaemon.engine.tasks import BackgroundTasks
from oddaemon.http_server.server import ListenError, serve
from oddaemon.opendental.client import TransportFactory
from oddaemon.settings import LoadResult, OfficeFileCache, Settings, try_load
from oddaemon.sftp.receiver import ReceiverError, SftpReceiver
from oddaemon.sftp.upload_slot import UploadReceiver
from oddaemon.store.database import Database
from oddaemon.store.errors import DatabaseLost, StoreError
from oddaemon.store.fleet.connection import FleetDatabase
from oddaemon.store.opening import open_database
from oddaemon.store.sqlite.open_mark import LOST_LOG_ADVICE
from oddaemon.telemetry import systemd
from oddaemon.telemetry.events import (
    DaemonStarted,
    DaemonStopped,
    SftpListening,
    StoreLogLost,
    StoreMadePrivate,
    StoreOpened,
)
from oddaemon.telemetry.telemetry import Telemetry
from oddaemon.web.app import create_app
from oddaemon.web.pages.routes import Pages
from oddaemon.web.pages.view_builder import PageViewBuilder


@dataclass(frozen=True, slots=True)
class _OpenDatabase:
    """The database, and this daemon's membership of the fleet that uses it; None: it is the only user."""

    database: Database
    session: FleetSession | None


class Daemon:
    """One daemon: `run` runs it, `drain` and `stop` end it. Create it inside the event loop.

    Args:
        settings: Checked settings.
        telemetry: Takes every event.
        now: The wall clock (aware UTC).
        transport: Carries the requests; None: the network.
        rng: For back-off; None: the system's.
        listening: Whether to open the HTTP listener and the control socket.
        make_sink: Makes a sink of its settings; None: the real one.
        receiver: Receives what offices upload; None: the SFTP server of `[sftp]`, if it is configured.
        cache: What the reading of the settings has left to the next one.
    """

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
        cache: OfficeFileCache | None = None,
    ) -> None:
        self.configuration = ActiveConfig(settings, telemetry, partial(try_load, cache=cache or OfficeFileCache()))
        self._clock = SharedClock(now)
        now = self._clock.now
        self.fleet = FleetState(now)
        telemetry.follow_fleet(lambda: self.fleet.overview)
        self.lifecycle = Lifecycle(lambda: self.settings, telemetry.emit, now)
        self._telemetry = telemetry
        self._journal = JournalRecorder(
            telemetry,
            now,
            retained_max=settings.state.journal_entries,
            write_seconds=settings.state.journal_write_seconds,
        )
        self._context = DaemonContext(
            configuration=self.configuration,
            lifecycle=self.lifecycle,
            fleet=self.fleet,
            journal=self._journal,
            telemetry=telemetry,
            rng=rng or random.SystemRandom(),
            transport=transport,
            make_sink=make_sink or partial(create_sink, now=now),
        )
        self.view_builder = PageViewBuilder(self.fleet, lambda: self.settings, lambda: self.readiness, self._journal)
        self._listening = listening
        self._receiver = receiver
        self._scope = anyio.CancelScope()
        self._remnants = Remnants()
        self._database: Database | None = None
        self._services: Services | None = None
        self._admin: AdminServices | None = None

    @property
    def settings(self) -> Settings:
        """The active settings."""
        return self.configuration.settings

    @property
    def readiness(self) -> Readiness:
        """Whether the daemon does its work; if not, why."""
        return self.lifecycle.readiness

    @property
    def admin(self) -> AdminServices:
        """The services behind the control socket."""
        assert self._admin is not None, "the daemon has not started yet"
        return self._admin

    async def run(self, warnings: Sequence[str] = ()) -> None:
        """Run until drained or stopped.

        A database that cannot be used for a transient reason (locked, read-only, a full disk) is opened again and
        again; meanwhile the listener answers with the reason.

        Raises:
            StoreError: The database cannot be used, and waiting would not help.
            ListenError: The address of `[http] listen` cannot be used.
        """
        started = anyio.current_time()
        register_secrets(self._telemetry, self.settings)
        self._telemetry.emit(DaemonStarted(__version__, len(self.settings.offices), self.settings.state.where))
        try:
            with self._scope:
                await self._run_servers(warnings)
        finally:
            self.lifecycle.ended = True
        self._telemetry.emit(DaemonStopped(anyio.current_time() - started))

    async def reload(self, trigger: ReloadTrigger, *, accept_removals: bool = False) -> tuple[ConfigDiff, LoadResult]:
        """Read the configuration again and apply all of it, or nothing; returns what changed.

        Raises:
            BadConfiguration: The previous configuration stays active.
            StoreError: The previous configuration stays active.
        """
        if trigger is not ReloadTrigger.FILES:
            systemd.notify_reloading()
        try:
            return await self.configuration.reload(trigger, accept_removals=accept_removals)
        finally:
            if self.lifecycle.is_running and trigger is not ReloadTrigger.FILES:
                systemd.notify_ready()

    def drain(self, cause: str = "SIGTERM") -> None:
        """End in good order: requests in flight end, within `drain_seconds`. A second call changes nothing."""
        self.lifecycle.drain(cause)

    def stop(self) -> None:
        """End at once; everything that matters is stored already."""
        self._scope.cancel()

    def get_status(self) -> StatusDocument:
        """The status document of the fleet."""
        return make_status_document(self.fleet.get_statuses(), self.fleet.now(), self.fleet.overview)

    def create_web_app(self) -> ASGIApp:
        """The application behind the HTTP listener."""
        return create_app(
            telemetry=self._telemetry,
            office_metrics=self.fleet.get_held_statuses,
            readiness=lambda: self.readiness,
            status=self.get_status,
            pages=Pages(self.view_builder, self._telemetry.redact, self.fleet.now),
        )

    async def _run_servers(self, warnings: Sequence[str]) -> None:
        """Serve pages from the start to the end, and run the services while the database is open."""
        health = self.lifecycle.health
        async with anyio.create_task_group() as servers:
            background = BackgroundTasks(servers, self._telemetry.emit)
            listen = await self._serve(background) if self._listening else ""
            background.start_soon("watchdog", partial(run_watchdog, self._get_health, self._telemetry.emit))
            is_shared = self.settings.state.is_postgresql
            seconds_max = OPEN_IN_FLEET_SECONDS_MAX if is_shared else OPEN_SECONDS_MAX
            while not self.lifecycle.draining.is_set():
                async with AsyncExitStack() as stack:
                    opened = await health.retry_until_recovered(
                        lambda: self._open_database(stack), self.lifecycle.draining, seconds_max
                    )
                    if opened is None:
                        break
                    self.view_builder.database = opened.database
                    try:
                        await self._run_services(opened, listen, warnings)
                    finally:
                        # The database closes while the listener still serves pages.
                        self.view_builder.database = None
                        self.fleet.show_overview(None)
            servers.cancel_scope.cancel()

    async def _serve(self, background: BackgroundTasks) -> str:
        """Serve pages. Returns where."""
        http = self.settings.http
        listener = partial(serve, http.host, http.port, self.create_web_app(), allowed_hosts=http.allowed_hosts)
        host, port = await background.start("listener", listener)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def _open_database(self, outer: AsyncExitStack) -> "_OpenDatabase":
        """Open the database, and join the fleet that uses it; a failure of either leaves nothing open."""
        async with AsyncExitStack() as stack:
            session: FleetSession | None = None

            def report_failure(error: StoreError) -> None:
                self.lifecycle.health.report_failure(error)
                if session is not None and isinstance(error, DatabaseLost):
                    session.membership.lose(error.what)

            url = self.settings.state.database_url.reveal()
            database = await stack.enter_async_context(open_database(url, report_failure))
            self._report_opened(database)
            if isinstance(database, FleetDatabase):
                self._clock.forget()
                session = FleetSession(self._context, database, self._clock, self._remnants)
                await session.join()
            await outer.enter_async_context(stack.pop_all())
        self._database = database
        return _OpenDatabase(database, session)

    def _report_opened(self, database: Database) -> None:
        opened = database.open_result
        previous_file = None if opened.previous_file is None else str(opened.previous_file)
        self._telemetry.emit(StoreOpened(opened.is_new, opened.previous_revision, previous_file))
        if opened.has_lost_log:
            self._telemetry.emit(StoreLogLost(database.where, LOST_LOG_ADVICE))
        if opened.exposed_mode is not None:
            self._telemetry.emit(StoreMadePrivate(database.where, f"{opened.exposed_mode:04o}"))

    async def _run_services(self, opened: "_OpenDatabase", listen: str, warnings: Sequence[str]) -> None:
        """Apply the configuration, and run until drained, or until the membership of the fleet is lost."""
        lifecycle, context, database, session = self.lifecycle, self._context, opened.database, opened.session
        holder: LeaseHolder = SoleHolder(database) if session is None else session.membership.holdings
        own = database if session is None else session.membership.holdings.own_database
        self.fleet.follow_holder(partial(holder.holds, LeaseKind.OFFICE))
        async with anyio.create_task_group() as tasks:
            stop = self._watch_end(tasks, session)
            background = BackgroundTasks(tasks, self._telemetry.emit)
            receiver = self._receiver or create_receiver(self.settings.sftp)
            if isinstance(receiver, SftpReceiver):
                await self._start_receiver(receiver, background)
            self._services = services = Services(context, own, tasks, receiver, holder)
            self.configuration.attach(services.registry, services.couriers)
            apply = partial(self.configuration.apply, self.settings, warnings)
            await lifecycle.health.retry_until_recovered(apply, stop)
            reload = partial(self.reload, ReloadTrigger.COMMAND)
            exchange = None if session is None else session.make_exchange(tasks)
            self._admin = admin = make_admin_services(context, services, own, tasks, reload, exchange=exchange)
            background.start_soon("backfill", services.backfill.run)
            if self._listening and (socket := self.settings.http.control_socket) is not None:
                app = create_admin_app(admin, self._telemetry, self.fleet.get_held_statuses)
                await background.start("control socket", partial(serve_control, socket, app))
            start_background_tasks(context, database, own, background)
            roles = RoleRunner(tasks, holder, make_roles(context, holder), self._telemetry.emit)
            if session is None:
                await roles.follow_leases()
            else:
                background.start_soon("fleet membership", partial(session.run, services, roles))
            lifecycle.mark_ready(listen)
            await stop.wait()
            if lifecycle.draining.is_set():
                admin.database.jobs.cancel_all()
                await (services.drain() if session is None else session.drain(services))
                await self.configuration.close()
                await self._journal.flush(own)
                if session is not None:
                    await session.leave()
            tasks.cancel_scope.cancel()

    def _watch_end(self, tasks: anyio.abc.TaskGroup, session: FleetSession | None) -> anyio.Event:
        """Set once the daemon drains, or its membership of the fleet is lost."""
        if session is None:
            return self.lifecycle.draining
        stop = anyio.Event()

        async def follow(event: anyio.Event) -> None:
            await event.wait()
            stop.set()

        tasks.start_soon(follow, self.lifecycle.draining)
        tasks.start_soon(follow, session.membership.lost)
        return stop

    async def _start_receiver(self, receiver: SftpReceiver, background: BackgroundTasks) -> None:
        try:
            fingerprint = await background.start("receiver", receiver.serve)
        except ReceiverError as error:
            raise ListenError(str(error)) from error
        self._telemetry.emit(SftpListening(self.settings.sftp.listen, fingerprint))

    def _get_health(self) -> DaemonHealth:
        """What the watchdog decides from."""
        incident = self.lifecycle.health.incident
        return DaemonHealth(
            at=anyio.current_time(),
            settings=self.settings,
            has_started=self.lifecycle.running.is_set(),
            drain_deadline=self.lifecycle.drain_deadline,
            store_failure=None if incident is None else incident.sentence,
            writing_since=None if self._database is None else self._database.writing_since,
            activity=[] if self._services is None else self._services.registry.list_activities(),
            statuses=[runtime.state.standing for runtime in self.fleet.offices.values()],
            now=self.fleet.now(),
        )
