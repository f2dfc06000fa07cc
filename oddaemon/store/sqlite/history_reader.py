"""Reads everything that was published and is kept, with or without a running daemon: any day, and what changed.

For commands, scripts and exports, each in its own thread. Nothing is written. Rows come in batches, so that a million
of them take no more memory than a few thousand.
"""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import chain, groupby, islice, pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any, Self

from oddaemon.core.model import Balance, ChangeKind, PublishedSnapshot
from oddaemon.core.snapshot.diff import GuarantorChange, iter_changes
from oddaemon.core.snapshot.missing_columns import NONE_MISSING, OPTIONAL_COLUMNS, MissingColumns
from oddaemon.core.snapshot.roll_rates import NO_FLOW, BucketFlow, RollRates, compute_flow, compute_roll_rates
from oddaemon.store.backfilled_days import BACKFILLED_DAYS_OF_OFFICE, BackfilledDay, parse_backfilled_day
from oddaemon.store.errors import OfficeUnknown, decoding_errors
from oddaemon.store.history.day import HistoryDay, SnapshotMissing, may_omit_columns, merge_days, select_snapshots
from oddaemon.store.history.versions import AgingDates, Version, compare_ends, iterate_steps
from oddaemon.store.sqlite.copy import open_read_only
from oddaemon.store.sqlite.errors import translate_errors, translate_read_errors
from oddaemon.store.sqlite.version import require_newest
from oddaemon.store.values import BALANCE_COLUMNS, SNAPSHOTS_OF_OFFICE, parse_snapshot

ROWS_PER_BATCH = 10_000

_OFFICES = "SELECT id, name, wanted FROM office ORDER BY id"
_OFFICE_KEY = "(SELECT key FROM office WHERE id = ?1)"
_AGING_DATES = f"SELECT id, aging_date FROM snapshot WHERE office = {_OFFICE_KEY} ORDER BY id"  # noqa: S608 - our own names
_BALANCES = (
    f"SELECT {BALANCE_COLUMNS} FROM balance"  # noqa: S608 - the same
    f" WHERE office = {_OFFICE_KEY} AND valid_from <= ?2 AND (valid_to IS NULL OR valid_to > ?2) ORDER BY pat_num"
)
_BACKFILLED_BALANCES = f"SELECT {BALANCE_COLUMNS} FROM historical_balance WHERE snapshot = ?1 ORDER BY pat_num"  # noqa: S608 - the same
_VERSIONS_BETWEEN = (
    f"SELECT valid_from, valid_to, {BALANCE_COLUMNS} FROM balance"  # noqa: S608 - the same
    f" WHERE office = {_OFFICE_KEY} AND valid_from <= ?3 AND (valid_to IS NULL OR valid_to > ?2)"
    " AND NOT (valid_from <= ?2 AND (valid_to IS NULL OR valid_to > ?3)) ORDER BY pat_num, valid_from"
)
"""Every version that was true at some time between two snapshots, without those that were true all the time."""

_LAST_SEEN = (
    "SELECT pat_num, MAX(MIN(COALESCE(valid_to, ?2), ?2)) FROM balance"  # noqa: S608 - the same
    f" WHERE office = {_OFFICE_KEY} AND valid_from < ?2"
    " GROUP BY pat_num"
)
"""Each guarantor's first snapshot without them after the last one with them, among those before a snapshot."""


@dataclass(frozen=True, slots=True)
class DayMovement:
    """How an office's balances changed from one day to the next."""

    new: int
    changed: int
    cleared: int
    flow: BucketFlow
    rates: RollRates


class HistoryReader:
    """An open database, for reading. Make one with `open`; it belongs to the thread that made it."""

    def __init__(self, path: Path, connection: sqlite3.Connection, *, has_lost_log: bool = False) -> None:
        self.path = path
        self.has_lost_log = has_lost_log
        """Whether transactions may be missing (`open_mark`)."""
        self._connection = connection

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Self]:
        """Open a database that a daemon made, or a backup of one.

        Raises:
            StoreError: as `require_newest`.
        """
        path = path.expanduser().resolve()
        has_lost_log = require_newest(path).has_lost_log
        with translate_errors(path):
            connection = open_read_only(path)
        # An error in the block is the caller's: the methods below translate those of the database.
        with closing(connection):
            yield cls(path, connection, has_lost_log=has_lost_log)

    def list_offices(self) -> list[tuple[str, str, bool]]:
        """Every office that was ever registered, ordered by id: id, name, and whether it is still configured."""
        with translate_read_errors(self.path):
            rows = self._connection.execute(_OFFICES).fetchall()
        return [(office_id, name, bool(is_configured)) for office_id, name, is_configured in rows]

    def list_snapshots(self, office_id: str) -> list[PublishedSnapshot]:
        """The office's snapshots that are kept, oldest first.

        Raises:
            OfficeUnknown: the database has no such office.
        """
        rows = self._fetch_office_rows(SNAPSHOTS_OF_OFFICE, office_id)
        with decoding_errors(self.path):
            return [parse_snapshot(office_id, row) for row in rows]

    def list_days(self, office_id: str) -> list[HistoryDay]:
        """Every day of an office that has balances, in order: the snapshots, and the backfilled days.

        Raises:
            OfficeUnknown: the database has no such office.
        """
        rows = self._fetch_office_rows(BACKFILLED_DAYS_OF_OFFICE, office_id)
        with decoding_errors(self.path):
            backfilled_days = [parse_backfilled_day(office_id, row) for row in rows]
        return merge_days(self.list_snapshots(office_id), backfilled_days)

    def read_balances(self, day: HistoryDay) -> Iterator[list[Balance]]:
        """The balances of a day, ordered by pat_num."""
        with translate_read_errors(self.path):
            cursor = self._connection.execute(*_build_balance_query(day))
            while rows := cursor.fetchmany(ROWS_PER_BATCH):
                yield list(map(Balance._make, rows))
        self._require_stored(day)

    def find_missing_columns(self, day: HistoryDay) -> MissingColumns:
        """The columns that a day does not have: those that may be left out, and are 0 in each of its rows."""
        if not may_omit_columns(day):
            return NONE_MISSING
        rows, parameters = _build_balance_query(day)
        conditions = (f"EXISTS (SELECT 1 FROM ({rows}) WHERE {name} <> 0)" for name in OPTIONAL_COLUMNS)  # noqa: S608 - our own column names
        with translate_read_errors(self.path):
            found = self._connection.execute(f"SELECT {', '.join(conditions)}", parameters).fetchone()
        return frozenset(name for name, is_present in zip(OPTIONAL_COLUMNS, found, strict=True) if not is_present)

    def read_changes(self, first: HistoryDay, last: HistoryDay) -> Iterator[list[GuarantorChange]]:
        """How each guarantor changed from one day to a later one, ordered by pat_num.

        A guarantor who came and went in between, or who has the same balance again, did not change. A column that one
        of the two days does not have is not compared.
        """
        changes = self._find_changes(first, last)
        while batch := list(islice(changes, ROWS_PER_BATCH)):
            yield batch

    def compute_movements(self, days: Sequence[HistoryDay]) -> list[DayMovement | None]:
        """How money moved to each of these consecutive days from the day before; None: the first has none before."""
        snapshots = select_snapshots(days)
        flows = self.compute_flows(snapshots[0], snapshots[-1]) if snapshots else {}
        movements: list[DayMovement | None] = [None]
        for earlier, later in pairwise(days):
            if (
                isinstance(earlier, PublishedSnapshot)
                and isinstance(later, PublishedSnapshot)
                and may_omit_columns(earlier) == may_omit_columns(later)
            ):
                counts, flow = (later.new, later.changed, later.cleared), flows.get(later.id, NO_FLOW)
            else:
                counts, flow = _summarize_changes(self._find_changes(earlier, later))
            movements.append(DayMovement(*counts, flow, compute_roll_rates(flow, earlier.totals)))
        return movements

    def compute_flows(self, first: PublishedSnapshot, last: PublishedSnapshot) -> dict[int, BucketFlow]:
        """How money moved between the buckets with each snapshot after `first` up to `last`, by its id.

        One pass over all versions, however many snapshots that is.
        """
        flows: defaultdict[int, BucketFlow] = defaultdict(lambda: NO_FLOW)
        for versions in self._read_versions(first, last):
            for snapshot_id, previous, current in iterate_steps(versions, first.id, last.id):
                flows[snapshot_id] = flows[snapshot_id].add(compute_flow(previous, current))
        self._require_stored(first)
        return dict(flows)

    def _find_changes(self, first: HistoryDay, last: HistoryDay) -> Iterator[GuarantorChange]:
        if isinstance(first, PublishedSnapshot) and isinstance(last, PublishedSnapshot):
            return self._find_changes_by_versions(first, last)
        return self._find_changes_by_comparison(first, last)

    def _find_changes_by_versions(self, first: PublishedSnapshot, last: PublishedSnapshot) -> Iterator[GuarantorChange]:
        """Between two snapshots: from the versions that began or ended in between."""
        aging_dates, missing = self._load_aging_dates(first.office_id), self._find_missing_of_either(first, last)
        for versions in self._read_versions(first, last):
            if (change := compare_ends(versions, first.id, last.id, aging_dates, missing)) is not None:
                yield change
        self._require_stored(first)

    def _find_changes_by_comparison(self, first: HistoryDay, last: HistoryDay) -> Iterator[GuarantorChange]:
        """Where one of the days was backfilled and has no versions: from the rows of both."""
        aging_dates, missing = self._load_aging_dates(first.office_id), self._find_missing_of_either(first, last)
        last_seen = self._load_last_seen(last, aging_dates)

        def find_last_seen(pat_num: int) -> date:
            return max(first.aging_date, last_seen.get(pat_num, date.min))

        earlier, later = (chain.from_iterable(self.read_balances(each)) for each in (first, last))
        return iter_changes(earlier, later, find_last_seen, missing)

    def _find_missing_of_either(self, first: HistoryDay, last: HistoryDay) -> MissingColumns:
        return self.find_missing_columns(first) | self.find_missing_columns(last)

    def _fetch_office_rows(self, query: str, office_id: str) -> list[Any]:
        """Rows of an office, by its key.

        Raises:
            OfficeUnknown: the database has no such office.
        """
        with translate_read_errors(self.path):
            found = self._connection.execute("SELECT key FROM office WHERE id = ?", (office_id,)).fetchone()
            if found is None:
                raise OfficeUnknown(office_id)
            return self._connection.execute(query, {"office": found[0]}).fetchall()

    def _require_stored(self, day: HistoryDay) -> None:
        """Raise if a day was pruned while it was read; its header is pruned before its rows are."""
        table = "snapshot" if isinstance(day, PublishedSnapshot) else "historical_snapshot"
        with translate_read_errors(self.path):
            if not self._connection.execute(f"SELECT 1 FROM {table} WHERE id = ?", (day.id,)).fetchone():  # noqa: S608 - our own names
                raise SnapshotMissing(
                    f"The balances of {day.office_id} of {day.aging_date} were pruned while they were read.",
                    "Run the command again.",
                )

    def _load_last_seen(self, last: HistoryDay, aging_dates: AgingDates) -> dict[int, date]:
        """For each guarantor, the aging date of the last snapshot before a day that had them."""
        until = last.id if isinstance(last, PublishedSnapshot) else aging_dates.find_first_since(last.aging_date)
        with translate_read_errors(self.path), decoding_errors(self.path):
            rows = self._connection.execute(_LAST_SEEN, (last.office_id, until))
            return {pat_num: aging_dates.find_previous(missing_since) for pat_num, missing_since in rows}

    def _load_aging_dates(self, office_id: str) -> AgingDates:
        with translate_read_errors(self.path), decoding_errors(self.path):
            rows = self._connection.execute(_AGING_DATES, (office_id,)).fetchall()
            return AgingDates([key for key, _ in rows], [date.fromisoformat(day) for _, day in rows])

    def _read_versions(self, first: PublishedSnapshot, last: PublishedSnapshot) -> Iterator[list[Version]]:
        """The versions between two snapshots, a list for each guarantor."""
        with translate_read_errors(self.path):
            cursor = self._connection.execute(_VERSIONS_BETWEEN, (first.office_id, first.id, last.id))
            cursor.arraysize = ROWS_PER_BATCH
            for _, rows in groupby(_fetch_rows(cursor), key=itemgetter(2)):
                yield [(valid_from, valid_to, Balance._make(row)) for valid_from, valid_to, *row in rows]


def _build_balance_query(day: HistoryDay) -> tuple[str, tuple[int | str, ...]]:
    if isinstance(day, BackfilledDay):
        return _BACKFILLED_BALANCES, (day.id,)
    return _BALANCES, (day.office_id, day.id)


def _summarize_changes(changes: Iterable[GuarantorChange]) -> tuple[tuple[int, int, int], BucketFlow]:
    counts, total_flow = Counter[ChangeKind](), NO_FLOW
    for each in changes:
        counts[each.change] += 1
        total_flow = total_flow.add(compute_flow(each.before, each.after))
    return (counts[ChangeKind.NEW], counts[ChangeKind.CHANGED], counts[ChangeKind.CLEARED]), total_flow


def _fetch_rows(cursor: sqlite3.Cursor) -> Iterator[tuple[Any, ...]]:
    while rows := cursor.fetchmany():
        yield from rows
