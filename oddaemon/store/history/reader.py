"""Reads everything that was published and is kept, with or without a running daemon: any day, and what changed.

For commands, scripts and exports, each in its own thread. Nothing is written. Rows come in batches, so that a million
of them take no more memory than a few thousand.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain, groupby, islice, pairwise
from operator import itemgetter
from typing import Any

from sqlalchemy import TextClause

from oddaemon.core.model import Balance, ChangeKind, PublishedSnapshot
from oddaemon.core.snapshot.diff import GuarantorChange, iter_changes
from oddaemon.core.snapshot.missing_columns import NONE_MISSING, OPTIONAL_COLUMNS, MissingColumns
from oddaemon.core.snapshot.roll_rates import NO_FLOW, BucketFlow, RollRates, compute_flow, compute_roll_rates
from oddaemon.store.backfilled_days import BACKFILLED_DAYS_OF_OFFICE, BackfilledDay, parse_backfilled_day
from oddaemon.store.column_types import parse_date
from oddaemon.store.database import ReadConnection
from oddaemon.store.dialect import make_statement
from oddaemon.store.errors import OfficeUnknown, decoding_errors
from oddaemon.store.history.day import HistoryDay, SnapshotMissing, may_omit_columns, merge_days, select_snapshots
from oddaemon.store.history.versions import AgingDates, Version, compare_ends, iterate_steps
from oddaemon.store.values import BALANCE_COLUMNS, SNAPSHOTS_OF_OFFICE, parse_snapshot

ROWS_PER_BATCH = 10_000

_OFFICES = make_statement("SELECT id, name, wanted FROM office ORDER BY id")
_KEY = make_statement("SELECT key FROM office WHERE id = :office")
_SNAPSHOTS = make_statement(SNAPSHOTS_OF_OFFICE)
_BACKFILLED_DAYS = make_statement(BACKFILLED_DAYS_OF_OFFICE)
_SNAPSHOT_STORED = make_statement("SELECT 1 FROM snapshot WHERE id = :day")
_BACKFILLED_DAY_STORED = make_statement("SELECT 1 FROM historical_snapshot WHERE id = :day")
_OFFICE_KEY = "(SELECT key FROM office WHERE id = :office)"
_AGING_DATES = make_statement(f"SELECT id, aging_date FROM snapshot WHERE office = {_OFFICE_KEY} ORDER BY id")  # noqa: S608 - our own names
_BALANCES_OF_SNAPSHOT = (
    f"SELECT {BALANCE_COLUMNS} FROM balance"  # noqa: S608 - the same
    f" WHERE office = {_OFFICE_KEY} AND valid_from <= :day AND (valid_to IS NULL OR valid_to > :day) ORDER BY pat_num"
)
_BALANCES_OF_BACKFILLED_DAY = f"SELECT {BALANCE_COLUMNS} FROM historical_balance WHERE snapshot = :day ORDER BY pat_num"  # noqa: S608 - the same
_BALANCES = make_statement(_BALANCES_OF_SNAPSHOT)
_BACKFILLED_BALANCES = make_statement(_BALANCES_OF_BACKFILLED_DAY)


def _write_columns_present(rows: str) -> TextClause:
    """For each column that may be left out: whether a row of this query has something in it."""
    conditions = (f"EXISTS (SELECT 1 FROM ({rows}) AS of_day WHERE {name} <> 0)" for name in OPTIONAL_COLUMNS)  # noqa: S608 - our own names
    return make_statement(f"SELECT {', '.join(conditions)}")


_COLUMNS_PRESENT = _write_columns_present(_BALANCES_OF_SNAPSHOT)
_BACKFILLED_COLUMNS_PRESENT = _write_columns_present(_BALANCES_OF_BACKFILLED_DAY)
_VERSIONS_BETWEEN = make_statement(
    f"SELECT valid_from, valid_to, {BALANCE_COLUMNS} FROM balance"  # noqa: S608 - our own names
    f" WHERE office = {_OFFICE_KEY} AND valid_from <= :last AND (valid_to IS NULL OR valid_to > :first)"
    " AND NOT (valid_from <= :first AND (valid_to IS NULL OR valid_to > :last)) ORDER BY pat_num, valid_from"
)
"""Every version that was true at some time between two snapshots, without those that were true all the time."""

_LAST_SEEN = make_statement(
    "SELECT pat_num, MAX(CASE WHEN valid_to < :until THEN valid_to ELSE :until END) FROM balance"  # noqa: S608 - the same
    f" WHERE office = {_OFFICE_KEY} AND valid_from < :until"
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
    """An open database, for reading. It belongs to the thread that opened it."""

    def __init__(self, connection: ReadConnection) -> None:
        self._connection = connection

    @property
    def where(self) -> str:
        """Which database this is, for messages."""
        return self._connection.where

    @property
    def warning(self) -> str:
        """Why what is read may be incomplete, and what to do; "": it is not."""
        return self._connection.warning

    def list_offices(self) -> list[tuple[str, str, bool]]:
        """Every office that was ever registered, ordered by id: id, name, and whether it is still configured."""
        rows = self._connection.fetch(_OFFICES, {})
        return [(office_id, name, bool(is_configured)) for office_id, name, is_configured in rows]

    def list_snapshots(self, office_id: str) -> list[PublishedSnapshot]:
        """The office's snapshots that are kept, oldest first.

        Raises:
            OfficeUnknown: the database has no such office.
        """
        rows = self._fetch_office_rows(_SNAPSHOTS, office_id)
        with decoding_errors(self.where):
            return [parse_snapshot(office_id, row) for row in rows]

    def list_days(self, office_id: str) -> list[HistoryDay]:
        """Every day of an office that has balances, in order: the snapshots, and the backfilled days.

        Raises:
            OfficeUnknown: the database has no such office.
        """
        rows = self._fetch_office_rows(_BACKFILLED_DAYS, office_id)
        with decoding_errors(self.where):
            backfilled_days = [parse_backfilled_day(office_id, row) for row in rows]
        return merge_days(self.list_snapshots(office_id), backfilled_days)

    def read_balances(self, day: HistoryDay) -> Iterator[list[Balance]]:
        """The balances of a day, ordered by pat_num."""
        statement = _BACKFILLED_BALANCES if isinstance(day, BackfilledDay) else _BALANCES
        for rows in self._connection.stream(statement, _name_day(day), ROWS_PER_BATCH):
            yield list(map(Balance._make, rows))
        self._require_stored(day)

    def find_missing_columns(self, day: HistoryDay) -> MissingColumns:
        """The columns that a day does not have: those that may be left out, and are 0 in each of its rows."""
        if not may_omit_columns(day):
            return NONE_MISSING
        statement = _BACKFILLED_COLUMNS_PRESENT if isinstance(day, BackfilledDay) else _COLUMNS_PRESENT
        (found,) = self._connection.fetch(statement, _name_day(day))
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

    def _fetch_office_rows(self, query: TextClause, office_id: str) -> list[tuple[Any, ...]]:
        """Rows of an office, by its key.

        Raises:
            OfficeUnknown: the database has no such office.
        """
        found = self._connection.fetch(_KEY, {"office": office_id})
        if not found:
            raise OfficeUnknown(office_id)
        return self._connection.fetch(query, {"office": found[0][0]})

    def _require_stored(self, day: HistoryDay) -> None:
        """Raise if a day was pruned while it was read; its header is pruned before its rows are."""
        statement = _BACKFILLED_DAY_STORED if isinstance(day, BackfilledDay) else _SNAPSHOT_STORED
        if not self._connection.fetch(statement, {"day": day.id}):
            raise SnapshotMissing(
                f"The balances of {day.office_id} of {day.aging_date} were pruned while they were read.",
                "Run the command again.",
            )

    def _load_last_seen(self, last: HistoryDay, aging_dates: AgingDates) -> dict[int, date]:
        """For each guarantor, the aging date of the last snapshot before a day that had them."""
        until = last.id if isinstance(last, PublishedSnapshot) else aging_dates.find_first_since(last.aging_date)
        rows = self._connection.fetch(_LAST_SEEN, {"office": last.office_id, "until": until})
        return {pat_num: aging_dates.find_previous(missing_since) for pat_num, missing_since in rows}

    def _load_aging_dates(self, office_id: str) -> AgingDates:
        rows = self._connection.fetch(_AGING_DATES, {"office": office_id})
        with decoding_errors(self.where):
            return AgingDates([key for key, _ in rows], [parse_date(day) for _, day in rows])

    def _read_versions(self, first: PublishedSnapshot, last: PublishedSnapshot) -> Iterator[list[Version]]:
        """The versions between two snapshots, a list for each guarantor."""
        values = {"office": first.office_id, "first": first.id, "last": last.id}
        batches = self._connection.stream(_VERSIONS_BETWEEN, values, ROWS_PER_BATCH)
        for _, rows in groupby(chain.from_iterable(batches), key=itemgetter(2)):
            yield [(valid_from, valid_to, Balance._make(row)) for valid_from, valid_to, *row in rows]


def _name_day(day: HistoryDay) -> Mapping[str, int | str]:
    """The parameters of a day."""
    return {"day": day.id} if isinstance(day, BackfilledDay) else {"office": day.office_id, "day": day.id}


def _summarize_changes(changes: Iterable[GuarantorChange]) -> tuple[tuple[int, int, int], BucketFlow]:
    counts, total_flow = Counter[ChangeKind](), NO_FLOW
    for each in changes:
        counts[each.change] += 1
        total_flow = total_flow.add(compute_flow(each.before, each.after))
    return (counts[ChangeKind.NEW], counts[ChangeKind.CHANGED], counts[ChangeKind.CLEARED]), total_flow
