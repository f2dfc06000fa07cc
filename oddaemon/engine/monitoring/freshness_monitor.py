"""Watches whether each morning's balances are there, and says so: the good news too.

What is told of an office or a morning is told once; a restart may tell the last morning again, never leave it out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import anyio
import anyio.lowlevel

from oddaemon.core.reporting.deadlines import (
    DeadlineOutcome,
    FleetNight,
    MonitoredOffice,
    count_missed_nights,
    find_next_deadline,
    summarize_night,
)
from oddaemon.engine.offices.fleet_state import FleetState
from oddaemon.telemetry.events import DeadlineMissed, DeadlineRecovered, NightComplete, NightMissed, NightRecovered
from oddaemon.telemetry.events.base import Event

OFFICES_PER_SLICE = 100
"""So many are looked at before the event loop gets its turn."""
OFFICES_NAMED_MAX = 20
"""In one log line; the status page names them all."""

NightResult = NightComplete | NightMissed | NightRecovered


@dataclass(frozen=True, slots=True)
class _ReportedMiss:
    """What was told of an office's miss."""

    nights: int
    aging_date: date | None
    """Of its last snapshot then."""


class FreshnessMonitor:
    """The mornings of one fleet.

    Args:
        fleet: What is watched.
        emit: Takes the events.
        on_result: Told of each morning that is complete, missed or recovered; must not wait.
    """

    def __init__(
        self, fleet: FleetState, emit: Callable[[Event], None], on_result: Callable[[NightResult], None]
    ) -> None:
        self._fleet = fleet
        self._emit = emit
        self._on_result = on_result
        self._reported: dict[str, _ReportedMiss] = {}
        self._last_reported: date | None = None
        """The newest morning that was told."""
        self._missed_night: date | None = None
        """The same, while it lacks something."""

    async def run(self, check_interval_seconds: Callable[[], float]) -> None:
        """Look so often, until cancelled."""
        while True:
            await self.check()
            await anyio.sleep(check_interval_seconds())

    async def check(self) -> None:
        """Tell what has become of every office and of the mornings of these days."""
        offices = await self._list_monitored()
        now = self._fleet.now()
        # An office that comes back begins anew.
        self._reported = {
            office_id: reported for office_id, reported in self._reported.items() if office_id in self._fleet.offices
        }
        for monitored in offices:
            self._check_office(monitored, now)
        # Somewhere on earth it is still yesterday, or tomorrow already.
        nights = []
        for days in (-1, 0, 1):
            nights.append(summarize_night(now.date() + timedelta(days=days), offices))
            await anyio.lowlevel.checkpoint()
        self._check_nights(nights, now)

    async def _list_monitored(self) -> list[MonitoredOffice]:
        """The fleet, with its deadlines worked out slice by slice: that is what takes long the first time."""
        offices = []
        for number, runtime in enumerate(list(self._fleet.offices.values()), 1):
            offices.append(runtime.to_monitored())
            find_next_deadline(offices[-1])
            if number % OFFICES_PER_SLICE == 0:
                await anyio.lowlevel.checkpoint()
        # An office that has left since is not to be told of any more.
        return [monitored for monitored in offices if monitored.office.id in self._fleet.offices]

    def _check_office(self, monitored: MonitoredOffice, now: datetime) -> None:
        office_id, published = monitored.office.id, monitored.state.published
        due_at = find_next_deadline(monitored)
        nights = 0 if due_at is None else count_missed_nights(due_at, now)
        aging_date = None if published is None else published.aging_date
        reported = self._reported.get(office_id)
        if due_at is not None and nights > (reported.nights if reported else 0):
            self._reported[office_id] = _ReportedMiss(nights, aging_date)
            self._emit(DeadlineMissed(office_id, due_at, nights))
        elif reported is not None and nights == 0:
            del self._reported[office_id]
            # Else it is paused, or wanted later: nothing came.
            if due_at is not None and aging_date != reported.aging_date:
                self._emit(DeadlineRecovered(office_id, reported.nights))

    def _check_nights(self, nights: list[FleetNight], now: datetime) -> None:
        new = [each for each in nights if self._last_reported is None or each.day > self._last_reported]
        finished = [each for each in new if each.get_outcome(now) is not DeadlineOutcome.OPEN]
        for each in finished if self._last_reported is not None else finished[-1:]:
            self._report_night(each, now)
        incomplete = [each for each in nights if each.day == self._missed_night]
        for each in incomplete:
            if each.get_outcome(now) is DeadlineOutcome.COMPLETE:
                self._missed_night = None
                self._emit_result(NightRecovered(each.day, each.fresh, each.late))

    def _report_night(self, night: FleetNight, now: datetime) -> None:
        self._last_reported = night.day
        if night.get_outcome(now) is DeadlineOutcome.COMPLETE:
            self._missed_night = None
            self._emit_result(NightComplete(night.day, night.fresh, night.late, night.blocked, night.exempt))
            return
        self._missed_night = night.day
        missing = night.missing
        names = tuple(sorted(missing)[:OFFICES_NAMED_MAX])
        self._emit_result(NightMissed(night.day, night.fresh, len(missing), names, night.blocked, night.exempt))

    def _emit_result(self, event: NightResult) -> None:
        self._emit(event)
        self._on_result(event)
