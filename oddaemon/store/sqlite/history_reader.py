"""All that was ever published and is kept, read beside a running daemon or without one: any day, and what changed.

For whoever reads in their own thread: commands, scripts, exports. Nothing is written, nothing is held back: rows come a
batch at a time, so that a million of them take no more memory than a few thousand.
"""

import sqlite3
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import chain, groupby, islice, pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any, Self

from oddaemon.core.model import Balance, ChangeKind
from oddaemon.core.snapshot.diff import GuarantorChange, iter_changes
from oddaemon.core.snapshot.missing_columns import NONE_MISSING, OPTIONAL_COLUMNS, MissingColumns, to_comparable
from oddaemon.core.snapshot.roll_rates import NO_FLOW, BucketFlow, RollRates, compute_flow, compute_roll_rates
from oddaemon.store.backfilled_days import BACKFILLED_DAY_COLUMNS, BackfilledDay, parse_backfilled_day
from oddaemon.store.errors import OfficeUnknown, decoding_errors
from oddaemon.store.history.day import HistoryDay, SnapshotMissing, may_omit_columns, merge_days, select_snapshots
from oddaemon.store.snapshot_rows import SNAPSHOT_COLUMN_NAMES, SnapshotRow, parse_snapshot_row
from oddaemon.store.sqlite.copy import open_read_only
from oddaemon.store.sqlite.errors import translate_errors, translate_read_errors
from oddaemon.store.sqlite.version import require_newest

ROWS_PER_BATCH = 10_000

_COLUMNS = ", ".join(Balance._fields)
_OFFICES = "SELECT key, id, name, wanted FROM office ORDER BY id"
_SNAPSHOTS = f"SELECT {', '.join(SNAPSHOT_COLUMN_NAMES)} FROM snapshot WHERE office = ? ORDER BY id"  # noqa: S608 - our own column names
_AGING_DATES = "SELECT id, aging_date FROM snapshot WHERE office = ? ORDER BY id"
_BALANCES = (
    f"SELECT {_COLUMNS} FROM balance"  # noqa: S608 - the same
    " WHERE office = ?1 AND valid_from <= ?2 AND (valid_to IS NULL OR valid_to > ?2) ORDER BY pat_num"
)
_BACKFILLED_DAYS = (
    f"SELECT {', '.join(BACKFILLED_DAY_COLUMNS)} FROM historical_snapshot WHERE office = ? ORDER BY as_of"  # noqa: S608 - the same
)
_BACKFILLED_BALANCES = f"SELECT {_COLUMNS} FROM historical_balance WHERE snapshot = ?1 ORDER BY pat_num"  # noqa: S608 - the same
_VERSIONS_BETWEEN = (
    f"SELECT valid_from, valid_to, {_COLUMNS} FROM balance"  # noqa: S608 - the same
    " WHERE office = ?1 AND valid_from <= ?3 AND (valid_to IS NULL OR valid_to > ?2)"
    " AND NOT (valid_from <= ?2 AND (valid_to IS NULL OR valid_to > ?3)) ORDER BY pat_num, valid_from"
)
"""Every version that was true at some time between two snapshots, without those that were true all the time."""

_LAST_SEEN = (
    "SELECT pat_num, MAX(MIN(COALESCE(valid_to, ?2), ?2)) FROM balance WHERE office = ?1 AND valid_from < ?2"
    " GROUP BY pat_num"
)
"""Each guarantor's first snapshot without them after the last one with them, among those before a snapshot."""

Version = tuple[int, int | None, Balance]
"""From which snapshot on, until which (None: still), and what."""


@dataclass(frozen=True, slots=True)
class DayMovement:
    """What became of an office from one picture to the next."""

    new: int
    changed: int
    cleared: int
    flow: BucketFlow
    rates: RollRates


@dataclass(frozen=True, slots=True)
class StoredOffice:
    """One office that something is known of."""

    key: int
    """Of its rows."""
    id: str
    name: str
    is_configured: bool
    """False: no longer configured; its data is kept."""


class HistoryReader:
    """An open database, for reading. Make one with `open`; it belongs to the thread that made it."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Self]:
        """Open a database that a daemon made, or a backup of one.

        Raises:
            DatabaseMissing: there is none.
            DatabaseOlder: its daemon has to migrate it first.
            DatabaseNewer: it was made by a newer oddaemon.
            DatabaseUnusable: it cannot be read; the text says why and what to do.
        """
        path = path.expanduser().resolve()
        require_newest(path)
        with translate_errors(path):
            connection = open_read_only(path)
        # What goes wrong in the block is not the database's fault, unless a method below says so.
        with closing(connection):
            yield cls(path, connection)

    def list_offices(self) -> list[StoredOffice]:
        """Every office that was ever enrolled, ordered by id."""
        with translate_read_errors(self.path):
            rows = self._connection.execute(_OFFICES).fetchall()
        return [StoredOffice(key, office_id, name, bool(is_configured)) for key, office_id, name, is_configured in rows]

    def get_office(self, office_id: str) -> StoredOffice:
        """One of them.

        Raises:
            OfficeUnknown: there is none of that id.
        """
        for office in self.list_offices():
            if office.id == office_id:
                return office
        raise OfficeUnknown(office_id)

    def list_snapshots(self, office: StoredOffice) -> list[SnapshotRow]:
        """What is kept of an office's published snapshots, oldest first."""
        with translate_read_errors(self.path), decoding_errors(self.path):
            rows = self._connection.execute(_SNAPSHOTS, (office.key,))
            return [parse_snapshot_row(office.id, row) for row in rows]

    def list_days(self, office: StoredOffice) -> list[HistoryDay]:
        """The picture of every day that is known, in order: the snapshots, and what was read of other days."""
        with translate_read_errors(self.path), decoding_errors(self.path):
            rows = self._connection.execute(_BACKFILLED_DAYS, (office.key,)).fetchall()
            backfilled_days = [parse_backfilled_day(row) for row in rows]
        return merge_days(self.list_snapshots(office), backfilled_days)

    def read_balances(self, office: StoredOffice, day: HistoryDay) -> Iterator[list[Balance]]:
        """A picture's balances, ordered by pat_num."""
        with translate_read_errors(self.path):
            cursor = self._connection.execute(*_build_balance_query(office, day))
            while rows := cursor.fetchmany(ROWS_PER_BATCH):
                yield list(map(Balance._make, rows))
        self._require_stored(office, day)

    def find_missing_columns(self, office: StoredOffice, day: HistoryDay) -> MissingColumns:
        """The columns that a picture does not tell: those that may be left out, and are 0 in each of its rows."""
        if not may_omit_columns(day):
            return NONE_MISSING
        rows, parameters = _build_balance_query(office, day)
        conditions = (f"EXISTS (SELECT 1 FROM ({rows}) WHERE {name} <> 0)" for name in OPTIONAL_COLUMNS)  # noqa: S608 - our own column names
        with translate_read_errors(self.path):
            found = self._connection.execute(f"SELECT {', '.join(conditions)}", parameters).fetchone()
        return frozenset(name for name, is_present in zip(OPTIONAL_COLUMNS, found, strict=True) if not is_present)

    def read_changes(
        self, office: StoredOffice, first: HistoryDay, last: HistoryDay
    ) -> Iterator[list[GuarantorChange]]:
        """What became of each guarantor from one picture to a later one, ordered by pat_num.

        Whoever came and went in between, or has the very balance again, did not change; nor is a column a change that
        one of the two does not tell.
        """
        changes = self._find_changes(office, first, last)
        while batch := list(islice(changes, ROWS_PER_BATCH)):
            yield batch

    def compute_movements(self, office: StoredOffice, days: Sequence[HistoryDay]) -> list[DayMovement | None]:
        """What moved with each of these pictures, which follow one another, since the one before; None: the first."""
        snapshots = select_snapshots(days)
        flows = self.compute_flows(office, snapshots[0], snapshots[-1]) if snapshots else {}
        movements: list[DayMovement | None] = [None]
        for earlier, later in pairwise(days):
            have_same_columns = may_omit_columns(earlier) == may_omit_columns(later)
            if have_same_columns and isinstance(earlier, SnapshotRow) and isinstance(later, SnapshotRow):
                counts, money_flow = (later.new, later.changed, later.cleared), flows.get(later.id, NO_FLOW)
            else:
                counts, money_flow = _summarize_changes(self._find_changes(office, earlier, later))
            movements.append(DayMovement(*counts, money_flow, compute_roll_rates(money_flow, earlier.totals)))
        return movements

    def compute_flows(self, office: StoredOffice, first: SnapshotRow, last: SnapshotRow) -> dict[int, BucketFlow]:
        """How money moved between the buckets with each snapshot after `first` up to `last`, by its id.

        One pass over all versions, however many snapshots that is.
        """
        flows: defaultdict[int, BucketFlow] = defaultdict(lambda: NO_FLOW)
        for versions in self._read_versions(office, first.id, last.id):
            for snapshot_id, previous, current in _iterate_version_changes(versions, first.id, last.id):
                flows[snapshot_id] = flows[snapshot_id].add(compute_flow(previous, current))
        self._require_stored(office, first)
        return dict(flows)

    def _find_changes(self, office: StoredOffice, first: HistoryDay, last: HistoryDay) -> Iterator[GuarantorChange]:
        aging_dates, missing_columns = (
            self._load_aging_dates(office),
            self.find_missing_columns(office, first) | self.find_missing_columns(office, last),
        )
        if isinstance(first, SnapshotRow) and isinstance(last, SnapshotRow):
            for versions in self._read_versions(office, first.id, last.id):
                if (
                    change := _compare_versions(versions, (first.id, last.id), aging_dates, missing_columns)
                ) is not None:
                    yield change
            self._require_stored(office, first)
            return
        last_seen = self._load_last_seen(office, last, aging_dates)
        earlier, later = (chain.from_iterable(self.read_balances(office, each)) for each in (first, last))
        yield from iter_changes(
            earlier, later, lambda pat_num: max(first.aging_date, last_seen.get(pat_num, date.min)), missing_columns
        )

    def _require_stored(self, office: StoredOffice, day: HistoryDay) -> None:
        """What was read of a picture was whole if it is there afterwards: it is pruned before its rows are."""
        query, (*_, key) = _build_balance_query(office, day)
        table = "historical_snapshot" if query is _BACKFILLED_BALANCES else "snapshot"
        with translate_read_errors(self.path):
            if not self._connection.execute(f"SELECT 1 FROM {table} WHERE id = ?", (key,)).fetchone():  # noqa: S608 - our own names
                raise SnapshotMissing(
                    f"What was kept of {office.id} of {day.aging_date} went while it was read.", "Ask once more."
                )

    def _load_last_seen(self, office: StoredOffice, last: HistoryDay, aging_dates: "_AgingDates") -> dict[int, date]:
        """The aging date of the last snapshot before a picture that had each guarantor."""
        until = last.id if isinstance(last, SnapshotRow) else aging_dates.find_first_since(last.aging_date)
        with translate_read_errors(self.path), decoding_errors(self.path):
            rows = self._connection.execute(_LAST_SEEN, (office.key, until))
            return {pat_num: aging_dates.find_previous(missing_since) for pat_num, missing_since in rows}

    def _load_aging_dates(self, office: StoredOffice) -> "_AgingDates":
        with translate_read_errors(self.path), decoding_errors(self.path):
            rows = self._connection.execute(_AGING_DATES, (office.key,)).fetchall()
            return _AgingDates([key for key, _ in rows], [date.fromisoformat(day) for _, day in rows])

    def _read_versions(self, office: StoredOffice, first: int, last: int) -> Iterator[list[Version]]:
        """The versions between two snapshots, a list for each guarantor."""
        with translate_read_errors(self.path):
            cursor = self._connection.execute(_VERSIONS_BETWEEN, (office.key, first, last))
            cursor.arraysize = ROWS_PER_BATCH
            for _, rows in groupby(_fetch_rows(cursor), key=itemgetter(2)):
                yield [(valid_from, valid_to, Balance._make(row)) for valid_from, valid_to, *row in rows]


@dataclass(frozen=True, slots=True)
class _AgingDates:
    """The aging dates of snapshots in the order of their ids, to say of which day the one before another was."""

    ids: list[int]
    dates: list[date]

    def find_previous(self, snapshot_id: int) -> date:
        """`date.min`: it was the first that is kept."""
        index = bisect_left(self.ids, snapshot_id)
        return self.dates[index - 1] if index else date.min

    def find_first_since(self, day: date) -> int:
        """The first snapshot of that day or a later one; where there is none, an id after all."""
        later = (number for number, each in zip(self.ids, self.dates, strict=True) if each >= day)
        return next(later, self.ids[-1] + 1 if self.ids else 0)


def _build_balance_query(office: StoredOffice, day: HistoryDay) -> tuple[str, tuple[int, ...]]:
    if isinstance(day, BackfilledDay):
        return _BACKFILLED_BALANCES, (day.key,)
    return _BALANCES, (office.key, day.id)


def _compare_versions(
    versions: Sequence[Version],
    snapshot_ids: tuple[int, int],
    aging_dates: _AgingDates,
    missing_columns: MissingColumns = NONE_MISSING,
) -> GuarantorChange | None:
    first, last = snapshot_ids
    relevant = (
        [each for each in versions if to_comparable(each[2], missing_columns) is not None]
        if missing_columns
        else versions
    )
    if not relevant:
        return None
    valid_from, _, balance = relevant[0]
    earlier = balance if valid_from <= first else None
    _, valid_to, balance = relevant[-1]
    later = balance if valid_to is None or valid_to > last else None
    if earlier is not None and later is not None:
        is_same = to_comparable(earlier, missing_columns) == to_comparable(later, missing_columns)
        return None if is_same else GuarantorChange(ChangeKind.CHANGED, earlier, later)
    if later is not None:
        return GuarantorChange(ChangeKind.NEW, None, later)
    if earlier is None:
        return None
    assert valid_to is not None, "a version without an end is true at the last snapshot"
    return GuarantorChange(ChangeKind.CLEARED, earlier, None, aging_dates.find_previous(valid_to))


def _summarize_changes(changes: Iterable[GuarantorChange]) -> tuple[tuple[int, int, int], BucketFlow]:
    counts, total_flow = Counter[ChangeKind](), NO_FLOW
    for each in changes:
        counts[each.change] += 1
        total_flow = total_flow.add(compute_flow(each.before, each.after))
    return (counts[ChangeKind.NEW], counts[ChangeKind.CHANGED], counts[ChangeKind.CLEARED]), total_flow


def _iterate_version_changes(
    versions: Sequence[Version], first: int, last: int
) -> Iterator[tuple[int, Balance | None, Balance | None]]:
    """Each snapshot with which a guarantor changed: its id, the balance before and the balance after."""
    earlier, ended = None, None
    for valid_from, valid_to, balance in versions:
        if ended is not None and ended != valid_from:
            yield ended, earlier, None
            earlier = None
        if valid_from > first:
            yield valid_from, earlier, balance
        earlier, ended = balance, valid_to
    if ended is not None and ended <= last:
        yield ended, earlier, None


def _fetch_rows(cursor: sqlite3.Cursor) -> Iterator[tuple[Any, ...]]:
    while rows := cursor.fetchmany():
        yield from rows
