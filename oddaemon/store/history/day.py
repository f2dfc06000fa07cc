"""The days of an office's history: snapshots that were pulled in their night, and days that were backfilled.

Where a day has both, the snapshot counts: it is what the office's table held, not what its ledgers say today.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any

from oddaemon.core.model import MONEY_COLUMNS, PublishedSnapshot
from oddaemon.core.reporting.command_hints import suggest_backfill, suggest_explain, suggest_history
from oddaemon.core.snapshot.missing_columns import PARTIAL_READERS
from oddaemon.store.backfilled_days import BackfilledDay
from oddaemon.store.errors import StoreError

HistoryDay = PublishedSnapshot | BackfilledDay
_EARLIEST_ZONE = timedelta(hours=12)
"""Behind UTC: a day that is over in this zone is over everywhere."""


class DaySource(StrEnum):
    """Where a day's balances come from."""

    NIGHT = "night"
    """Pulled after the office's aging, and published as a snapshot."""
    BACKFILLED = "backfilled"
    """Read on demand after the day was over."""


class SnapshotMissing(StoreError):
    """There is no snapshot of that day or with that id."""


def get_source(day: HistoryDay) -> DaySource:
    """Where the day's balances come from."""
    return DaySource.NIGHT if isinstance(day, PublishedSnapshot) else DaySource.BACKFILLED


def select_snapshots(days: Iterable[HistoryDay]) -> list[PublishedSnapshot]:
    """The days that are snapshots."""
    return [each for each in days if isinstance(each, PublishedSnapshot)]


def may_omit_columns(day: HistoryDay) -> bool:
    """Whether the day's reader may leave out `OPTIONAL_COLUMNS`."""
    return isinstance(day, BackfilledDay) or day.reader in PARTIAL_READERS


def get_column_sums(day: HistoryDay) -> dict[str, int | None]:
    """The sum of each column of money, in cents; None: the day does not have the column."""
    sums: dict[str, int | None] = {name: getattr(day.totals, name) for name in MONEY_COLUMNS}
    if may_omit_columns(day) and not sums["est_balance"]:
        sums["est_balance"] = None
    return sums


def merge_days(snapshots: Sequence[PublishedSnapshot], backfilled_days: Iterable[BackfilledDay]) -> list[HistoryDay]:
    """All days of an office: its snapshots in the order given, each backfilled day before the first later snapshot.

    Backfilled days are given earliest first; those that have a snapshot are left out.
    """
    pulled = {each.aging_date for each in snapshots}
    remaining = deque(day for day in backfilled_days if day.aging_date not in pulled)
    days: list[HistoryDay] = []
    for snapshot in snapshots:
        while remaining and remaining[0].aging_date < snapshot.aging_date:
            days.append(remaining.popleft())
        days.append(snapshot)
    return [*days, *remaining]


def select_day(days: Sequence[HistoryDay], requested: date | int | None, office_id: str) -> HistoryDay:
    """The requested day.

    Args:
        days: the office's, in order.
        requested: an aging date (of its last published snapshot), a snapshot's id, or None (the latest).
        office_id: the office, for the message.

    Raises:
        SnapshotMissing: there is none; the message names the nearest.
    """
    snapshots = select_snapshots(days)
    if not days or not (snapshots or isinstance(requested, date)):
        raise SnapshotMissing(f"{office_id} has no published snapshot yet.", suggest_explain(office_id))
    if requested is None:
        return snapshots[-1]
    matches: Sequence[HistoryDay]
    if isinstance(requested, int):
        matches = [each for each in snapshots if each.id == requested]
        what, nearest = f"no snapshot {requested}", _find_nearest([each.id for each in snapshots], requested)
    else:
        matches = [each for each in days if each.aging_date == requested]
        what, nearest = f"no snapshot of {requested}", _find_nearest([each.aging_date for each in days], requested)
    if matches:
        return matches[-1]
    nearest_text = " and ".join(map(str, nearest))
    tail = f"the nearest are {nearest_text}." if len(nearest) > 1 else f"the nearest is {nearest_text}."
    hints = [suggest_history(office_id)]
    if isinstance(requested, date) and requested < (datetime.now(UTC) - _EARLIEST_ZONE).date():
        hints.append(suggest_backfill(office_id, requested))
    raise SnapshotMissing(f"{office_id} has {what}; {tail}", " ".join(hints))


def find_previous(days: Sequence[HistoryDay], day: HistoryDay) -> HistoryDay | None:
    """The day before this one; None: it is the first."""
    index = days.index(day)
    return days[index - 1] if index else None


def _find_nearest(values: Sequence[Any], requested: Any) -> list[Any]:  # noqa: ANN401 - dates or ids, which are only compared
    """The nearest values below and above."""
    ordered = sorted(set(values))
    index = bisect_left(ordered, requested)
    return ordered[max(0, index - 1) : index + 1]
