"""Checks whether each night's balances arrive by their deadlines, and reports it, success included.

Each miss and each night is reported once. A restart may report the last night again, but never omits it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Protocol

import anyio
import anyio.lowlevel

from oddaemon.core.reporting.deadlines import (
    DeadlineOutcome,
    FleetNight,
    count_missed_nights,
    find_next_deadline,
    summarize_night,
)
from oddaemon.core.reporting.office_runtime import OfficeRuntime
from oddaemon.engine.offices.fleet_state import FleetState
from oddaemon.store.errors import StoreError
from oddaemon.telemetry.events import DeadlineMissed, DeadlineRecovered, NightComplete, NightMissed, NightRecovered
from oddaemon.telemetry.events.base import Event

OFFICES_PER_SLICE = 100
"""Checked at once before the event loop runs other tasks."""
RECALL_SECONDS = 5.0
"""Between two attempts to read what was reported."""
OFFICES_NAMED_MAX = 20
"""In one log line; the status page names them all."""

NightResult = NightComplete | NightMissed | NightRecovered


@dataclass(frozen=True, slots=True)
class ReportedMiss:
    """A reported miss of one office."""

    nights: int
    aging_date: date | None
    """Of the last snapshot at that time."""


@dataclass(frozen=True, slots=True)
class ReportedNights:
    """What was reported so far."""

    misses: Mapping[str, ReportedMiss] = field(default_factory=dict)
    """The present ones, by office."""
    last_reported: date | None = None
    """The newest reported night."""
    missed_night: date | None = None
    """The same night while offices are missing."""


class NightMemory(Protocol):
    """Keeps what was reported where the next daemon finds it that watches over the nights."""

    async def load(self) -> ReportedNights:
        """What was reported by any daemon so far."""
        ...

    async def save(self, reported: ReportedNights) -> None:
        """Keep it, before it is reported: a daemon that ends in between reports nothing twice."""
        ...


class FreshnessMonitor:
    """The nights of one fleet.

    Args:
        fleet: The monitored offices.
        emit: Takes the events.
        on_result: Called for each night that is complete, missed or recovered; must not wait.
        memory: Of what was reported; None: this daemon's own.
    """

    def __init__(
        self,
        fleet: FleetState,
        emit: Callable[[Event], None],
        on_result: Callable[[NightResult], None],
        memory: NightMemory | None = None,
    ) -> None:
        self._fleet = fleet
        self._emit = emit
        self._on_result = on_result
        self._memory = memory
        self._events: list[Event] = []
        """What the present check has found."""
        self._remembered = ReportedNights()
        self._reported: dict[str, ReportedMiss] = {}
        self._last_reported: date | None = None
        self._missed_night: date | None = None

    async def run(self, check_interval_seconds: Callable[[], float]) -> None:
        """Check at this interval until cancelled."""
        await self._recall()
        while True:
            await self.check()
            await anyio.sleep(check_interval_seconds())

    async def _recall(self) -> None:
        """Read what was reported, once the database can be read."""
        while self._memory is not None:
            try:
                self._remembered = kept = await self._memory.load()
            except StoreError:
                await anyio.sleep(RECALL_SECONDS)
            else:
                self._reported, self._last_reported = dict(kept.misses), kept.last_reported
                self._missed_night = kept.missed_night
                return

    async def _report(self) -> None:
        """Emit what the check has found, once it is remembered."""
        events, self._events = self._events, []
        reported = ReportedNights(dict(self._reported), self._last_reported, self._missed_night)
        if self._memory is not None and reported != self._remembered:
            try:
                await self._memory.save(reported)
            except StoreError:
                # Found again at the next check.
                kept = self._remembered
                self._reported, self._last_reported = dict(kept.misses), kept.last_reported
                self._missed_night = kept.missed_night
                return
            self._remembered = reported
        for event in events:
            self._emit(event)
            if isinstance(event, NightResult):
                self._on_result(event)

    async def check(self) -> None:
        """Report what is new about every office and about the nights of these days."""
        offices = await self._list_monitored()
        now = self._fleet.now()
        # An office that was removed and added again starts fresh.
        self._reported = {
            office_id: reported for office_id, reported in self._reported.items() if office_id in self._fleet.offices
        }
        for number, monitored in enumerate(offices, 1):
            if number % OFFICES_PER_SLICE == 0:
                await anyio.lowlevel.checkpoint()
            if monitored.spec.id in self._fleet.offices:
                self._check_office(monitored, now)
        # Some time zones still have yesterday, others already tomorrow.
        nights = []
        for days in (-1, 0, 1):
            nights.append(summarize_night(now.date() + timedelta(days=days), offices))
            await anyio.lowlevel.checkpoint()
        self._check_nights(nights, now)
        await self._report()

    async def _list_monitored(self) -> list[OfficeRuntime]:
        """All offices; their deadlines are computed in slices, which takes long the first time."""
        offices = list(self._fleet.offices.values())
        for number, monitored in enumerate(offices, 1):
            find_next_deadline(monitored)
            if number % OFFICES_PER_SLICE == 0:
                await anyio.lowlevel.checkpoint()
        # Offices that were removed meanwhile are not reported.
        return [monitored for monitored in offices if monitored.spec.id in self._fleet.offices]

    def _check_office(self, monitored: OfficeRuntime, now: datetime) -> None:
        office_id, published = monitored.spec.id, monitored.state.published
        due_at = find_next_deadline(monitored)
        nights = 0 if due_at is None else count_missed_nights(due_at, now)
        aging_date = None if published is None else published.aging_date
        reported = self._reported.get(office_id)
        if due_at is not None and nights > (reported.nights if reported else 0):
            self._reported[office_id] = ReportedMiss(nights, aging_date)
            self._events.append(DeadlineMissed(office_id, due_at, nights))
        elif reported is not None and nights == 0:
            del self._reported[office_id]
            # Otherwise it was paused or its deadline moved: no new balances.
            if due_at is not None and aging_date != reported.aging_date:
                self._events.append(DeadlineRecovered(office_id, reported.nights))

    def _check_nights(self, nights: list[FleetNight], now: datetime) -> None:
        new = [each for each in nights if self._last_reported is None or each.day > self._last_reported]
        finished = [each for each in new if each.get_outcome(now) is not DeadlineOutcome.OPEN]
        for each in finished if self._last_reported is not None else finished[-1:]:
            self._report_night(each, now)
        incomplete = [each for each in nights if each.day == self._missed_night]
        for each in incomplete:
            if each.get_outcome(now) is DeadlineOutcome.COMPLETE:
                self._missed_night = None
                self._events.append(NightRecovered(each.day, each.fresh, each.late))

    def _report_night(self, night: FleetNight, now: datetime) -> None:
        self._last_reported = night.day
        if night.get_outcome(now) is DeadlineOutcome.COMPLETE:
            self._missed_night = None
            self._events.append(NightComplete(night.day, night.fresh, night.late, night.blocked, night.exempt))
            return
        self._missed_night = night.day
        missing = night.missing
        names = tuple(sorted(missing)[:OFFICES_NAMED_MAX])
        self._events.append(NightMissed(night.day, night.fresh, len(missing), names, night.blocked, night.exempt))
