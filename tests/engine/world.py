"""What a test sees of a night: the simulated world, the daemon in it, what the daemon said and what it asked."""

import asyncio
import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Literal

import anyio
import anyio.abc
import anyio.lowlevel

from oddaemon.core.failures.failure import FailureKind
from oddaemon.core.model import Balance, Condition, Include, OfficeSpec, Owner, PublishedSnapshot, Reader, Status
from oddaemon.core.office.state import OfficeState
from oddaemon.core.office.status import to_sentence
from oddaemon.daemon.daemon import Daemon
from oddaemon.daemon.services import Services
from oddaemon.engine.config.active_config import ReloadTrigger
from oddaemon.engine.delivery.courier_pool import SinkFactory
from oddaemon.settings import Settings
from oddaemon.simulator.api.keys import Mode
from oddaemon.simulator.api.messages import Endpoint
from oddaemon.simulator.headquarters.headquarters import Headquarters
from oddaemon.simulator.headquarters.traffic_log import RecordedRequest, find_violations
from oddaemon.simulator.model.balances import TrueBalance
from oddaemon.simulator.model.world_clock import WorldClock
from oddaemon.simulator.practice.practice import Practice
from oddaemon.store import snapshots
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.telemetry.events import OutboxSize, RequestStarted, StoreMeasured
from oddaemon.telemetry.events.base import Event, Level
from oddaemon.telemetry.telemetry import Telemetry
from tests.engine.request_recorder import CUSTOMER_KEY_PREFIX, InjectedCrash, RequestRecorder, SentStatement
from tests.engine.upload_network import UploadNetwork

TWO_DAYS = timedelta(days=2)
POLL_SECONDS = 600.0


@dataclass
class World:
    """One night and everything in it."""

    clock: WorldClock
    headquarters: Headquarters
    settings: Settings
    tasks: anyio.abc.TaskGroup
    make_sink: SinkFactory | None = None
    upload_network: UploadNetwork | None = None
    """Where the daemon receives what offices upload."""
    lines: list[dict[str, Any]] = field(default_factory=list)
    statements_sent: list[SentStatement] = field(default_factory=list)
    """Every statement that was sent, by whichever daemon."""
    injected_crashes: Counter[str] = field(default_factory=Counter)
    """How many requests of an office end in a programmer's error."""
    reported: dict[int, list[TrueBalance]] = field(default_factory=dict)
    """What the aging report said when a snapshot that was read from it was published: it is made again each time."""
    leaked_tasks: list[str] = field(default_factory=list)
    """Tasks that outlived their daemon."""
    on_line: Callable[[dict[str, Any]], None] = lambda _: None
    level: Level = Level.DEBUG
    """Of the quietest line that the daemon writes."""
    daemon_clock_offset: timedelta = timedelta()
    """By how much the clock of the daemon's own machine is wrong; it may be stepped at any time."""
    _events: defaultdict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    """The same by event and office."""
    _wanted: set[OfficeSpec] = field(default_factory=set)
    _daemon: Daemon | None = None
    _telemetry: Telemetry | None = None
    _scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    _ended: anyio.Event = field(default_factory=anyio.Event)
    _changed: anyio.Event = field(default_factory=anyio.Event)

    def get_daemon_now(self) -> datetime:
        """What the clock of the daemon's machine says."""
        return self.clock.now() + self.daemon_clock_offset

    # --- the daemon's life --------------------------------------------------------------------------------------------

    async def start(self, settings: Settings | None = None) -> None:
        """Start a daemon and wait until it is ready; its predecessor must be gone."""
        self.set_wanted(settings or self.settings)
        self._telemetry = Telemetry(write=self._write, now=self.get_daemon_now, version="test", level=self.level)
        self._daemon = Daemon(
            self.settings,
            self._telemetry,
            self.get_daemon_now,
            transport=partial(RequestRecorder, self.headquarters, self.statements_sent),
            rng=random.Random(7),
            listening=False,
            make_sink=self.make_sink,
            receiver=self.upload_network,
        )
        self._telemetry.subscribe(self._crash_on_event)
        self._scope, self._ended = anyio.CancelScope(), anyio.Event()
        self.tasks.start_soon(self._run_daemon, self._daemon, self._scope, self._ended)
        await self.wait_until(lambda: self.daemon.readiness.ready or not self.is_running)

    def _crash_on_event(self, event: Event) -> None:
        """A programmer's error of ours: what a server sends can cause none."""
        match event:
            case RequestStarted(office=name) | OutboxSize(sink=name) if self.injected_crashes[name] > 0:
                self.injected_crashes[name] -= 1
                raise InjectedCrash(f"with {CUSTOMER_KEY_PREFIX}{name}")
            case StoreMeasured() if self.injected_crashes["store health"] > 0:
                self.injected_crashes["store health"] -= 1
                raise InjectedCrash

    async def apply(self, settings: Settings) -> None:
        """What a reload does."""
        self.set_wanted(settings)
        await self.daemon.configuration.apply(settings, trigger=ReloadTrigger.COMMAND)

    def set_wanted(self, settings: Settings) -> None:
        """From now on this is wanted, too."""
        self.settings = settings
        self._wanted |= {each.spec for each in settings.offices.values()}

    async def _run_daemon(self, daemon: Daemon, scope: anyio.CancelScope, ended: anyio.Event) -> None:
        before = asyncio.all_tasks()
        try:
            with scope:
                await daemon.run()
        finally:
            names = [task.get_name() for task in asyncio.all_tasks() - before if not task.done()]
            self.leaked_tasks += [name for name in names if not name.startswith(("tests.", "oddaemon.simulator."))]
            ended.set()
            self._changed.set()

    @property
    def daemon(self) -> Daemon:
        assert self._daemon is not None, "no daemon was started"
        return self._daemon

    @property
    def services(self) -> Services:
        """Who is at work in it."""
        assert self.daemon._services is not None, "it is not at work"
        return self.daemon._services

    @property
    def database(self) -> SqliteDatabase:
        """The daemon's own connection."""
        assert self.daemon._database is not None, "it was not opened"
        assert isinstance(self.daemon._database, SqliteDatabase)
        return self.daemon._database

    @property
    def is_running(self) -> bool:
        return self._daemon is not None and not self._ended.is_set()

    def kill(self) -> None:
        """From now on the daemon does nothing more."""
        self._scope.cancel()

    async def crash(self) -> None:
        """The daemon is gone in the middle of whatever it did."""
        self.kill()
        await self.wait_ended()

    async def drain(self) -> None:
        self.daemon.drain()
        await self.wait_ended()

    async def stop(self) -> None:
        self.daemon.stop()
        await self.wait_ended()

    async def wait_ended(self) -> None:
        await self._ended.wait()

    def render_metrics(self) -> str:
        """What a scrape would bring."""
        assert self._telemetry is not None, "no daemon was started"
        return self._telemetry.render(self.daemon.fleet.get_statuses()).body.decode()

    # --- time passes --------------------------------------------------------------------------------------------------

    async def wait_until(self, reached: Callable[[], bool], within: timedelta = TWO_DAYS) -> None:
        """Let time pass until this holds: looked at with every line of the log, and every now and then."""
        with anyio.fail_after(within.total_seconds()):
            while not reached():
                self._changed = anyio.Event()
                with anyio.move_on_after(POLL_SECONDS):
                    await self._changed.wait()

    async def wait_for_condition(
        self, condition: Condition, office_id: str = "smile", within: timedelta = TWO_DAYS
    ) -> None:
        await self.wait_until(lambda: self.get_condition(office_id) is condition, within)

    async def wait_for_snapshots(self, count: int, office_id: str = "smile", within: timedelta = TWO_DAYS) -> None:
        await self.wait_until(lambda: len(self.list_published(office_id)) >= count, within)

    async def wait_for_event(self, event: str, count: int = 1, office_id: str = "smile") -> None:
        await self.wait_until(lambda: len(self.find_events(event, office_id)) >= count)

    async def sleep_until(self, instant: datetime) -> None:
        await self.clock.sleep_until(instant)

    # --- what can be seen ---------------------------------------------------------------------------------------------

    async def wait_for_lines(self, lines: int, steps: int) -> None:
        """Return `steps` turns of the event loop after the next `lines` lines of the daemon."""
        left, reached = lines, anyio.Event()

        def count_line(_: dict[str, Any]) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                reached.set()

        self.on_line = count_line
        await reached.wait()
        for _ in range(steps):
            await anyio.lowlevel.checkpoint()
        self.on_line = lambda _: None

    def get_practice(self, office_id: str = "smile") -> Practice:
        return self.headquarters.practices[office_id]

    def get_state(self, office_id: str = "smile") -> OfficeState:
        return self.daemon.fleet.offices[office_id].state

    def get_status(self, office_id: str = "smile") -> Status:
        return self.get_state(office_id).standing.evaluate_at(self.get_daemon_now())

    def get_condition(self, office_id: str = "smile") -> Condition:
        return self.get_status(office_id).condition

    def assert_explained(
        self, condition: Condition, owner: Owner | None, *facts: str | FailureKind, office_id: str = "smile"
    ) -> bool:
        """Assert the status, and that its reason holds each fact: a text, or the meaning of a kind of failure."""
        status = self.get_status(office_id)
        assert (status.condition, status.owner) == (condition, owner), status
        for fact in facts:
            text = fact.meaning if isinstance(fact, FailureKind) else fact
            assert text in status.reason or to_sentence(text).rstrip(".") in status.reason, status
        assert status.reason.endswith((".", "…", "!")), status
        assert status.advice or owner is None, status
        assert status.next_action or condition is Condition.PAUSED, status
        return True

    def find_events(self, name: str, office_id: str = "smile") -> list[dict[str, Any]]:
        """What was said of an office, or of none."""
        return self._events[name, office_id] + self._events[name, ""]

    def list_published(self, office_id: str = "smile") -> list[dict[str, Any]]:
        return self.find_events("snapshot_published", office_id)

    def list_failure_kinds(self, office_id: str = "smile") -> list[str]:
        return [line["kind"] for line in self.find_events("failure_seen", office_id)]

    def list_statements(self, office_id: str = "smile", since: datetime | None = None) -> list[SentStatement]:
        """What was asked of an office's database."""
        return [
            each for each in self.statements_sent if each.office_id == office_id and (since is None or each.at >= since)
        ]

    def list_requests(self, office_id: str = "smile", since: datetime | None = None) -> list[RecordedRequest]:
        """What was asked with an office's key, answered or cut short."""
        return [
            each
            for each in self.headquarters.traffic
            if each.office_id == office_id and (since is None or each.arrived >= since)
        ]

    def list_request_kinds(self, office_id: str = "smile", since: datetime | None = None) -> list[Endpoint]:
        return [each.kind for each in self.list_requests(office_id, since)]

    async def read_history(self, office_id: str = "smile") -> list[PublishedSnapshot]:
        """Everything published of an office, oldest first."""
        async with SqliteDatabase.open_for_reading(self.settings.state.database_url.reveal()) as database:
            return (await snapshots.list_latest(database, office_id, limit=1000))[::-1]

    async def read_balances(self, office_id: str = "smile") -> list[Balance]:
        """What is published now."""
        async with SqliteDatabase.open_for_reading(self.settings.state.database_url.reveal()) as database:
            return await snapshots.load_balances(database, office_id)

    async def is_true(self, office_id: str = "smile") -> bool:
        """Whether what is published was the office's table at some instant."""
        return self.was_true(await self.read_balances(office_id), office_id)

    def was_true(self, balances: Sequence[Balance], office_id: str) -> bool:
        """Whether an office's table ever was so, as seen through anything that was ever wanted of it."""
        stored = [TrueBalance._make(balance) for balance in balances]
        scopes = {(each.include, each.clinics) for each in self._wanted if each.id == office_id}
        return any(self._was_true(office_id, stored, *scope) for scope in scopes)

    def _read_report(self, office_id: str, as_of: date) -> list[TrueBalance]:
        """What the aging report of a day says now to a request with the office's filter."""
        (office,) = (each.spec for each in self.settings.offices.values() if each.spec.id == office_id)
        lines = self.get_practice(office_id).get_aging_report(as_of, office.clinics)
        found = sorted(line.to_true_balance(with_clinic=bool(office.clinics)) for line in lines)
        return [each for each in found if office.include is Include.ALL or max(each[2:]) > 0]

    def _was_true(self, office_id: str, stored: list[TrueBalance], include: Include, clinics: tuple[int, ...]) -> bool:
        shown: Literal["all", "debts"] = "debts" if include is Include.DEBTS else "all"
        return (
            self.get_practice(office_id).balances.find_true_interval(stored, include=shown, clinics=clinics) is not None
        )

    def find_violations(self) -> list[str]:
        """What was impolite; the caps over all hold for what goes through headquarters."""
        api = self.settings.api
        longest_seconds = max((each.cadence.retry_after_max_seconds for each in self._wanted), default=0.0)
        near = {each.office_id for each in self.headquarters.keys if each.mode is Mode.LOCAL}
        far = [each for each in self.headquarters.traffic if each.office_id not in near]
        found = find_violations(
            far,
            max_in_flight=api.max_in_flight,
            max_requests_per_second=api.max_requests_per_second,
            retry_after_max_seconds=longest_seconds,
        )
        for office_id in near:
            found += find_violations(self.list_requests(office_id), retry_after_max_seconds=longest_seconds)
        return [str(violation) for violation in found]

    def _write(self, line: str) -> None:
        event = json.loads(line)
        self.lines.append(event)
        if event["event"] == "snapshot_published" and event["reader"] == Reader.REPORT:
            as_of = date.fromisoformat(event["aging_date"])
            self.reported[event["snapshot_id"]] = self._read_report(event["office"], as_of)
        self._events[event["event"], event.get("office", "")].append(event)
        self._changed.set()
        self.on_line(event)
