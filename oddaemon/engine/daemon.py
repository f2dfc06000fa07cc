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
from oddaemon.core.plan import Plan
from oddaemon.core.status import StatusDocument, status_document
from oddaemon.engine.chores import Household, jobs
from oddaemon.engine.control import Desks, control
from oddaemon.engine.couriers import SinkFactory
from oddaemon.engine.crew import Crew, Equipment
from oddaemon.engine.doctor_visits import Visits
from oddaemon.engine.errand_desk import ErrandDesk
from oddaemon.engine.errands import Errands
from oddaemon.engine.fleet import Fleet
from oddaemon.engine.heartbeat import Pulse, keep_informed
from oddaemon.engine.housekeeper import keep_house
from oddaemon.engine.inspector import Inspector
from oddaemon.engine.journal import Journal
from oddaemon.engine.night_watch import NightWatch
from oddaemon.engine.orders import Desk
from oddaemon.engine.pages import PictureTaker
from oddaemon.engine.past_days import PastDaysDesk
from oddaemon.engine.receiving import receiver_from
from oddaemon.engine.reload import Cause, Configuration, hide
from oddaemon.engine.sign_of_life import SignOfLife
from oddaemon.engine.sink_making import sink_from
from oddaemon.engine.sink_orders import SinkDesk
from oddaemon.engine.store_health import StoreHealth
from oddaemon.opendental.client import TransportFactory
from oddaemon.receiver import Receiver, ReceiverError, SftpReceiver
from oddaemon.settings import Loaded, Settings
from oddaemon.store.database import Database
from oddaemon.telemetry import systemd
from oddaemon.telemetry.events import (
    DaemonDraining,
    DaemonReady,
    DaemonStarted,
    DaemonStopped,
    ReceiverListening,
    StoreOpened,
)
from oddaemon.telemetry.telemetry import Telemetry
from oddaemon.web.app import Readiness, create_app
from oddaemon.web.control import serve_control
from oddaemon.web.pages import Pages
from oddaemon.web.server import ListenError, serve


class Daemon:
    """One daemon's life: `run` lives it, `drain` and `stop` end it. Make it inside the event loop."""

    def __init__(
        self,
        settings: Settings,
        telemetry: Telemetry,
        now: Callable[[], datetime],
        *,
        transport: TransportFactory | None = None,
        dice: random.Random | None = None,
        listening: bool = True,
        make_sink: SinkFactory | None = None,
        receiver: Receiver | None = None,
    ) -> None:
        """Nothing happens yet.

        Args:
            settings: Checked ones.
            telemetry: Takes every event.
            now: The wall clock (aware UTC).
            transport: What carries requests; None: the network.
            dice: For back-off; None: the system's.
            listening: Whether to open the HTTP listener.
            make_sink: Makes a sink of its settings; None: the real one.
            receiver: Takes what offices upload; None: the SFTP server of `[sftp]`, if there is to be one.
        """
        self.configuration = Configuration(settings, telemetry)
        self.fleet = Fleet(now)
        self.health = StoreHealth(telemetry.emit, now, lambda: self.is_at_work)
        self.at_work = anyio.Event()
        self._telemetry = telemetry
        self._journal = Journal(
            telemetry, now, kept=settings.state.journal_entries, write_seconds=settings.state.journal_write_seconds
        )
        self.pictures = PictureTaker(self.fleet, lambda: self.settings, lambda: self.readiness, self._journal)
        self._transport = transport
        self._dice = dice or random.SystemRandom()
        self._listening = listening
        self._receiver = receiver
        self._make_sink = make_sink or partial(sink_from, now=now)
        self._draining = anyio.Event()
        self._drained_at: float | None = None
        self._ended = False
        self._life = anyio.CancelScope()
        self._database: Database | None = None
        self._crew: Crew | None = None
        self._desks: Desks | None = None

    @property
    def is_at_work(self) -> bool:
        """Whether the configuration is in force and may be changed."""
        return self.at_work.is_set() and not self._draining.is_set() and not self._ended

    @property
    def readiness(self) -> Readiness:
        """Whether the daemon does what it is there for; if not, what is missing."""
        if self._ended or self._draining.is_set():
            return Readiness(ready=False, reason="the daemon is stopping")
        if self.health.trouble is not None:
            return Readiness(ready=False, reason=self.health.trouble.sentence)
        if not self.at_work.is_set():
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
        hide(self._telemetry, self.settings)
        self._telemetry.emit(DaemonStarted(__version__, len(self.settings.offices), self.settings.state.database))
        try:
            with self._life:
                async with anyio.create_task_group() as servers:
                    listen = await servers.start(self._serve) if self._listening else ""
                    servers.start_soon(keep_informed, self._pulse, self._telemetry.emit, name="heartbeat")
                    async with AsyncExitStack() as stack:
                        database = await self.health.until_it_passes(lambda: self._opened(stack), self._draining)
                        if database is not None:
                            self.pictures.database = database
                            try:
                                await self._work(database, listen, warnings)
                            finally:
                                # It is closed while the pages still answer.
                                self.pictures.database = None
                    servers.cancel_scope.cancel()
        finally:
            self._ended = True
        self._telemetry.emit(DaemonStopped(anyio.current_time() - started))

    @property
    def settings(self) -> Settings:
        """What is in force."""
        return self.configuration.settings

    @property
    def desks(self) -> Desks:
        """Who takes orders, and who shows what."""
        assert self._desks is not None, "orders are taken only while it runs"
        return self._desks

    @property
    def desk(self) -> Desk:
        """Takes most orders."""
        return self.desks.orders

    async def apply(self, settings: Settings) -> None:
        """Put settings in force that were read and checked already; offices that did not change are not touched.

        Raises:
            StoreError: The former ones stay in force.
        """
        await self.configuration.apply(settings, cause=Cause.ORDER)

    async def reload(self, cause: Cause) -> tuple[Plan, Loaded]:
        """Read the configuration again: all of it, checked, or nothing. Tells what changed.

        Raises:
            BadConfiguration: The former one stays in force.
            StoreError: The former one stays in force.
        """
        if cause is not Cause.FILES:
            systemd.reloading()
        try:
            return await self.configuration.reload(cause)
        finally:
            if self.is_at_work and cause is not Cause.FILES:
                systemd.ready()

    def drain(self, why: str = "SIGTERM") -> None:
        """End in good order: what is in flight finishes, within `drain_seconds`. Saying it twice changes nothing."""
        if not self._draining.is_set():
            self._telemetry.emit(DaemonDraining(why))
            systemd.stopping()
            self._drained_at = anyio.current_time() + self.settings.daemon.drain_seconds
            self._draining.set()

    def stop(self) -> None:
        """End at once; everything that matters is stored already."""
        self._life.cancel()

    def status(self) -> StatusDocument:
        """How the fleet stands."""
        return status_document(self.fleet.statuses(), self.fleet.now())

    def web(self) -> ASGIApp:
        """What the listener serves."""
        return create_app(
            telemetry=self._telemetry,
            fleet=self.fleet.figures,
            readiness=lambda: self.readiness,
            status=self._status,
            pages=Pages(self.pictures.pictures, self._telemetry.redact, self.fleet.now),
        )

    def _pulse(self) -> Pulse:
        """What systemd's questions are answered from."""
        return Pulse(
            at=anyio.current_time(),
            settings=self.settings,
            has_started=self.at_work.is_set(),
            drained_at=self._drained_at,
            trouble=self.health.trouble.sentence if self.health.trouble is not None else None,
            writing_since=self._database.writing_since if self._database is not None else None,
            vitals=self._crew.registry.vitals.all() if self._crew is not None else [],
            standings=[view.state.standing for view in self.fleet.views.values()],
            now=self.fleet.now(),
        )

    async def _opened(self, stack: AsyncExitStack) -> Database:
        database = await stack.enter_async_context(Database.open(self.settings.state.database, self.health.failed))
        prepared = database.prepared
        kept = None if prepared.kept is None else str(prepared.kept)
        self._telemetry.emit(StoreOpened(prepared.is_new, prepared.former_revision, kept))
        self._database = database
        return database

    async def _work(self, database: Database, listen: str, warnings: Sequence[str]) -> None:
        async with anyio.create_task_group() as tasks:
            receiver = self._receiver or receiver_from(self.settings.sftp)
            if isinstance(receiver, SftpReceiver):
                await self._receive(receiver, tasks)
            self._crew = crew = Crew(database, tasks, self._equipment(receiver))
            self.configuration.employ(crew.registry, crew.supervisor, crew.couriers)
            apply = partial(self.configuration.apply, self.settings, warnings)
            await self.health.until_it_passes(apply, self._draining)
            self._desks = desks = self._open_desks(database, crew, tasks)
            tasks.start_soon(crew.backfiller.run, name="past days")
            if self._listening and (socket := self.settings.http.control_socket) is not None:
                await tasks.start(serve_control, socket, control(desks, self._telemetry, self.fleet.figures))
            self._begin_chores(database, tasks)
            self._ready(listen)
            await self._draining.wait()
            desks.errands.errands.end()
            await crew.end()
            await self.configuration.end()
            await self._journal.settle(database)
            tasks.cancel_scope.cancel()

    async def _receive(self, receiver: SftpReceiver, tasks: anyio.abc.TaskGroup) -> None:
        try:
            fingerprint = await tasks.start(receiver.serve, name="receiver")
        except ReceiverError as error:
            raise ListenError(str(error)) from error
        self._telemetry.emit(ReceiverListening(self.settings.sftp.listen, fingerprint))

    def _equipment(self, receiver: Receiver | None) -> Equipment:
        return Equipment(
            fleet=self.fleet,
            settings=lambda: self.settings,
            emit=self._telemetry.emit,
            dice=self._dice,
            transport=self._transport,
            receiver=receiver,
            make_sink=self._make_sink,
        )

    def _open_desks(self, database: Database, crew: Crew, tasks: anyio.abc.TaskGroup) -> Desks:
        emit = self._telemetry.emit
        orders = Desk(
            crew.registry,
            self.fleet,
            reload=partial(self.reload, Cause.ORDER),
            look=self.configuration.look,
            drain=self._drain_by_order,
            closed=lambda: "" if self.is_at_work else self.readiness.reason,
            emit=emit,
        )
        return Desks(
            orders=orders,
            past_days=PastDaysDesk(orders, crew.backfiller, crew.registry, database),
            visits=Visits(orders, crew.registry, crew.api, tasks, lambda: self.settings, emit=emit),
            sinks=SinkDesk(orders, crew.couriers, database, self.fleet.now, emit),
            inspector=Inspector(database, self.fleet, self._journal, lambda: self.readiness),
            errands=ErrandDesk(
                orders,
                Errands(orders, database, tasks, emit),
                self.configuration,
                crew.backfiller,
                self.fleet,
                database,
                emit,
            ),
        )

    def _begin_chores(self, database: Database, tasks: anyio.abc.TaskGroup) -> None:
        """What goes on beside the work: the journal, looks at the database and the mornings, the housekeeping."""
        emit = self._telemetry.emit
        look_seconds = self.settings.state.look_seconds
        chores = jobs(self.settings, Household(database, self.fleet, self.health.failed, emit))
        sign = SignOfLife(lambda: self.settings.alerts, emit)
        watch = NightWatch(self.fleet, emit, sign.settled)
        tasks.start_soon(self._journal.keep, database, name="journal")
        tasks.start_soon(self.health.watch, database, look_seconds, name="store health")
        tasks.start_soon(keep_house, database, chores, self.fleet.now, emit, name="housekeeper")
        tasks.start_soon(watch.run, lambda: self.settings.alerts.look_seconds, name="night watch")
        tasks.start_soon(sign.run, name="sign of life")

    def _drain_by_order(self) -> str:
        self.drain("an order")
        return f"Requests under way end, within {self.settings.daemon.drain_seconds:g} s; then the daemon stops."

    def _ready(self, listen: str) -> None:
        if not self._draining.is_set():
            self.at_work.set()
            self._telemetry.emit(DaemonReady(listen))
            systemd.ready()

    async def _serve(self, *, task_status: anyio.abc.TaskStatus[str]) -> None:
        http = self.settings.http
        listener = partial(serve, http.host, http.port, self.web(), allowed_hosts=http.allowed_hosts)
        async with anyio.create_task_group() as tasks:
            host, port = await tasks.start(listener)
            task_status.started(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")

    async def _status(self) -> StatusDocument:
        return self.status()
