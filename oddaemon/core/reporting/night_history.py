"""The last nights of an office, from its published snapshots: in time, late, or missing.

A night is identified by its aging date. The first snapshot of a night decides: a second aging on the same day does not
make the night late.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from oddaemon.core.model import PublishedSnapshot

NIGHTS = 30


class NightOutcome(StrEnum):
    """The result of a night."""

    IN_TIME = "in_time"
    LATE = "late"
    """Published after its deadline."""
    MISSING = "missing"
    """Nothing was published, and nothing is pending."""
    OVERDUE = "overdue"
    """Pending, and its deadline has passed."""
    PENDING = "awaited"
    NOT_DUE = "not_due"
    """The office does not age every night."""
    UNKNOWN = "unknown"
    """Before the first stored snapshot."""


@dataclass(frozen=True, slots=True)
class PendingNight:
    """The night that is due and not published yet."""

    aging_date: date
    late_at: datetime | None


@dataclass(frozen=True, slots=True)
class Night:
    """One night of an office."""

    aging_date: date
    outcome: NightOutcome
    first: PublishedSnapshot | None = None
    last: PublishedSnapshot | None = None
    """The latest snapshot of the night: not `first` if aging ran again."""


def build_night_history(
    publications: Iterable[PublishedSnapshot],
    latest: date,
    pending: PendingNight | None,
    now: datetime,
    *,
    nightly: bool = True,
) -> tuple[Night, ...]:
    """Build the last `NIGHTS` nights, oldest first.

    Args:
        publications: Of the office, in any order.
        latest: The night that was due last.
        pending: The night that is due and not published; None: there is none.
        now: This instant.
        nightly: Whether the office ages every night; if not, a night without a snapshot is not missing.
    """
    by_date: dict[date, list[PublishedSnapshot]] = {}
    for publication in sorted(publications, key=lambda each: each.id):
        by_date.setdefault(publication.aging_date, []).append(publication)
    latest = max([latest, *by_date])
    first_known = min(by_date, default=None)
    dates = [latest - timedelta(days=back) for back in reversed(range(NIGHTS))]
    return tuple(
        _make_published_night(day, by_date[day])
        if day in by_date
        else Night(day, _get_unpublished_outcome(day, pending, now, first_known, nightly))
        for day in dates
    )


def _make_published_night(day: date, publications: list[PublishedSnapshot]) -> Night:
    first = publications[0]
    late = first.early_by is not None and first.early_by < timedelta()
    return Night(day, NightOutcome.LATE if late else NightOutcome.IN_TIME, first, publications[-1])


def _get_unpublished_outcome(
    day: date, pending: PendingNight | None, now: datetime, first_known: date | None, nightly: bool
) -> NightOutcome:
    if pending is not None and day == pending.aging_date:
        passed = pending.late_at is not None and now >= pending.late_at
        return NightOutcome.OVERDUE if passed else NightOutcome.PENDING
    if first_known is None or day < first_known:
        return NightOutcome.UNKNOWN
    return NightOutcome.MISSING if nightly else NightOutcome.NOT_DUE
