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

from oddaemon.core.diff import Difference, differences
from oddaemon.core.model import Balance, Change
from oddaemon.core.rolling import STILL, Flow, RollRates, flow, roll_rates
from oddaemon.core.untold import ALL_TOLD, OPTIONAL_COLUMNS, Untold, as_told
from oddaemon.store.copying import reading
from oddaemon.store.errors import StoreError, explained, legible, open_still
from oddaemon.store.migration import require_newest
from oddaemon.store.past_day import PAST_DAY_NAMES, PastDay, past_day_of_texts
from oddaemon.store.picture import Picture, SnapshotMissing, in_order, may_leave_out, nights_of
from oddaemon.store.snapshot_row import SNAPSHOT_NAMES, SnapshotRow, snapshot_row_of_texts

ROWS_A_BATCH = 10_000

_COLUMNS = ", ".join(Balance._fields)
_OFFICES = "SELECT key, id, name, wanted FROM office ORDER BY id"
_SNAPSHOTS = f"SELECT {', '.join(SNAPSHOT_NAMES)} FROM snapshot WHERE office = ? ORDER BY id"  # noqa: S608 - our own column names
_DAYS = "SELECT id, aging_date FROM snapshot WHERE office = ? ORDER BY id"
_BALANCES = (
    f"SELECT {_COLUMNS} FROM balance"  # noqa: S608 - the same
    " WHERE office = ?1 AND valid_from <= ?2 AND (valid_to IS NULL OR valid_to > ?2) ORDER BY pat_num"
)
_PAST_DAYS = f"SELECT {', '.join(PAST_DAY_NAMES)} FROM historical_snapshot WHERE office = ? ORDER BY as_of"  # noqa: S608 - the same
_PAST_BALANCES = f"SELECT {_COLUMNS} FROM historical_balance WHERE snapshot = ?1 ORDER BY pat_num"  # noqa: S608 - the same
_VERSIONS_BETWEEN = (
    f"SELECT valid_from, valid_to, {_COLUMNS} FROM balance"  # noqa: S608 - the same
    " WHERE office = ?1 AND valid_from <= ?3 AND (valid_to IS NULL OR valid_to > ?2)"
    " AND NOT (valid_from <= ?2 AND (valid_to IS NULL OR valid_to > ?3)) ORDER BY pat_num, valid_from"
)
"""Every version that was true at some time between two snapshots, without those that were true all the time."""

_SEEN_BEFORE = (
    "SELECT pat_num, MAX(MIN(COALESCE(valid_to, ?2), ?2)) FROM balance WHERE office = ?1 AND valid_from < ?2"
    " GROUP BY pat_num"
)
"""Each guarantor's first snapshot without them after the last one with them, among those before a snapshot."""

Version = tuple[int, int | None, Balance]
"""From which snapshot on, until which (None: still), and what."""


class OfficeUnknown(StoreError):  # noqa: N818 - as its relatives
    """Nothing was ever stored of such an office."""

    def __init__(self, office_id: str) -> None:
        super().__init__(f"The database knows no office {office_id!r}.", "`oddaemon status` lists them all.")


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of an office from one picture to the next."""

    new: int
    changed: int
    cleared: int
    flow: Flow
    rates: RollRates


@dataclass(frozen=True, slots=True)
class ArchivedOffice:
    """One office that something is known of."""

    key: int
    """Of its rows."""
    id: str
    name: str
    is_wanted: bool
    """False: no longer configured; its data is kept."""


class Archive:
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
        with explained(path):
            connection = reading(path)
        # What goes wrong in the block is not the database's fault, unless a method below says so.
        with closing(connection):
            yield cls(path, connection)

    def offices(self) -> list[ArchivedOffice]:
        """Every office that was ever enrolled, ordered by id."""
        with open_still(self.path):
            rows = self._connection.execute(_OFFICES).fetchall()
        return [ArchivedOffice(key, office_id, name, bool(wanted)) for key, office_id, name, wanted in rows]

    def office(self, office_id: str) -> ArchivedOffice:
        """One of them.

        Raises:
            OfficeUnknown: there is none of that id.
        """
        for office in self.offices():
            if office.id == office_id:
                return office
        raise OfficeUnknown(office_id)

    def snapshots(self, office: ArchivedOffice) -> list[SnapshotRow]:
        """What is kept of an office's published snapshots, oldest first."""
        with open_still(self.path), legible(self.path):
            rows = self._connection.execute(_SNAPSHOTS, (office.key,))
            return [snapshot_row_of_texts(office.id, row) for row in rows]

    def pictures(self, office: ArchivedOffice) -> list[Picture]:
        """The picture of every day that is known, in order: the snapshots, and what was read of other days."""
        with open_still(self.path), legible(self.path):
            rows = self._connection.execute(_PAST_DAYS, (office.key,)).fetchall()
            past_days = [past_day_of_texts(row) for row in rows]
        return in_order(self.snapshots(office), past_days)

    def balances(self, office: ArchivedOffice, picture: Picture) -> Iterator[list[Balance]]:
        """A picture's balances, ordered by pat_num."""
        with open_still(self.path):
            cursor = self._connection.execute(*_rows_of(office, picture))
            while rows := cursor.fetchmany(ROWS_A_BATCH):
                yield list(map(Balance._make, rows))
        self._require_kept(office, picture)

    def untold(self, office: ArchivedOffice, picture: Picture) -> Untold:
        """The columns that a picture does not tell: those that may be left out, and are 0 in each of its rows."""
        if not may_leave_out(picture):
            return ALL_TOLD
        rows, parameters = _rows_of(office, picture)
        told = (f"EXISTS (SELECT 1 FROM ({rows}) WHERE {name} <> 0)" for name in OPTIONAL_COLUMNS)  # noqa: S608 - our own column names
        with open_still(self.path):
            found = self._connection.execute(f"SELECT {', '.join(told)}", parameters).fetchone()
        return frozenset(name for name, is_told in zip(OPTIONAL_COLUMNS, found, strict=True) if not is_told)

    def changes(self, office: ArchivedOffice, first: Picture, last: Picture) -> Iterator[list[Difference]]:
        """What became of each guarantor from one picture to a later one, ordered by pat_num.

        Whoever came and went in between, or has the very balance again, did not change; nor is a column a change that
        one of the two does not tell.
        """
        differences = self._differences(office, first, last)
        while found := list(islice(differences, ROWS_A_BATCH)):
            yield found

    def movements(self, office: ArchivedOffice, pictures: Sequence[Picture]) -> list[Moved | None]:
        """What moved with each of these pictures, which follow one another, since the one before; None: the first."""
        nights = nights_of(pictures)
        flows = self.flows(office, nights[0], nights[-1]) if nights else {}
        moved: list[Moved | None] = [None]
        for earlier, later in pairwise(pictures):
            alike = may_leave_out(earlier) == may_leave_out(later)
            if alike and isinstance(earlier, SnapshotRow) and isinstance(later, SnapshotRow):
                counts, flown = (later.new, later.changed, later.cleared), flows.get(later.id, STILL)
            else:
                counts, flown = _summed(self._differences(office, earlier, later))
            moved.append(Moved(*counts, flown, roll_rates(flown, earlier.totals)))
        return moved

    def flows(self, office: ArchivedOffice, first: SnapshotRow, last: SnapshotRow) -> dict[int, Flow]:
        """How money moved between the buckets with each snapshot after `first` up to `last`, by its id.

        One pass over all versions, however many snapshots that is.
        """
        moved: defaultdict[int, Flow] = defaultdict(lambda: STILL)
        for versions in self._versions(office, first.id, last.id):
            for snapshot_id, before, after in _steps(versions, first.id, last.id):
                moved[snapshot_id] = moved[snapshot_id].plus(flow(before, after))
        self._require_kept(office, first)
        return dict(moved)

    def _differences(self, office: ArchivedOffice, first: Picture, last: Picture) -> Iterator[Difference]:
        days, untold = self._days(office), self.untold(office, first) | self.untold(office, last)
        if isinstance(first, SnapshotRow) and isinstance(last, SnapshotRow):
            for versions in self._versions(office, first.id, last.id):
                if (difference := _difference(versions, (first.id, last.id), days, untold)) is not None:
                    yield difference
            self._require_kept(office, first)
            return
        seen = self._seen_before(office, last, days)
        before, after = (chain.from_iterable(self.balances(office, each)) for each in (first, last))
        yield from differences(
            before, after, lambda pat_num: max(first.aging_date, seen.get(pat_num, date.min)), untold
        )

    def _require_kept(self, office: ArchivedOffice, picture: Picture) -> None:
        """What was read of a picture was whole if it is there afterwards: it is pruned before its rows are."""
        query, (*_, key) = _rows_of(office, picture)
        table = "historical_snapshot" if query is _PAST_BALANCES else "snapshot"
        with open_still(self.path):
            if not self._connection.execute(f"SELECT 1 FROM {table} WHERE id = ?", (key,)).fetchone():  # noqa: S608 - our own names
                raise SnapshotMissing(
                    f"What was kept of {office.id} of {picture.aging_date} went while it was read.", "Ask once more."
                )

    def _seen_before(self, office: ArchivedOffice, last: Picture, days: "_Days") -> dict[int, date]:
        """The aging date of the last snapshot before a picture that had each guarantor."""
        until = last.id if isinstance(last, SnapshotRow) else days.first_from(last.aging_date)
        with open_still(self.path), legible(self.path):
            rows = self._connection.execute(_SEEN_BEFORE, (office.key, until))
            return {pat_num: days.before(gone) for pat_num, gone in rows}

    def _days(self, office: ArchivedOffice) -> "_Days":
        with open_still(self.path), legible(self.path):
            rows = self._connection.execute(_DAYS, (office.key,)).fetchall()
            return _Days([key for key, _ in rows], [date.fromisoformat(day) for _, day in rows])

    def _versions(self, office: ArchivedOffice, first: int, last: int) -> Iterator[list[Version]]:
        """The versions between two snapshots, a list for each guarantor."""
        with open_still(self.path):
            cursor = self._connection.execute(_VERSIONS_BETWEEN, (office.key, first, last))
            cursor.arraysize = ROWS_A_BATCH
            for _, rows in groupby(_fetched(cursor), key=itemgetter(2)):
                yield [(valid_from, valid_to, Balance._make(row)) for valid_from, valid_to, *row in rows]


@dataclass(frozen=True, slots=True)
class _Days:
    """The aging dates of snapshots in the order of their ids, to say of which day the one before another was."""

    ids: list[int]
    days: list[date]

    def before(self, snapshot_id: int) -> date:
        """`date.min`: it was the first that is kept."""
        place = bisect_left(self.ids, snapshot_id)
        return self.days[place - 1] if place else date.min

    def first_from(self, day: date) -> int:
        """The first snapshot of that day or a later one; where there is none, an id after all."""
        later = (number for number, each in zip(self.ids, self.days, strict=True) if each >= day)
        return next(later, self.ids[-1] + 1 if self.ids else 0)


def _rows_of(office: ArchivedOffice, picture: Picture) -> tuple[str, tuple[int, ...]]:
    if isinstance(picture, PastDay):
        return _PAST_BALANCES, (picture.key,)
    return _BALANCES, (office.key, picture.id)


def _difference(
    versions: Sequence[Version], pair: tuple[int, int], days: _Days, untold: Untold = ALL_TOLD
) -> Difference | None:
    first, last = pair
    told = [each for each in versions if as_told(each[2], untold) is not None] if untold else versions
    if not told:
        return None
    valid_from, _, balance = told[0]
    before = balance if valid_from <= first else None
    _, valid_to, balance = told[-1]
    after = balance if valid_to is None or valid_to > last else None
    if before is not None and after is not None:
        is_same = as_told(before, untold) == as_told(after, untold)
        return None if is_same else Difference(Change.CHANGED, before, after)
    if after is not None:
        return Difference(Change.NEW, None, after)
    if before is None:
        return None
    assert valid_to is not None, "a version without an end is true at the last snapshot"
    return Difference(Change.CLEARED, before, None, days.before(valid_to))


def _summed(found: Iterable[Difference]) -> tuple[tuple[int, int, int], Flow]:
    counts, moved = Counter[Change](), STILL
    for each in found:
        counts[each.change] += 1
        moved = moved.plus(flow(each.before, each.after))
    return (counts[Change.NEW], counts[Change.CHANGED], counts[Change.CLEARED]), moved


def _steps(versions: Sequence[Version], first: int, last: int) -> Iterator[tuple[int, Balance | None, Balance | None]]:
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


def _fetched(cursor: sqlite3.Cursor) -> Iterator[tuple[Any, ...]]:
    while rows := cursor.fetchmany():
        yield from rows
