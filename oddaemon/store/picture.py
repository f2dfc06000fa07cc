"""The picture of a day: an office's balances as of it, whether they were pulled that night or read afterwards.

Where a day has both, the night's own is its picture: it is what the table held, not what the ledgers tell today.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any

from oddaemon.core.model import MONEY_COLUMNS
from oddaemon.core.untold import LEAVING_OUT
from oddaemon.store.errors import StoreError
from oddaemon.store.past_day import PastDay
from oddaemon.store.snapshot_row import SnapshotRow

Picture = SnapshotRow | PastDay
_EARLIEST_ZONE = timedelta(hours=12)
"""Behind UTC: a day that is over there is over everywhere."""


class Source(StrEnum):
    """Where a picture comes from."""

    NIGHT = "night"
    """Pulled when the office had aged, and published as a snapshot."""
    BACKFILLED = "backfilled"
    """Read by order once the day was over."""


class SnapshotMissing(StoreError):  # noqa: N818 - as its relatives
    """There is no snapshot of that day, or of that id."""


def source_of(picture: Picture) -> Source:
    """Where it comes from."""
    return Source.NIGHT if isinstance(picture, SnapshotRow) else Source.BACKFILLED


def nights_of(pictures: Iterable[Picture]) -> list[SnapshotRow]:
    """Those that are snapshots."""
    return [each for each in pictures if isinstance(each, SnapshotRow)]


def may_leave_out(picture: Picture) -> bool:
    """Whether it may leave out `OPTIONAL_COLUMNS`."""
    return isinstance(picture, PastDay) or picture.reader in LEAVING_OUT


def sums_of(picture: Picture) -> dict[str, int | None]:
    """The sum of each column of money, in cents; None: it does not tell that column."""
    sums: dict[str, int | None] = {name: getattr(picture.totals, name) for name in MONEY_COLUMNS}
    if may_leave_out(picture) and not sums["est_balance"]:
        sums["est_balance"] = None
    return sums


def in_order(snapshots: Sequence[SnapshotRow], past_days: Iterable[PastDay]) -> list[Picture]:
    """All pictures of an office: its snapshots as they were published, a past day before the first later night.

    Args:
        snapshots: in the order in which they were published.
        past_days: earliest first; those of a day that has a snapshot are left out.
    """
    pulled = {each.aging_date for each in snapshots}
    left = deque(day for day in past_days if day.aging_date not in pulled)
    pictures: list[Picture] = []
    for snapshot in snapshots:
        while left and left[0].aging_date < snapshot.aging_date:
            pictures.append(left.popleft())
        pictures.append(snapshot)
    return [*pictures, *left]


def chosen(pictures: Sequence[Picture], wanted: date | int | None, whose: str) -> Picture:
    """The picture that somebody means.

    Args:
        pictures: the office's, in order.
        wanted: an aging date, of which the last one published is meant; a snapshot's id; or None: the latest snapshot.
        whose: the office, for the message.

    Raises:
        SnapshotMissing: there is none; the text names the nearest.
    """
    nights = nights_of(pictures)
    if not pictures or not (nights or isinstance(wanted, date)):
        raise SnapshotMissing(f"{whose} has no published snapshot yet.", f"See `oddaemon explain {whose}`.")
    if wanted is None:
        return nights[-1]
    fitting: Sequence[Picture]
    if isinstance(wanted, int):
        fitting = [each for each in nights if each.id == wanted]
        what, nearest = f"no snapshot {wanted}", _nearest([each.id for each in nights], wanted)
    else:
        fitting = [each for each in pictures if each.aging_date == wanted]
        what, nearest = f"no snapshot of {wanted}", _nearest([each.aging_date for each in pictures], wanted)
    if fitting:
        return fitting[-1]
    named = " and ".join(map(str, nearest))
    tail = f"the nearest are {named}." if len(nearest) > 1 else f"the nearest is {named}."
    is_past = isinstance(wanted, date) and wanted < (datetime.now(UTC) - _EARLIEST_ZONE).date()
    backfilling = f" `oddaemon backfill {whose} --as-of {wanted}` reads a past day." if is_past else ""
    raise SnapshotMissing(f"{whose} has {what}; {tail}", f"`oddaemon history {whose}` lists them all.{backfilling}")


def before(pictures: Sequence[Picture], picture: Picture) -> Picture | None:
    """The picture before this one."""
    place = pictures.index(picture)
    return pictures[place - 1] if place else None


def _nearest(values: Sequence[Any], wanted: Any) -> list[Any]:  # noqa: ANN401 - dates or ids, which are compared only
    """The values on either side."""
    ordered = sorted(set(values))
    place = bisect_left(ordered, wanted)
    return ordered[max(0, place - 1) : place + 1]
