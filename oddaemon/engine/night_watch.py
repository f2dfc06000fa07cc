"""Watches whether each morning's balances are there, and says so: the good news too.

What is told of an office or a morning is told once; a restart may tell the last morning again, never leave it out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import anyio
import anyio.lowlevel

from oddaemon.core.morning import Morning, Outcome, Watched, deadline, morning, nights_missed
from oddaemon.engine.fleet import Fleet
from oddaemon.telemetry.event import Event
from oddaemon.telemetry.events import FreshAgain, FreshByMissed, NightComplete, NightMissed, NightRecovered

OFFICES_AT_ONCE = 100
"""So many are looked at before the event loop gets its turn."""
OFFICES_NAMED_MAX = 20
"""In one log line; the status page names them all."""

Settled = NightComplete | NightMissed | NightRecovered


@dataclass(frozen=True, slots=True)
class _Missed:
    """What was told of an office's miss."""

    nights: int
    aging_date: date | None
    """Of its last snapshot then."""


class NightWatch:
    """The mornings of one fleet.

    Args:
        fleet: What is watched.
        emit: Takes the events.
        settled: Told of each morning that is complete, missed or recovered; must not wait.
    """

    def __init__(self, fleet: Fleet, emit: Callable[[Event], None], settled: Callable[[Settled], None]) -> None:
        self._fleet = fleet
        self._emit = emit
        self._settled = settled
        self._told: dict[str, _Missed] = {}
        self._newest: date | None = None
        """The newest morning that was told."""
        self._missed: date | None = None
        """The same, while it lacks something."""

    async def run(self, look_seconds: Callable[[], float]) -> None:
        """Look so often, until cancelled."""
        while True:
            await self.look()
            await anyio.sleep(look_seconds())

    async def look(self) -> None:
        """Tell what has become of every office and of the mornings of these days."""
        fleet = await self._watched()
        now = self._fleet.now()
        # An office that comes back begins anew.
        self._told = {office_id: told for office_id, told in self._told.items() if office_id in self._fleet.views}
        for watched in fleet:
            self._look_at(watched, now)
        # Somewhere on earth it is still yesterday, or tomorrow already.
        mornings = []
        for days in (-1, 0, 1):
            mornings.append(morning(now.date() + timedelta(days=days), fleet))
            await anyio.lowlevel.checkpoint()
        self._judge(mornings, now)

    async def _watched(self) -> list[Watched]:
        """The fleet, with its deadlines worked out slice by slice: that is what takes long the first time."""
        fleet = []
        for number, view in enumerate(list(self._fleet.views.values()), 1):
            fleet.append(view.watched())
            deadline(fleet[-1])
            if number % OFFICES_AT_ONCE == 0:
                await anyio.lowlevel.checkpoint()
        # An office that has left since is not to be told of any more.
        return [watched for watched in fleet if watched.office.id in self._fleet.views]

    def _look_at(self, watched: Watched, now: datetime) -> None:
        office_id, published = watched.office.id, watched.state.published
        owed = deadline(watched)
        nights = 0 if owed is None else nights_missed(owed, now)
        aging_date = None if published is None else published.aging_date
        told = self._told.get(office_id)
        if owed is not None and nights > (told.nights if told else 0):
            self._told[office_id] = _Missed(nights, aging_date)
            self._emit(FreshByMissed(office_id, owed, nights))
        elif told is not None and nights == 0:
            del self._told[office_id]
            # Else it is paused, or wanted later: nothing came.
            if owed is not None and aging_date != told.aging_date:
                self._emit(FreshAgain(office_id, told.nights))

    def _judge(self, mornings: list[Morning], now: datetime) -> None:
        new = [each for each in mornings if self._newest is None or each.day > self._newest]
        settled = [each for each in new if each.outcome(now) is not Outcome.OPEN]
        for each in settled if self._newest is not None else settled[-1:]:
            self._tell(each, now)
        lacking = [each for each in mornings if each.day == self._missed]
        for each in lacking:
            if each.outcome(now) is Outcome.COMPLETE:
                self._missed = None
                self._say(NightRecovered(each.day, each.fresh, each.late))

    def _tell(self, settled: Morning, now: datetime) -> None:
        self._newest = settled.day
        if settled.outcome(now) is Outcome.COMPLETE:
            self._missed = None
            self._say(NightComplete(settled.day, settled.fresh, settled.late, settled.blocked, settled.exempt))
            return
        self._missed = settled.day
        missing = settled.missing
        named = tuple(sorted(missing)[:OFFICES_NAMED_MAX])
        self._say(NightMissed(settled.day, settled.fresh, len(missing), named, settled.blocked, settled.exempt))

    def _say(self, event: Settled) -> None:
        self._emit(event)
        self._settled(event)
