"""Summarizes the fleet: in one line for `systemctl status`, and in numbers with every office that is not fresh.

Nothing here is about a patient; a reason never contains an amount.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from oddaemon.core.model import Condition, Owner, Status
from oddaemon.core.reporting.status_document import OfficeStatus

_CONDITION_TEXTS = {Condition.WAITING: "waiting for aging"}


def format_fleet_summary(statuses: Iterable[Status], now: datetime, zone: tzinfo) -> str:
    """Format how many offices are in which condition, and when something happens next.

    Args:
        statuses: The status of each office.
        now: Aware.
        zone: The zone of the reader's clock.

    Returns:
        "214 of 230 fresh, 9 waiting for aging, 7 late; next 05:10"
    """
    current = [status.evaluate_at(now) for status in statuses]
    if not current:
        return "no office is configured"
    counts = Counter(standing.condition for standing in current)
    others = [
        f", {counts[condition]} {_CONDITION_TEXTS.get(condition, condition.value)}"
        for condition in Condition
        if counts[condition] and condition is not Condition.FRESH
    ]
    next_at = min(
        (standing.next_action_at for standing in current if standing.next_action_at is not None), default=None
    )
    return f"{counts[Condition.FRESH]} of {len(current)} fresh{''.join(others)}{_format_next(next_at, now, zone)}"


def _format_next(at: datetime | None, now: datetime, zone: tzinfo) -> str:
    if at is None:
        return ""
    if at <= now:
        return "; next now"
    local, local_now = at.astimezone(zone), now.astimezone(zone)
    return f"; next {local:%H:%M}" if local.date() == local_now.date() else f"; next {local:%A %H:%M}"


ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class StaleOffice:
    """One office that is not fresh."""

    office: str
    condition: Condition
    owner: Owner | None
    """Who must act; None: no one."""
    since: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class FleetSummary:
    """The fleet at one moment."""

    offices: int
    fresh: int
    published: int
    """Offices of which a snapshot was published within the last day."""
    guarantors: int
    """In the latest snapshots of all offices."""
    conditions: Mapping[Condition, int]
    """The number of offices in each condition that occurs."""
    stale: tuple[StaleOffice, ...]
    """Ordered by condition and id; without paused offices."""


def summarize_fleet(offices: Iterable[OfficeStatus], now: datetime) -> FleetSummary:
    """Summarize these offices as of `now`."""
    summaries = list(offices)
    statuses = [(summary.id, summary.status.evaluate_at(now)) for summary in summaries]
    snapshots = [status.snapshot for status in summaries if status.snapshot is not None]
    conditions = Counter(standing.condition for _, standing in statuses)
    not_stale = (Condition.FRESH, Condition.PAUSED)
    stale = [
        _make_stale_office(office_id, status) for office_id, status in statuses if status.condition not in not_stale
    ]
    return FleetSummary(
        offices=len(summaries),
        fresh=conditions[Condition.FRESH],
        published=sum(now - snapshot.published_at <= ONE_DAY for snapshot in snapshots),
        guarantors=sum(snapshot.totals.guarantors for snapshot in snapshots),
        conditions={condition: conditions[condition] for condition in Condition if condition in conditions},
        stale=tuple(sorted(stale, key=lambda each: (each.condition, each.office))),
    )


def _make_stale_office(office_id: str, status: Status) -> StaleOffice:
    return StaleOffice(office_id, status.condition, status.owner, status.since, status.reason)
