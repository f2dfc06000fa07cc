"""Read-only, typed access to oddaemon's database for Python programs, beside a running daemon or without one.

    >>> from datetime import date
    >>> from oddaemon.api import open_database
    >>> with open_database("oddaemon.db") as fleet:
    ...     for office in fleet.offices():
    ...         if office.is_configured:
    ...             print(office.id, fleet.snapshot(office.id).bal_total)
    bright-smiles 120.00
    hill-street 3.00

Today's balances, those of any past day, and what changed between two:

    >>> with open_database("oddaemon.db") as fleet:
    ...     today = {balance.pat_num: balance.bal_total for balance in fleet.balances("bright-smiles")}
    ...     then = sum(balance.bal_over_90 for balance in fleet.balances("bright-smiles", date(2026, 3, 2)))
    ...     for change in fleet.changes("bright-smiles", since=date(2026, 3, 3)):
    ...         print(change.kind, change.pat_num, change.last_seen)
    cleared 12 2026-03-03
    changed 14 None
    >>> today
    {11: Decimal('100.00'), 14: Decimal('20.00')}

Money is `Decimal` with two places, dates are `date`, instants aware `datetime` in UTC. Balances and changes are read
lazily, ordered by pat_num, so an office need not fit into memory; iterate over them within the `with`. Errors are
subclasses of `OddaemonError`, such as `OfficeUnknown` and `SnapshotMissing`; each says what happened and what to do.

The exports of this module are stable; everything else in the package may change. The results are patient data.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from oddaemon.core import model
from oddaemon.core.model import ChangeKind, PublishedSnapshot
from oddaemon.core.reporting.command_hints import suggest_history
from oddaemon.core.snapshot.diff import GuarantorChange
from oddaemon.core.snapshot.missing_columns import MissingColumns
from oddaemon.store.errors import OfficeUnknown
from oddaemon.store.errors import StoreError as OddaemonError
from oddaemon.store.history.day import (
    DaySource,
    HistoryDay,
    SnapshotMissing,
    find_previous,
    get_column_sums,
    get_source,
    select_day,
)
from oddaemon.store.history.reader import DayMovement, HistoryReader
from oddaemon.store.opening import open_history

__all__ = [
    "Balance",
    "Change",
    "ChangeKind",
    "DailyMovement",
    "DatabaseIncomplete",
    "DaySource",
    "OddaemonError",
    "Office",
    "OfficeUnknown",
    "ReadOnlyDatabase",
    "Snapshot",
    "SnapshotMissing",
    "open_database",
]

AsOf = date | int | None
"""An aging date (its last published snapshot, else its backfilled balances), a snapshot's id, or None (the latest
snapshot)."""


class DatabaseIncomplete(UserWarning):
    """The database was not closed, and its log is missing: the results may be old."""


@dataclass(frozen=True, slots=True)
class Office:
    """One office in the database."""

    id: str
    name: str
    is_configured: bool
    """False: no longer configured; its data is kept."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The totals of one office for one aging run, or as of one past day."""

    id: int | None
    """None: a backfilled day."""
    office_id: str
    aging_date: date
    observed_at: datetime | None
    """The instant at which the office's own table held exactly these balances; None: a backfilled day, read after it
    was over."""
    published_at: datetime
    guarantors: int
    est_balance: Decimal | None
    """None, here and in each balance: the vendor's report, or the query of a backfilled day, has no such column."""
    bal_0_30: Decimal
    bal_31_60: Decimal
    bal_61_90: Decimal
    bal_over_90: Decimal
    ins_est: Decimal
    bal_total: Decimal
    new: int | None
    changed: int | None
    cleared: int | None
    """Guarantors that became so since the office's previous snapshot; None: a backfilled day."""
    source: DaySource = DaySource.NIGHT
    """`night` or `backfilled`."""


@dataclass(frozen=True, slots=True)
class Balance:
    """What one family owes. Its repr shows no values."""

    pat_num: int = field(repr=False)
    clinic_num: int | None = field(repr=False)
    """None: missing, as `est_balance` may be."""
    est_balance: Decimal | None = field(repr=False)
    bal_0_30: Decimal = field(repr=False)
    bal_31_60: Decimal = field(repr=False)
    bal_61_90: Decimal = field(repr=False)
    bal_over_90: Decimal = field(repr=False)
    ins_est: Decimal = field(repr=False)
    bal_total: Decimal = field(repr=False)


@dataclass(frozen=True, slots=True)
class Change:
    """The change of one guarantor between two snapshots."""

    kind: ChangeKind
    """`new`, `changed` or `cleared`."""
    pat_num: int = field(repr=False)
    before: Balance | None
    """None: new."""
    after: Balance | None
    """None: cleared."""
    last_seen: date | None
    """If cleared: the aging date of the last snapshot with this guarantor."""


@dataclass(frozen=True, slots=True)
class DailyMovement:
    """A snapshot, and how money moved between the buckets since the previous one."""

    snapshot: Snapshot
    charged: Decimal | None
    """None, here and below: the oldest stored."""
    settled: Decimal | None
    rolled_31_60: Decimal | None
    """From the bucket 0 to 30 days into this one."""
    rolled_61_90: Decimal | None
    rolled_over_90: Decimal | None
    roll_rate_31_60: float | None
    """As a share of the previous amount of the bucket 0 to 30 days; None: it was empty."""
    roll_rate_61_90: float | None
    roll_rate_over_90: float | None


@contextmanager
def open_database(path: Path | str) -> Iterator["ReadOnlyDatabase"]:
    """Open the database of a daemon, or a backup of one. Nothing is written to it.

    Args:
        path: The file, or a URL as in `[state] database`: of SQLite, or `postgresql://…`.

    Raises:
        OddaemonError: It does not exist, or this version cannot read it.

    Warns:
        DatabaseIncomplete: The results may be old.
    """
    with open_history(str(path)) as reader:
        if reader.warning:
            warnings.warn(reader.warning, DatabaseIncomplete, stacklevel=3)
        yield ReadOnlyDatabase(reader)


class ReadOnlyDatabase:
    """An open database; see `open_database`. Use it only in the thread that opened it."""

    def __init__(self, reader: HistoryReader) -> None:
        self._reader = reader

    def offices(self) -> list[Office]:
        """Every office in the database, ordered by id."""
        return [Office(*each) for each in self._reader.list_offices()]

    def snapshots(self, office_id: str) -> list[Snapshot]:
        """The stored snapshots of an office, oldest first, without backfilled days.

        Raises:
            OfficeUnknown: There is no such office.
        """
        return [_make_snapshot(office_id, row) for row in self._reader.list_snapshots(office_id)]

    def snapshot(self, office_id: str, as_of: AsOf = None) -> Snapshot:
        """One snapshot, or a backfilled day.

        Raises:
            OfficeUnknown: There is no such office.
            SnapshotMissing: There is none for that day or id; the message names the nearest.
        """
        return _make_snapshot(office_id, self._find_day(office_id, as_of))

    def balances(self, office_id: str, as_of: AsOf = None) -> Iterator[Balance]:
        """The balances of one snapshot. Raises as `snapshot` does; also at the end, if it was deleted meanwhile."""
        day = self._find_day(office_id, as_of)
        missing_columns = self._reader.find_missing_columns(day)
        return (_make_balance(each, missing_columns) for batch in self._reader.read_balances(day) for each in batch)

    def changes(self, office_id: str, since: AsOf = None, until: AsOf = None) -> Iterator[Change]:
        """The change of each guarantor between two snapshots or backfilled days.

        Args:
            office_id: The office.
            since: The earlier one; None: the one before `until`.
            until: The later one; None: the latest.

        Raises:
            OfficeUnknown: There is no such office.
            SnapshotMissing: One of them does not exist, or the first is not before the second.
        """
        days = self._reader.list_days(office_id)
        last = select_day(days, until, office_id)
        first = find_previous(days, last) if since is None else select_day(days, since, office_id)
        if first is None or days.index(first) >= days.index(last):
            raise SnapshotMissing(
                f"{office_id} has no snapshot before that of {last.aging_date} to compare it with.",
                suggest_history(office_id),
            )
        missing_columns = (
            self._reader.find_missing_columns(first),
            self._reader.find_missing_columns(last),
        )
        return (
            _make_change(each, *missing_columns) for batch in self._reader.read_changes(first, last) for each in batch
        )

    def history(self, office_id: str) -> list[DailyMovement]:
        """Every stored snapshot and backfilled day, in order, with what moved since the previous one in this list.

        Raises:
            OfficeUnknown: There is no such office.
        """
        days = self._reader.list_days(office_id)
        movements = self._reader.compute_movements(days)
        return [
            _make_movement(_make_snapshot(office_id, each), since) for each, since in zip(days, movements, strict=True)
        ]

    def _find_day(self, office_id: str, as_of: AsOf) -> HistoryDay:
        return select_day(self._reader.list_days(office_id), as_of, office_id)


def _to_decimal(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)


def _make_snapshot(office_id: str, day: HistoryDay) -> Snapshot:
    totals, est_balance = day.totals, get_column_sums(day)["est_balance"]
    published = day if isinstance(day, PublishedSnapshot) else None
    return Snapshot(
        id=published.id if published else None,
        office_id=office_id,
        aging_date=day.aging_date,
        observed_at=published.observed_at if published else None,
        published_at=day.published_at,
        guarantors=totals.guarantors,
        est_balance=None if est_balance is None else _to_decimal(est_balance),
        bal_0_30=_to_decimal(totals.bal_0_30),
        bal_31_60=_to_decimal(totals.bal_31_60),
        bal_61_90=_to_decimal(totals.bal_61_90),
        bal_over_90=_to_decimal(totals.bal_over_90),
        ins_est=_to_decimal(totals.ins_est),
        bal_total=_to_decimal(totals.bal_total),
        new=published.new if published else None,
        changed=published.changed if published else None,
        cleared=published.cleared if published else None,
        source=get_source(day),
    )


def _make_movement(snapshot: Snapshot, movement: DayMovement | None) -> DailyMovement:
    if movement is None:
        return DailyMovement(snapshot, *(None,) * 8)
    bucket_flow, rates = movement.flow, movement.rates
    return DailyMovement(
        snapshot=snapshot,
        charged=_to_decimal(bucket_flow.charged),
        settled=_to_decimal(bucket_flow.settled),
        rolled_31_60=_to_decimal(bucket_flow.rolled_31_60),
        rolled_61_90=_to_decimal(bucket_flow.rolled_61_90),
        rolled_over_90=_to_decimal(bucket_flow.rolled_over_90),
        roll_rate_31_60=rates.to_31_60,
        roll_rate_61_90=rates.to_61_90,
        roll_rate_over_90=rates.to_over_90,
    )


def _make_balance(balance: model.Balance, missing_columns: MissingColumns) -> Balance:
    est_balance = None if "est_balance" in missing_columns else _to_decimal(balance.est_balance)
    clinic = None if "clinic_num" in missing_columns else balance.clinic_num
    return Balance(balance.pat_num, clinic, est_balance, *map(_to_decimal, balance[3:]))


def _make_change(difference: GuarantorChange, missing_before: MissingColumns, missing_after: MissingColumns) -> Change:
    return Change(
        kind=difference.change,
        pat_num=difference.pat_num,
        before=None if difference.before is None else _make_balance(difference.before, missing_before),
        after=None if difference.after is None else _make_balance(difference.after, missing_after),
        last_seen=difference.last_seen,
    )
