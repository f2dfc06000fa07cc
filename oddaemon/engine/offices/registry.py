"""Creates the workers from the offices' settings, and keeps what survives a worker."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from oddaemon.core.model import Condition, OfficeSpec, Owner
from oddaemon.core.office.machine import make_initial_state
from oddaemon.core.office.state import OfficeCommand
from oddaemon.core.office.status import make_status
from oddaemon.core.reporting.deadlines import get_known_since
from oddaemon.engine.delivery.routes import DeliveryRoutes
from oddaemon.engine.offices.activity import ActivityBoard
from oddaemon.engine.offices.fleet_state import FleetState, OfficeRuntime
from oddaemon.engine.offices.transition_events import OfficeEventEmitter
from oddaemon.engine.offices.worker import Worker, WorkerContext
from oddaemon.opendental.client import Api, OfficeApi
from oddaemon.settings import OfficeSettings
from oddaemon.sftp.upload_slot import UploadReceiver
from oddaemon.store import offices
from oddaemon.store.database import Database
from oddaemon.store.errors import StoreError
from oddaemon.store.offices import OfficeRow, save_config
from oddaemon.telemetry.events import OfficeQuarantined
from oddaemon.telemetry.events.base import Event


@dataclass(slots=True)
class _OfficeRecord:
    """What survives the workers of an office, in memory only: no key ever enters the database."""

    api: OfficeApi | None = None
    worker: Worker | None = None
    """The running one."""
    pending_commands: tuple[OfficeCommand, ...] = ()
    """Commands that a worker ended without executing; the next worker executes them."""


class Registry:
    """Creates and runs the workers."""

    def __init__(
        self,
        database: Database,
        api: Api,
        fleet: FleetState,
        emit: Callable[[Event], None],
        rng: random.Random,
        *,
        routes: DeliveryRoutes,
        receiver: UploadReceiver | None,
    ) -> None:
        self._database = database
        self._api = api
        self._fleet = fleet
        self._emit = emit
        self.activity = ActivityBoard()
        self._context = WorkerContext(database, api.rate_limiter, fleet.now, rng, self.activity, routes, receiver)
        self._records: dict[str, _OfficeRecord] = {}

    async def load_offices(self) -> dict[str, OfficeRow]:
        """The stored offices by id."""
        return {row.id: row for row in await offices.list_all(self._database)}

    async def save_offices(self, wanted: Sequence[OfficeSpec], sinks: Mapping[str, Sequence[str]]) -> None:
        """Store which offices are configured, and which sinks they go to.

        Raises:
            StoreError: Nothing was stored.
        """
        await save_config(self._database, wanted, sinks, self._fleet.now())

    def update_fleet(self, wanted: Sequence[OfficeSpec], rows: Mapping[str, OfficeRow]) -> None:
        """Make the fleet consist of the configured offices, new ones with their stored state."""
        runtimes: dict[str, OfficeRuntime] = {}
        for office in wanted:
            row, runtime = rows.get(office.id), self._fleet.offices.get(office.id)
            if runtime is None:
                state = row.state if row and row.state else make_initial_state(self._fleet.now())
                # Nothing was expected of an office while it was not configured.
                since = get_known_since(state) if row is None or row.is_configured else self._fleet.now()
                runtime = OfficeRuntime(office, state, row.snapshot if row else None, since)
            runtime.spec = office
            runtimes[office.id] = runtime
        self._fleet.offices = runtimes
        self._records = {office_id: each for office_id, each in self._records.items() if office_id in runtimes}

    def forget_unused_headquarters(self, wanted: Sequence[OfficeSettings]) -> None:
        """Drop the circuit breakers of headquarters that no office uses any more."""
        self._api.retain_circuit_breakers({office.base_url for office in wanted if office.remote})

    async def run_worker(self, office_id: str, settings: OfficeSettings) -> None:
        """Monitor one office until cancelled.

        Raises:
            ShuttingDown: The daemon is stopping.
        """
        record = self._records.setdefault(office_id, _OfficeRecord())
        emitter = OfficeEventEmitter(settings.spec, self._fleet.offices[office_id], self._emit)
        record.api = self._api.make_office_api(settings, record.api)
        record.worker = worker = Worker(settings.spec, record.api, emitter, self._context)
        if record.api.previous_key_time_left:
            # Try a new key at once, so that the operator sees whether it works.
            worker.submit(OfficeCommand.SYNC)
        else:
            self._fleet.offices[office_id].key_rotation = None
        for command in record.pending_commands:
            worker.submit(command)
        try:
            await worker.run()
        finally:
            record.pending_commands = tuple(worker.commands)
            record.worker = None
            self.activity.remove(office_id)

    def get_worker(self, office_id: str) -> Worker | None:
        """The running worker of an office."""
        record = self._records.get(office_id)
        return None if record is None else record.worker

    async def quarantine(self, office_id: str) -> None:
        """Show an office whose worker crashed too often as blocked by us."""
        self._emit(OfficeQuarantined(office_id))
        runtime, now = self._fleet.offices.get(office_id), self._fleet.now()
        if runtime is None:
            # A reload has removed the office and is about to end its worker.
            return
        status = make_status(
            runtime.state.standing,
            now,
            Condition.BLOCKED,
            "The worker of this office crashed too often, a bug in oddaemon.",
            owner=Owner.US,
            advice="Report the event `worker_crashed` of the log to us. `oddaemon reload` or a restart tries again.",
        )
        status = replace(status, next_action="waits for a reload or a restart")
        runtime.state = replace(runtime.state, standing=status)
        try:
            await offices.save_state(self._database, office_id, runtime.state)
        except StoreError:
            return
