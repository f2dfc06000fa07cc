"""Turns an office's settings into a worker at its office."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import anyio

from oddaemon.core.model import Cadence, Condition, Office, Owner, Plausibility
from oddaemon.core.morning import known_since
from oddaemon.core.office import new_state
from oddaemon.core.standing import stand
from oddaemon.core.state import Order, SyncOrdered, Wish
from oddaemon.engine.fleet import Fleet, OfficeView, published_snapshot
from oddaemon.engine.heartbeat import Vitals
from oddaemon.engine.outbox import Outbox
from oddaemon.engine.reporter import Reporter
from oddaemon.engine.worker import Surroundings, Worker
from oddaemon.opendental.client import Access, Api, OfficeApi
from oddaemon.opendental.keys import KeyRing
from oddaemon.receiver import Receiver
from oddaemon.settings import OfficeSettings, Secret, Settings
from oddaemon.store import offices
from oddaemon.store.database import Database
from oddaemon.store.errors import StoreError
from oddaemon.store.offices import OfficeRow
from oddaemon.store.wanted import record
from oddaemon.telemetry.event import Event


@dataclass(frozen=True, slots=True)
class Employment:
    """Everything a worker's behaviour hangs on: while it stays equal, a reload leaves the worker alone."""

    office: OfficeSettings
    cadence: Cadence
    plausibility: Plausibility
    developer_key: Secret


def employments(settings: Settings) -> dict[str, Employment]:
    """The wanted offices by id, disabled ones included: they are shown as paused.

    What an office is only shown by is left out, and where it is written: another name disturbs no worker, nor does a
    tier that leaves spacing and reader as they are.
    """
    key = settings.api.developer_key
    return {
        each.office.id: Employment(_for_work(each), settings.cadence, settings.plausibility, key)
        for each in settings.offices
    }


def _for_work(settings: OfficeSettings) -> OfficeSettings:
    return replace(settings, office=replace(settings.office, name="", labels=()), source=Path(), tier="")


class Registry:
    """Makes workers, and the view that everybody else has of each."""

    def __init__(
        self,
        database: Database,
        api: Api,
        fleet: Fleet,
        emit: Callable[[Event], None],
        dice: random.Random,
        *,
        outbox: Outbox,
        receiver: Receiver | None,
        key_change_seconds: float,
    ) -> None:
        self._database = database
        self._api = api
        self._fleet = fleet
        self._emit = emit
        self.vitals = Vitals()
        self._around = Surroundings(database, api.gate, fleet.now, dice, self.vitals, outbox, receiver)
        self._key_change_seconds = key_change_seconds
        self._keys: dict[str, KeyRing] = {}
        self._apis: dict[str, OfficeApi] = {}
        self._workers: dict[str, Worker] = {}
        self._unobeyed: dict[str, list[Order]] = {}
        """Orders whose worker ended before it came to them: the next one does."""

    async def remembered(self) -> dict[str, OfficeRow]:
        """What the database knows of each office."""
        return {row.id: row for row in await offices.standings(self._database)}

    async def record(self, wanted: Sequence[Office], sinks: Mapping[str, Sequence[str]]) -> None:
        """Make the database know which offices are wanted, and which go to which sink.

        Raises:
            StoreError: It knows nothing of it.
        """
        await record(self._database, wanted, sinks, self._fleet.now())

    def show(self, wanted: Sequence[Office], rows: Mapping[str, OfficeRow]) -> None:
        """Make the wanted offices known to the fleet, new ones as they are remembered; forget the others' views."""
        views: dict[str, OfficeView] = {}
        for office in wanted:
            row, view = rows.get(office.id), self._fleet.views.get(office.id)
            if view is None:
                state = row.state if row and row.state else new_state(self._fleet.now())
                snapshot = published_snapshot(row.snapshot) if row and row.snapshot else None
                # Of an office that comes back nothing was expected meanwhile.
                since = known_since(state) if row is None or row.wanted else self._fleet.now()
                view = OfficeView(office, state, snapshot, since)
            view.office = office
            views[office.id] = view
        self._fleet.views = views
        self._keys = {office_id: ring for office_id, ring in self._keys.items() if office_id in views}
        self._apis = {office_id: api for office_id, api in self._apis.items() if office_id in views}
        self._unobeyed = {office_id: orders for office_id, orders in self._unobeyed.items() if office_id in views}

    def settle(self, wanted: Sequence[OfficeSettings]) -> None:
        """All who work do so for these: what is known of a headquarters that none of them asks is forgotten."""
        self._api.ask_only({office.base_url for office in wanted if office.remote})

    async def work(self, office_id: str, employment: Employment) -> None:
        """Watch one office until cancelled or the gate closes."""
        settings = employment.office
        wish = Wish(settings.office, employment.cadence, employment.plausibility)
        access = Access(
            office_id=office_id,
            base_url=settings.base_url,
            developer_key=employment.developer_key.reveal(),
            keys=self._ring(office_id, settings.customer_key.reveal()),
            min_interval_seconds=settings.min_interval_seconds,
            remote=settings.remote,
        )
        reporter = Reporter(wish, self._fleet.views[office_id], self._emit)
        self._apis[office_id] = api = self._api.office(access, self._apis.get(office_id))
        self._workers[office_id] = worker = Worker(wish, api, reporter, self._around)
        if access.keys.is_changing(anyio.current_time()):
            # Whoever changed a key wants to know whether it works, not at the office's next turn.
            worker.tell(SyncOrdered())
        else:
            self._fleet.views[office_id].key_trial = None
        for order in self._unobeyed.pop(office_id, ()):
            worker.tell(order)
        try:
            await worker.run()
        finally:
            self._unobeyed[office_id] = list(worker.orders)
            if self._workers.get(office_id) is worker:
                del self._workers[office_id]
                self.vitals.gone(office_id)

    def _ring(self, office_id: str, key: str) -> KeyRing:
        """The office's keys, of which the former is remembered in memory only: no key ever enters the database."""
        ring = self._keys.get(office_id) or KeyRing(key)
        if ring.current != key:
            ring = ring.changed(key, anyio.current_time() + self._key_change_seconds)
        self._keys[office_id] = ring
        return ring

    def worker_of(self, office_id: str) -> Worker | None:
        """Who is at work at the office now."""
        return self._workers.get(office_id)

    async def quarantine(self, office_id: str) -> None:
        """Show an office whose worker crashed too often as blocked, and by whom."""
        view, now = self._fleet.views.get(office_id), self._fleet.now()
        if view is None:
            # A reload has taken it out meanwhile, and is about to end its worker.
            return
        standing = stand(
            view.state.standing,
            now,
            Condition.BLOCKED,
            "An error in oddaemon itself ended this office's worker too often.",
            owner=Owner.US,
            advice="Report the event `worker_crashed` from the log to us; a restart tries again.",
        )
        standing = replace(standing, next_action="waits for a reload or a restart")
        view.state = replace(view.state, standing=standing)
        try:
            await offices.save_state(self._database, office_id, view.state)
        except StoreError:
            return
