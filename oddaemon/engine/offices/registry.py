"""Creates and runs the workers of the configured offices, one guarded task each, and keeps what survives a worker."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import anyio
import anyio.abc
import anyio.lowlevel

from oddaemon.core.fleet.lease import LeaseKind, LeaseLost
from oddaemon.core.model import OfficeSpec
from oddaemon.core.office.machine import make_initial_state
from oddaemon.core.office.state import OfficeCommand
from oddaemon.core.office.transition import quarantine
from oddaemon.core.reporting.deadlines import get_known_since
from oddaemon.core.reporting.office_runtime import OfficeRuntime
from oddaemon.core.stall_detection import WorkerActivity
from oddaemon.engine.context import EngineContext
from oddaemon.engine.delivery.courier_pool import CourierPool
from oddaemon.engine.offices.crash_groups import CrashGroups
from oddaemon.engine.offices.fleet_state import FleetState
from oddaemon.engine.offices.transition_events import OfficeEventEmitter
from oddaemon.engine.offices.worker import ReadState, Worker
from oddaemon.engine.tasks import CANCELLED, STOPPING, CrashBudget, TaskEvents, TaskSupervisor
from oddaemon.opendental.client import Api, OfficeApi
from oddaemon.settings import OfficeSettings
from oddaemon.store import offices
from oddaemon.store.errors import StoreError, make_left_error
from oddaemon.store.offices import OfficeRow
from oddaemon.telemetry.events import (
    OfficeQuarantined,
    OfficeStarted,
    OfficeStopped,
    RequestFinished,
    RequestStarted,
    WorkerCrashed,
)
from oddaemon.telemetry.events.base import Event
from oddaemon.telemetry.logging.traceback import format_traceback

OFFICES_PER_SLICE = 500
"""Between two of them all other tasks get their turn: the states of thousands at once would stop the event loop."""


class Registry:
    """The workers of one daemon. An office whose worker crashes too often is quarantined for a while.

    Args:
        tasks: The task group in which the workers run.
        context: What the workers share.
        fleet: The offices' present state.
        api: Sends their requests.
        couriers: Deliver their snapshots.
        budget: How often each worker may be restarted.
    """

    def __init__(
        self,
        tasks: anyio.abc.TaskGroup,
        context: EngineContext,
        fleet: FleetState,
        api: Api,
        couriers: CourierPool,
        *,
        budget: CrashBudget,
    ) -> None:
        self._context = context
        self._database = context.database
        self._api = api
        self._couriers = couriers
        self._fleet = fleet
        self._emit = emit = context.emit
        self._wanted: Mapping[str, OfficeSettings] = {}
        self._workers: dict[str, Worker] = {}
        """The running ones."""
        self._apis: dict[str, OfficeApi] = {}
        """Each survives the workers of its office, in memory only: no key ever enters the database."""
        self._apply_lock = anyio.Lock()
        self._starting_with_daemon: set[str] = set()
        """The offices of the daemon's start whose worker has not started yet."""
        self._just_read: dict[str, ReadState] = {}
        """What is stored of each office that is held and has had no worker since that was read."""
        self._crash_groups = CrashGroups(emit)
        events = TaskEvents(
            started=self._make_start_event,
            stopped=lambda office, reason, _: OfficeStopped(office, reason, reason in (STOPPING, CANCELLED)),
            crashed=self._make_crash_event,
        )
        self._supervisor = TaskSupervisor(
            tasks,
            "office",
            self._run_worker,
            events=events,
            emit=emit,
            budget=budget,
            on_quarantine=self.quarantine,
            sleep=context.rate_limiter.sleep,
        )

    async def save(self, names: Mapping[str, str], sinks: Mapping[str, Sequence[str]]) -> dict[str, OfficeRow]:
        """Store which offices are configured, and the offices of each sink. Returns what was stored of each office.

        Args:
            names: The name of each configured office, by its id.
            sinks: The ids of the offices of each sink.

        Raises:
            StoreError: Nothing was stored.
        """
        rows = {row.id: row for row in await offices.list_all(self._database)}
        if self._context.holder.is_shared:
            # What no host has any more is removed once all agree; a sink's outbox is its holder's.
            try:
                await offices.add(self._database, names)
            except LeaseLost:
                raise make_left_error(self._database.where) from None
        else:
            await offices.save_config(self._database, names, sinks, self._fleet.now())
        return rows

    async def apply(
        self, wanted: Mapping[str, OfficeSettings], changed: Collection[str], rows: Mapping[str, OfficeRow]
    ) -> None:
        """Run a worker for each configured office and no others; new offices continue from their stored state.

        Args:
            wanted: The settings of each configured office, by its id.
            changed: The offices whose workers must start again.
            rows: What was stored of each office before.
        """
        runtimes: dict[str, OfficeRuntime] = {}
        if not self._wanted:
            self._starting_with_daemon = {each for each in wanted if self._holds(each)}
        for number, (office_id, settings) in enumerate(wanted.items(), start=1):
            if number % OFFICES_PER_SLICE == 0:
                await anyio.lowlevel.checkpoint()
            known = self._fleet.offices.get(office_id)
            runtimes[office_id] = known or self._make_runtime(settings.spec, rows.get(office_id))
            if known is None and not self._context.holder.is_shared:
                self._keep_read(rows, [office_id])
            runtimes[office_id].spec = settings.spec
        self._fleet.offices, self._wanted = runtimes, wanted
        await self._run_held(changed)
        self._apis = {office_id: api for office_id, api in self._apis.items() if office_id in wanted}
        self._api.retain_circuit_breakers(
            {each.credentials.base_url for each in wanted.values() if each.credentials.remote}
        )

    def is_idle(self, office_id: str) -> bool:
        """Whether the office can be left without cutting off a request."""
        api, runtime = self._apis.get(office_id), self._fleet.offices.get(office_id)
        return (api is None or api.context.key_limiter.is_idle) and not (runtime and runtime.commands)

    async def follow_leases(self) -> None:
        """Run a worker for each configured office that this daemon holds, and no others.

        Raises:
            StoreError: What another host stored of an office cannot be read; nothing was started.
        """
        missing = [each for each in self._wanted if self._holds(each) and each not in self._supervisor.keys]
        if missing:
            rows = {row.id: row for row in await offices.list_some(self._database, missing)}
            self.show_stored(rows, missing)
            self._keep_read(rows, missing)
        if missing or any(not self._holds(each) for each in self._supervisor.keys):
            await self._run_held((), ends_quarantines=False)

    def show_stored(self, rows: Mapping[str, OfficeRow], office_ids: Collection[str]) -> None:
        """Show these offices as they were stored: another host works for them, or did until now."""
        for office_id in office_ids:
            runtime, row = self._fleet.offices.get(office_id), rows.get(office_id)
            if runtime is not None and row is not None and row.state is not None:
                runtime.state, runtime.snapshot = row.state, row.snapshot

    def _keep_read(self, rows: Mapping[str, OfficeRow], office_ids: Iterable[str]) -> None:
        """Have the workers of these offices begin with what was just read: no other host can have written since."""
        for office_id in office_ids:
            row = rows.get(office_id)
            self._just_read[office_id] = ReadState(None if row is None else row.state)

    def list_elsewhere(self) -> list[str]:
        """The configured offices that this daemon does not hold."""
        return [office_id for office_id in self._wanted if not self._holds(office_id)]

    def _holds(self, office_id: str) -> bool:
        return self._context.holder.holds(LeaseKind.OFFICE, office_id)

    async def _run_held(self, changed: Collection[str], *, ends_quarantines: bool = True) -> None:
        async with self._apply_lock:
            held = [each for each in self._wanted if self._holds(each)]
            self._just_read = {each: self._just_read[each] for each in held if each in self._just_read}
            await self._supervisor.apply(held, changed, ends_quarantines=ends_quarantines)
        if self._context.holder.is_shared:
            for office_id in self.list_elsewhere():
                # They are stored, and the next holder carries them out.
                self._fleet.offices[office_id].commands.clear()

    async def wait_stopped(self) -> None:
        """Wait until no worker is running; closing the rate limiter ends them."""
        await self._supervisor.wait_stopped()

    def observe(self, event: Event) -> None:
        """A request started or finished, or a key rotation progressed."""
        if isinstance(event, RequestStarted | RequestFinished) and (worker := self.get_worker(event.office)):
            is_start = isinstance(event, RequestStarted)
            worker.activity = worker.activity.record_request(anyio.current_time(), has_started=is_start)

    def list_activities(self) -> list[WorkerActivity]:
        """What every running worker does."""
        return [worker.activity for worker in self._workers.values()]

    def _make_runtime(self, spec: OfficeSpec, row: OfficeRow | None) -> OfficeRuntime:
        state = row.state if row and row.state else make_initial_state(self._fleet.now())
        # Nothing was expected of an office while it was not configured.
        since = get_known_since(state) if row is None or row.is_configured else self._fleet.now()
        return OfficeRuntime(spec, state, since, row.snapshot if row else None)

    async def _run_worker(self, office_id: str) -> None:
        """Monitor one office until cancelled.

        Raises:
            ShuttingDown: The daemon is stopping.
            LeaseLost: Another host has the office now.
        """
        holder = self._context.holder
        runtime, credentials = self._fleet.offices[office_id], self._wanted[office_id].credentials
        runtime.is_quarantined = False
        permit = holder.make_permit(office_id, credentials.min_interval_seconds)
        self._apis[office_id] = api = self._api.make_office_api(credentials, self._apis.get(office_id), permit)
        emitter = OfficeEventEmitter(runtime, self._emit)
        context = replace(self._context, database=holder.get_database(LeaseKind.OFFICE, office_id))
        just_read = self._just_read.pop(office_id, None)
        self._workers[office_id] = worker = Worker(api, emitter, context, self._couriers, just_read)
        if api.previous_key_time_left:
            # Try a new key at once, so that the operator sees whether it works.
            worker.submit(OfficeCommand.SYNC)
        else:
            runtime.key_rotation = None
        try:
            await worker.run()
        finally:
            del self._workers[office_id]

    def get_worker(self, office_id: str) -> Worker | None:
        """The running worker of an office."""
        return self._workers.get(office_id)

    def _make_start_event(self, office_id: str) -> Event:
        is_shared = office_id in self._starting_with_daemon
        self._starting_with_daemon.discard(office_id)
        return OfficeStarted(office_id, is_shared)

    def _make_crash_event(self, office_id: str, error: Exception, restarts_left: int) -> Event:
        is_shared = self._crash_groups.record_crash(office_id, error)
        traceback = "" if is_shared else format_traceback(error)
        return WorkerCrashed(office_id, type(error).__name__, restarts_left, traceback, is_shared)

    async def quarantine(self, office_id: str, error: Exception, seconds: float) -> None:
        """Show an office whose worker crashed too often as blocked by us, until it is started again."""
        now = self._fleet.now()
        until = now + timedelta(seconds=seconds)
        self._emit(OfficeQuarantined(office_id, until, self._crash_groups.record_crash(office_id, error)))
        runtime = self._fleet.offices.get(office_id)
        if runtime is None:
            # A reload has removed the office and is about to end its worker.
            return
        runtime.state, runtime.is_quarantined = quarantine(runtime.state, now, until), True
        # Without it a restart of the daemon shows the previous state until the worker has taken its first turn.
        with suppress(StoreError):
            database = self._context.holder.get_database(LeaseKind.OFFICE, office_id)
            await offices.save_state(database, office_id, runtime.state)
