"""Takes the pictures that the pages are painted from: out of the fleet's views, and out of the database."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import anyio.lowlevel

from oddaemon.core.aging import Aging, AgingStatus, evaluate
from oddaemon.core.clock import OfficeClock
from oddaemon.core.forecast import Prospect, forecast
from oddaemon.core.model import Cadence, Reader
from oddaemon.core.nights import NIGHTS, Awaited, Publication, last_nights
from oddaemon.core.office import clock_of
from oddaemon.core.state import OfficeState
from oddaemon.core.status import PublishedSnapshot
from oddaemon.engine.fleet import Fleet, OfficeView
from oddaemon.engine.journal import Journal
from oddaemon.engine.retelling import Wording, sentence
from oddaemon.settings import Settings
from oddaemon.store import snapshots
from oddaemon.store.database import Database
from oddaemon.store.errors import StoreError
from oddaemon.store.night_times import NightTime, night_times
from oddaemon.store.snapshot_row import SnapshotRow
from oddaemon.web.app import Readiness
from oddaemon.web.pictures import FleetPicture, JournalLine, OfficeLine, OfficePicture, Pictures
from oddaemon.web.words import clock_time, took

REMEMBERED = timedelta(days=8)
NIGHTS_REMEMBERED = 7
"""What an office's next night is expected from."""
HISTORY_MAX = 3 * NIGHTS
"""Snapshots that are read for the last nights: some nights have more than one."""
LOOK_AGAIN = timedelta(seconds=15)
"""A line that nothing happened to is made anew after it: an hour passes, and with it what is to be expected."""

JOURNAL_LINES = 20
LINES_A_BREATH = 100
_READ = {
    Reader.AUTO: "not read yet",
    Reader.STATEMENT: "in one statement",
    Reader.PAGES: "in pages, between two controls",
    Reader.REPORT: "by the vendor's aging report, twice",
}


@dataclass(frozen=True, slots=True)
class _Kept:
    """An office's line, and what it was made from."""

    line: OfficeLine
    state: OfficeState
    snapshot: PublishedSnapshot | None
    nights: int
    until: datetime


class PictureTaker:
    """Takes pictures of the fleet. A line that nothing happened to is the same object as before."""

    def __init__(
        self, fleet: Fleet, settings: Callable[[], Settings], readiness: Callable[[], Readiness], journal: Journal
    ) -> None:
        """Look at nothing yet.

        Args:
            fleet: all offices.
            settings: those in force.
            readiness: whether the daemon is at work.
            journal: what is remembered of each office.
        """
        self.database: Database | None = None
        """None until it is open: then pictures show only what is kept in memory."""
        self.pictures = Pictures(self.fleet, self.office)
        self._fleet = fleet
        self._settings = settings
        self._readiness = readiness
        self._journals = journal
        self._seen: tuple[Settings, object] | None = None
        self._generation = 0
        self._configured_at: datetime | None = None
        self._kept: dict[str, _Kept] = {}
        self._nights: dict[str, deque[NightTime]] = {}
        self._last_id = 0

    async def fleet(self) -> FleetPicture:
        """All offices as of now."""
        await self._read_nights()
        self._notice_configuration()
        now, cadence = self._fleet.now(), self._settings().cadence
        kept: dict[str, _Kept] = {}
        for number, (office_id, view) in enumerate(tuple(self._fleet.views.items())):
            # A line takes 50 µs to make: thousands in one breath would hold up everybody else.
            if number % LINES_A_BREATH == LINES_A_BREATH - 1:
                await anyio.lowlevel.checkpoint()
            kept[office_id] = self._line(view, now, cadence)
        self._kept = kept
        readiness = self._readiness()
        return FleetPicture(
            offices=tuple(kept.line for kept in self._kept.values()),
            generation=self._generation,
            configured_at=self._configured_at,
            trouble="" if readiness.ready else readiness.reason,
        )

    async def office(self, office_id: str) -> OfficePicture | None:
        """One office as of now, with its history."""
        view = self._fleet.views.get(office_id)
        if view is None:
            return None
        now, cadence = self._fleet.now(), self._settings().cadence
        line = self._line(view, now, cadence).line
        rows, journal = await self._history(office_id), await self._journal(office_id, line.clock)
        publications = tuple(_publication(row) for row in rows)
        state = view.state
        latest, awaited, nightly = _due(view, now, cadence)
        return OfficePicture(
            line=line,
            nights=last_nights(publications, latest, awaited, now, nightly=nightly),
            publications=publications,
            journal=journal,
            preferences=state.preferences,
            run_seconds=state.run_seconds,
            skew_seconds=state.skew_seconds,
            reader=_READ[state.reader],
            failures=state.attempts,
            key_trial=None if view.key_trial is None or now >= view.key_trial.ends_at else view.key_trial,
        )

    def _notice_configuration(self) -> None:
        seen = (self._settings(), self._fleet.views)
        if self._seen is not None and self._seen[0] is seen[0] and self._seen[1] is seen[1]:
            return
        self._seen = seen
        self._generation += 1
        self._configured_at = self._fleet.now() if self._fleet.views else None

    def _line(self, view: OfficeView, now: datetime, cadence: Cadence) -> _Kept:
        kept, office_id = self._kept.get(view.office.id), view.office.id
        nights = self._nights.get(office_id, ())
        last_night = nights[-1].snapshot_id if nights else 0
        is_same = (
            kept is not None
            and kept.state is view.state
            and kept.snapshot is view.snapshot
            and kept.nights == last_night
            and now < kept.until
        )
        if kept is not None and is_same and kept.line.name == view.office.name:
            return kept
        line = line_of(view, nights, now, cadence)
        if kept is not None and kept.line == line:
            line = kept.line
        until, late_at = now + LOOK_AGAIN, view.state.standing.late_at
        if late_at is not None and now < late_at:
            until = min(until, late_at)
        return _Kept(line, view.state, view.snapshot, last_night, until)

    async def _read_nights(self) -> None:
        """Take in what was published since it was last looked at."""
        newest = max((view.snapshot.id for view in self._fleet.views.values() if view.snapshot), default=0)
        if self.database is None or newest <= self._last_id:
            return
        try:
            found = await night_times(self.database, self._fleet.now() - REMEMBERED, self._last_id)
        except StoreError:
            return  # told where the database's health is watched; the forecast does without
        for office_id, nights in found.items():
            self._nights.setdefault(office_id, deque(maxlen=NIGHTS_REMEMBERED)).extend(nights)
        self._last_id = max([newest, *(nights[-1].snapshot_id for nights in found.values())])

    async def _history(self, office_id: str) -> list[SnapshotRow]:
        if self.database is None:
            return []
        try:
            return await snapshots.history(self.database, office_id, HISTORY_MAX)
        except StoreError:
            return []

    async def _journal(self, office_id: str, clock: OfficeClock) -> tuple[JournalLine, ...]:
        if self.database is None:
            return ()
        try:
            entries = await self._journals.tail(self.database, office_id, JOURNAL_LINES)
        except StoreError:
            return ()
        wording = Wording(lambda at: clock_time(at, clock), took)
        return tuple(
            JournalLine(entry.at, entry.level, sentence(entry.event, entry.fields, wording))
            for entry in reversed(entries)
        )


def line_of(view: OfficeView, nights: Sequence[NightTime], now: datetime, cadence: Cadence) -> OfficeLine:
    """One office at a glance, as of `now` (aware); `nights` are its last ones, the oldest first."""
    state, office = view.state, view.office
    clock, standing = clock_of(state, office), state.standing.at(now)
    aging = _aging(state, view, now, cadence)
    pull_seconds = tuple(night.pull_seconds for night in nights)
    prospect = Prospect(standing, clock, aging.awaited_at if aging else None, state.run_seconds, pull_seconds)
    return OfficeLine(
        id=office.id,
        name=office.name,
        standing=standing,
        forecast=forecast(prospect, now),
        clock=clock,
        zone="" if office.zone is None else str(office.zone),
        labels=office.labels,
        fresh_by=office.fresh_by,
        snapshot=view.snapshot,
        early_by=_early_by(nights),
    )


def _early_by(nights: Sequence[NightTime]) -> timedelta | None:
    """Of the last night; what was published first for it decides."""
    if not nights:
        return None
    first = next(night for night in nights if night.aging_date == nights[-1].aging_date)
    return None if first.late_at is None else first.late_at - first.published_at


def _aging(state: OfficeState, view: OfficeView, now: datetime, cadence: Cadence) -> Aging | None:
    if state.preferences is None:
        return None
    return evaluate(state.preferences, clock_of(state, view.office), now, cadence)


def _due(view: OfficeView, now: datetime, cadence: Cadence) -> tuple[date, Awaited | None, bool]:
    """The night that was due last, the one that is due and not there, and whether every night is one."""
    clock, aging = clock_of(view.state, view.office), _aging(view.state, view, now, cadence)
    today = clock.local(now).date()
    published = view.snapshot.aging_date if view.snapshot else None
    if aging is None or aging.due_at is None:
        return published or today, None, False
    due = clock.local(aging.due_at).date()
    nightly = aging.status is not AgingStatus.MONTHLY
    if not nightly or (published is not None and published >= due):
        return due, None, nightly
    return due, Awaited(due, view.state.standing.late_at), nightly


def _publication(row: SnapshotRow) -> Publication:
    return Publication(
        snapshot_id=row.id,
        aging_date=row.aging_date,
        published_at=row.published_at,
        late_at=row.late_at,
        pull_seconds=row.pull_seconds,
        requests=row.requests,
        reader=row.reader,
        totals=row.totals,
        new=row.new,
        changed=row.changed,
        cleared=row.cleared,
    )
