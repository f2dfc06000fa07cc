"""A fleet as a real one looks in the morning: every condition, names of every length, nights with a history.

Everything follows from an office's number, so two runs draw the same fleet.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

import anyio.lowlevel

from oddaemon.core.model import Condition, ControlTotals, Owner, Preferences, PublishedSnapshot, Reader, Status
from oddaemon.core.office.clock import OfficeClock
from oddaemon.core.reporting.forecast import Forecast, ForecastInput, make_forecast
from oddaemon.core.reporting.night_history import PendingNight, build_night_history
from oddaemon.web.pages.view_models import FleetPageView, JournalLine, OfficeView
from tests.browser.condition_texts import CONDITION_TEXTS
from tests.core.builders import make_published_snapshot

NOW = datetime(2026, 3, 3, 12, 40, tzinfo=UTC)
"""07:40 in New York, where it is late by now, and 04:40 in Los Angeles, where aging runs."""
TODAY = date(2026, 3, 3)
STATEMENTS_MAX = 2
"""A snapshot of this number of guarantors; more requests are pages."""
ZONES = ("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles")
_ZONE_OF = {Condition.LATE: 0, Condition.AGING: 3, Condition.WAITING: 3, Condition.PULLING: 2, Condition.UNREACHABLE: 2}
_DUE = {Condition.AGING: time(4, 15), Condition.WAITING: time(5)}
_FIRST = ("Smile", "Bright", "Hill Street", "Coast", "Family", "Riverside", "Maple", "Summit", "Harbor", "Lakeview",
          "Cedar", "Prairie", "Golden Gate", "Old Town", "Evergreen")  # fmt: skip
_LAST = ("Dental", "Dentistry", "Dental Care", "Orthodontics", "Dental Group", "Pediatric Dentistry")
_TOWNS = ("Portland", "Reno", "Austin", "Boise", "Denver", "Tulsa", "Salem", "Fresno", "Omaha", "Madison", "Tacoma")
_LONG_NAME = (
    "The Extraordinarily Long-Named Center for Comprehensive Family, Cosmetic, Implant and Pediatric Dentistry"
    " of Greater Southeastern Massachusetts"
)


@dataclass
class SampleFleet:
    """Offices that can be changed under the pages' eyes."""

    lines: list[OfficeView]
    now: datetime = NOW
    generation: int = 1
    configured_at: datetime | None = NOW - timedelta(days=2, hours=3)
    failure: str = ""
    journals: dict[str, Sequence[JournalLine]] = field(default_factory=dict)

    async def build_fleet(self) -> FleetPageView:
        await anyio.lowlevel.checkpoint()
        return FleetPageView(tuple(self.lines), self.generation, self.configured_at, self.failure)

    async def build_office(self, office_id: str) -> OfficeView | None:
        await anyio.lowlevel.checkpoint()
        line = next((line for line in self.lines if line.id == office_id), None)
        return None if line is None else make_office_view(line, self.now, self.journals.get(office_id, ()))

    def set_condition(self, office_id: str, condition: Condition, reason: str, **more: object) -> None:
        """From now on an office stands differently."""
        for index, line in enumerate(self.lines):
            if line.id == office_id:
                status = replace(line.status, condition=condition, reason=reason, since=self.now, **more)  # type: ignore[arg-type]  # its own fields
                self.lines[index] = replace(line, status=status, forecast=_make_forecast(line.clock, status, self.now))


def make_fleet(offices: int = 60, seed: int = 1) -> SampleFleet:
    """A fleet of this size; its first offices show one condition each."""
    conditions = [*Condition, Condition.BLOCKED]
    rng = Random(seed)
    usual = rng.choices(
        [Condition.FRESH, Condition.WAITING, Condition.AGING, Condition.PULLING, Condition.UNREACHABLE, Condition.LATE],
        [880, 40, 40, 15, 12, 13],
        k=max(0, offices - len(conditions)),
    )
    lines = [_make_office(number, condition) for number, condition in enumerate([*conditions, *usual][:offices])]
    fleet = SampleFleet(lines)
    for line in lines:
        fleet.journals[line.id] = _make_journal(line)
    return fleet


def _make_office(number: int, condition: Condition) -> OfficeView:
    rng = Random(number)
    zone = ZONES[_ZONE_OF.get(condition, number % len(ZONES))]
    first, last, town = rng.choice(_FIRST), rng.choice(_LAST), rng.choice(_TOWNS)
    name = _LONG_NAME if number == 4 else f"{first} {last}, {town}"
    clock = OfficeClock(ZoneInfo(zone))
    status = _make_status(number, condition, clock)
    published = condition is not Condition.PAUSED and number != 1
    aging_date = TODAY if condition is Condition.FRESH else TODAY - timedelta(days=1)
    guarantors = rng.randrange(80, 4200)
    early = timedelta(minutes=rng.randrange(60, 290)) if number % 23 else timedelta(minutes=-17)
    return OfficeView(
        id=f"{first}-{town}-{number:03}".lower().replace(" ", "-"),
        name=name,
        status=status,
        forecast=_make_forecast(clock, status, NOW),
        clock=clock,
        zone=zone,
        labels=(("group", rng.choice(("coast", "north", "plains"))), ("tier", "gold"))[: number % 3],
        fresh_by=time(7),
        snapshot=make_published_snapshot(
            aging_date, clock.to_instant(datetime.combine(aging_date, time(2, 41))),
            guarantors, guarantors * rng.randrange(18_000, 42_000), number=number + 1000)
        if published else None,
        early_by=early if published else None,
    )  # fmt: skip


def _make_status(number: int, condition: Condition, clock: OfficeClock) -> Status:
    late_at = clock.find_next(time(7), NOW)
    if condition is Condition.LATE:
        late_at = clock.find_last(time(7), NOW)[1]
    elif condition is Condition.FRESH:
        late_at = clock.find_next(time(7), clock.find_next(time(2), NOW))
    elif condition is Condition.AGING and number % 7 == 2:
        late_at = clock.find_next(time(5), NOW)
    reason, owner, advice, message = CONDITION_TEXTS[condition]
    if condition is Condition.BLOCKED and number % 2:
        owner, message = Owner.US, ""
    paused = condition is Condition.PAUSED
    since = late_at if condition is Condition.LATE else NOW - timedelta(minutes=7 + 13 * (number % 40))
    return Status(
        condition,
        since,
        reason,
        owner,
        advice,
        next_action="" if paused else "asks whether aging has completed",
        next_action_at=None if paused else NOW + timedelta(minutes=1 + number % 29),
        late_at=None if paused else late_at,
        letter=message,
    )


def _make_forecast(clock: OfficeClock, status: Status, now: datetime) -> Forecast:
    condition = status.condition
    due = _DUE.get(condition, time(2))
    expected_at = (
        clock.find_next(due, now) if condition in (Condition.FRESH, Condition.WAITING) else clock.find_last(due, now)[1]
    )
    if condition is Condition.PULLING:
        expected_at = clock.find_next(due, now)
    return make_forecast(ForecastInput(status, clock, expected_at, 2400.0, (4.0, 3.0, 7.5)), now)


def make_office_view(line: OfficeView, now: datetime, journal: Sequence[JournalLine] = ()) -> OfficeView:
    """An office with thirty nights behind it, some of them late and some missing."""
    publications = _make_publications(line) if line.snapshot else ()
    awaits = line.status.condition in (Condition.AGING, Condition.PULLING, Condition.LATE, Condition.UNREACHABLE)
    pending = PendingNight(TODAY, line.status.late_at) if awaits else None
    latest = line.snapshot.aging_date if line.snapshot and not pending else TODAY
    return replace(
        line,
        nights=build_night_history(publications, latest, pending, now),
        publications=publications,
        journal=tuple(journal),
        preferences=Preferences("2026-03-02", "2020-01-01 02:00:00", "", "0", "25.4.48.0", now - timedelta(minutes=12))
        if line.snapshot else None,
        run_seconds=2400.0 if line.snapshot else None,
        skew_seconds=185.0 if len(line.id) % 2 else 0.0,
        reader="in one statement",
    )  # fmt: skip


def _make_publications(line: OfficeView) -> tuple[PublishedSnapshot, ...]:
    rng = Random(line.id)
    snapshot = line.snapshot
    assert snapshot is not None, "only where one was published"
    found = []
    buckets = [round(share * snapshot.totals.bal_total) for share in (0.55, 0.21, 0.11, 0.13)]
    for back in range(36):
        day = snapshot.aging_date - timedelta(days=back)
        buckets = [round(cents * rng.uniform(0.955, 1.05)) for cents in buckets] if back else buckets
        if back and rng.random() < 0.06:
            continue
        wanted = line.clock.to_instant(datetime.combine(day, line.fresh_by or time(7)))
        published = wanted - timedelta(minutes=rng.randrange(190, 285))
        if rng.random() < 0.07:
            published = wanted + timedelta(minutes=rng.randrange(4, 120))
        total = sum(buckets) if back else snapshot.totals.bal_total
        insurance = rng.randrange(900_000)
        found.append(
            PublishedSnapshot(
                id=5000 - back,
                office_id=line.id,
                aging_date=day,
                observed_at=published,
                published_at=published,
                late_at=wanted,
                pull_seconds=rng.uniform(0.4, 9.0),
                requests=(requests := rng.choice((1, 1, 1, 2, 42))),
                reader=Reader.STATEMENT if requests <= STATEMENTS_MAX else Reader.PAGES,
                totals=ControlTotals._make((snapshot.totals.guarantors - back, total, *buckets, insurance, total, 7)),
                new=rng.randrange(20),
                changed=rng.randrange(300),
                cleared=rng.randrange(20),
            )
        )
    return tuple(found)


def _make_journal(line: OfficeView) -> Sequence[JournalLine]:
    if line.snapshot is None:
        return ()
    entries = (
        (3, "info", "Aging: complete, last one 2026-03-03."),
        (4, "warning", "The eConnector is not running (HTTP 400). Request: short query, 0.8 s. Next attempt at 05:24."),
        (60, "info", f"waiting → {line.status.condition}: {line.status.reason}"),
    )
    return tuple(JournalLine(NOW - timedelta(minutes=minutes), *entry) for minutes, *entry in entries)
