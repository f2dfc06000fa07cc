"""The fleet in numbers, and who is not fresh and why: what somebody wants to know once in the morning.

Nothing here is about a patient; a reason names an office's trouble, never an amount.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from oddaemon.core.model import Condition, Owner, Standing
from oddaemon.core.status import OfficeStatus

A_NIGHT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class NotFresh:
    """One office that users cannot rely on this morning."""

    office: str
    condition: Condition
    owner: Owner | None
    """Who must act; None: nobody."""
    since: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Digest:
    """The fleet at one moment."""

    offices: int
    fresh: int
    published: int
    """Offices of which a snapshot was published within the last day."""
    guarantors: int
    """In the latest snapshots of all offices."""
    conditions: Mapping[Condition, int]
    """Those that some office is in."""
    not_fresh: tuple[NotFresh, ...]
    """Ordered by condition and id; paused offices are not among them: somebody wants them so."""


def digest(offices: Iterable[OfficeStatus], now: datetime) -> Digest:
    """Sum up these offices as of `now`."""
    statuses = list(offices)
    standings = [(status.id, status.standing.at(now)) for status in statuses]
    snapshots = [status.snapshot for status in statuses if status.snapshot is not None]
    conditions = Counter(standing.condition for _, standing in standings)
    fine = (Condition.FRESH, Condition.PAUSED)
    behind = [_not_fresh(office_id, standing) for office_id, standing in standings if standing.condition not in fine]
    return Digest(
        offices=len(statuses),
        fresh=conditions[Condition.FRESH],
        published=sum(now - snapshot.published_at <= A_NIGHT for snapshot in snapshots),
        guarantors=sum(snapshot.guarantors for snapshot in snapshots),
        conditions={condition: conditions[condition] for condition in Condition if condition in conditions},
        not_fresh=tuple(sorted(behind, key=lambda each: (each.condition, each.office))),
    )


def _not_fresh(office_id: str, standing: Standing) -> NotFresh:
    return NotFresh(office_id, standing.condition, standing.owner, standing.since, standing.reason)
