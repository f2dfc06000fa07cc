"""Builds the views of the pages from the state of the fleet and from the database."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import anyio.lowlevel

from oddaemon.core.model import PublishedSnapshot, Reader
from oddaemon.core.office.aging import Aging, AgingStatus, evaluate_aging
from oddaemon.core.office.clock import OfficeClock, make_office_clock
from oddaemon.core.reporting.forecast import ForecastInput, make_forecast
from oddaemon.core.reporting.night_history import NIGHTS, PendingNight, build_night_history
from oddaemon.core.reporting.office_runtime import OfficeRuntime
from oddaemon.engine.journal.format import Formatters, render_entry
from oddaemon.engine.journal.recorder import JournalRecorder
from oddaemon.engine.offices.fleet_state import FleetState
from oddaemon.engine.offices.readiness import Readiness
from oddaemon.settings import Settings
from oddaemon.store import snapshots
from oddaemon.store.database import Database
from oddaemon.store.errors import StoreError
from oddaemon.store.history.published_feed import PublishedFeed
from oddaemon.web.pages.formatting import format_seconds, format_time
from oddaemon.web.pages.hosts import make_hosts_view
from oddaemon.web.pages.view_models import FleetPageView, JournalLine, OfficeView

NIGHTS_LOOKBACK = timedelta(days=8)
NIGHTS_MAX = 7
"""The forecast of an office is made from these."""
HISTORY_MAX = 3 * NIGHTS
"""Snapshots to read for the last nights: some nights have more than one."""
REFRESH_AFTER = timedelta(seconds=15)
"""An unchanged view is built again after it: a deadline passes, and the forecast changes with time."""

JOURNAL_LINES = 20
OFFICES_PER_SLICE = 100
_READER_TEXTS = {
    Reader.AUTO: "not read yet",
    Reader.STATEMENT: "in one statement",
    Reader.PAGES: "in pages, between two control queries",
    Reader.REPORT: "from the vendor's aging report, twice",
}


@dataclass(frozen=True, slots=True)
class _CachedView:
    """The view of an office, and what it was built from."""

    view: OfficeView
    basis: tuple[object, ...]
    expires_at: datetime


class PageViewBuilder:
    """Builds the views. The view of an unchanged office is the same object as before.

    Args:
        fleet: The state of each office.
        settings: The active settings.
        readiness: Whether the daemon is ready.
        journal: Reads the journal of an office.
    """

    def __init__(
        self,
        fleet: FleetState,
        settings: Callable[[], Settings],
        readiness: Callable[[], Readiness],
        journal: JournalRecorder,
    ) -> None:
        self.database: Database | None = None
        """None: it is not open, and the views show only what is in memory."""
        self._fleet = fleet
        self._settings = settings
        self._readiness = readiness
        self._recorder = journal
        self._last_config: tuple[Settings, object] | None = None
        self._generation = 0
        self._configured_at: datetime | None = None
        self._cache: dict[str, _CachedView] = {}
        self._nights: dict[str, deque[PublishedSnapshot]] = {}
        self._published = PublishedFeed()
        self._newest_id = 0
        """The newest snapshot when nights were read last."""

    async def build_fleet(self) -> FleetPageView:
        """All offices as of now."""
        await self._read_nights()
        self._track_config_changes()
        now = self._fleet.now()
        cached: dict[str, _CachedView] = {}
        for number, (office_id, runtime) in enumerate(tuple(self._fleet.offices.items())):
            # A view takes 50 µs to build: thousands at once would block the event loop.
            if number % OFFICES_PER_SLICE == OFFICES_PER_SLICE - 1:
                await anyio.lowlevel.checkpoint()
            cached[office_id] = self._get_view(runtime, now)
        self._cache = cached
        readiness = self._readiness()
        return FleetPageView(
            offices=tuple(each.view for each in cached.values()),
            generation=self._generation,
            configured_at=self._configured_at,
            not_ready_reason="" if readiness.ready else readiness.reason,
            hosts=None if self._fleet.overview is None else make_hosts_view(self._fleet.overview),
        )

    async def build_office(self, office_id: str) -> OfficeView | None:
        """One office as of now, with its history."""
        runtime = self._fleet.offices.get(office_id)
        if runtime is None:
            return None
        now = self._fleet.now()
        office = self._get_view(runtime, now).view
        publications, journal = await self._load_history(office_id), await self._load_journal(office_id, office.clock)
        state = runtime.state
        latest, pending, nightly = _find_due_night(runtime, now)
        return replace(
            office,
            nights=build_night_history(publications, latest, pending, now, nightly=nightly),
            publications=tuple(publications),
            journal=journal,
            preferences=state.preferences,
            run_seconds=state.run_seconds,
            skew_seconds=state.skew_seconds,
            reader=_READER_TEXTS[state.reader],
            key_rotation=None
            if runtime.key_rotation is None or now >= runtime.key_rotation.ends_at
            else runtime.key_rotation,
        )

    def _track_config_changes(self) -> None:
        config = (self._settings(), self._fleet.offices)
        if self._last_config is not None and self._last_config[0] is config[0] and self._last_config[1] is config[1]:
            return
        self._last_config = config
        self._generation += 1
        self._configured_at = self._fleet.now() if self._fleet.offices else None

    def _get_view(self, runtime: OfficeRuntime, now: datetime) -> _CachedView:
        cached, nights = self._cache.get(runtime.spec.id), self._nights.get(runtime.spec.id, ())
        # Comparing tuples compares identities first, so an unchanged office takes no time.
        host = None if self._fleet.overview is None else runtime.host or ""
        basis = (runtime.spec, runtime.state, runtime.snapshot, nights[-1].id if nights else 0, host)
        if cached is not None and cached.basis == basis and now < cached.expires_at:
            return cached
        view = replace(make_office_view(runtime, nights, now), host=host)
        if cached is not None and cached.view == view:
            view = cached.view
        expires_at, late_at = now + REFRESH_AFTER, runtime.state.standing.late_at
        if late_at is not None and now < late_at:
            expires_at = min(expires_at, late_at)
        return _CachedView(view, basis, expires_at)

    async def _read_nights(self) -> None:
        """Read the nights that were published since the last call."""
        newest = max((runtime.snapshot.id for runtime in self._fleet.offices.values() if runtime.snapshot), default=0)
        if self.database is None or newest <= self._newest_id:
            return
        try:
            found = await self._published.read_new(self.database, self._fleet.now() - NIGHTS_LOOKBACK)
        except StoreError:
            return  # StoreHealth reports it; the forecast does without
        for snapshot in found:
            self._nights.setdefault(snapshot.office_id, deque(maxlen=NIGHTS_MAX)).append(snapshot)
        self._newest_id = newest

    async def _load_history(self, office_id: str) -> list[PublishedSnapshot]:
        if self.database is None:
            return []
        try:
            return await snapshots.list_latest(self.database, office_id, HISTORY_MAX)
        except StoreError:
            return []

    async def _load_journal(self, office_id: str, clock: OfficeClock) -> tuple[JournalLine, ...]:
        if self.database is None:
            return ()
        try:
            entries = await self._recorder.read_tail(self.database, office_id, JOURNAL_LINES)
        except StoreError:
            return ()
        formatters = Formatters(lambda at: format_time(at, clock), format_seconds)
        return tuple(
            JournalLine(entry.at, entry.level, render_entry(entry.event, entry.fields, formatters))
            for entry in reversed(entries)
        )


def make_office_view(runtime: OfficeRuntime, nights: Sequence[PublishedSnapshot], now: datetime) -> OfficeView:
    """One office at a glance, as of `now` (aware); `nights` are its last ones, oldest first."""
    state, office = runtime.state, runtime.spec
    clock, status = make_office_clock(state, office), state.standing.evaluate_at(now)
    aging = _evaluate_aging(runtime, now)
    pull_seconds = tuple(night.pull_seconds for night in nights)
    forecast_input = ForecastInput(
        status, clock, aging.pending_due_at if aging else None, state.run_seconds, pull_seconds
    )
    return OfficeView(
        id=office.id,
        name=office.name,
        status=status,
        forecast=make_forecast(forecast_input, now),
        clock=clock,
        zone="" if office.zone is None else str(office.zone),
        labels=office.labels,
        fresh_by=office.fresh_by,
        snapshot=runtime.snapshot,
        early_by=_compute_early_by(nights),
    )


def _compute_early_by(nights: Sequence[PublishedSnapshot]) -> timedelta | None:
    """The margin of the last night; its first publication decides."""
    if not nights:
        return None
    return next(night for night in nights if night.aging_date == nights[-1].aging_date).early_by


def _evaluate_aging(runtime: OfficeRuntime, now: datetime) -> Aging | None:
    state, spec = runtime.state, runtime.spec
    if state.preferences is None:
        return None
    return evaluate_aging(state.preferences, make_office_clock(state, spec), now, spec.cadence)


def _find_due_night(runtime: OfficeRuntime, now: datetime) -> tuple[date, PendingNight | None, bool]:
    """The night that was due last, the night that is due and not published, and whether aging runs every night."""
    clock, aging = make_office_clock(runtime.state, runtime.spec), _evaluate_aging(runtime, now)
    today = clock.to_local(now).date()
    published = runtime.snapshot.aging_date if runtime.snapshot else None
    if aging is None or aging.due_at is None:
        return published or today, None, False
    due = clock.to_local(aging.due_at).date()
    nightly = aging.status is not AgingStatus.MONTHLY
    if not nightly or (published is not None and published >= due):
        return due, None, nightly
    return due, PendingNight(due, runtime.state.standing.late_at), nightly
