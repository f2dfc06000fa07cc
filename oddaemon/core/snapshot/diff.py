"""Compares two snapshots of one office, guarantor by guarantor.

Absence is information: a guarantor who is in the earlier snapshot but not in the later one no longer owes anything and
is reported as `cleared`. The changes, applied to the earlier snapshot, give the later one to the cent.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from heapq import merge
from itertools import groupby, repeat

from oddaemon.core.model import Balance, ChangeKind
from oddaemon.core.snapshot.missing_columns import NONE_MISSING, MissingColumns, to_comparable


@dataclass(frozen=True, slots=True)
class SnapshotChanges:
    """All differences between two snapshots of one office. A guarantor in none of the three groups did not change."""

    new: tuple[Balance, ...] = field(default=(), repr=False)
    """Only in the later snapshot, in its order."""
    changed: tuple[tuple[Balance, Balance], ...] = field(default=(), repr=False)
    """In both, with different values: (earlier, later), in the later snapshot's order."""
    cleared: tuple[Balance, ...] = field(default=(), repr=False)
    """Only in the earlier snapshot, with their last values, in its order."""


@dataclass(frozen=True, slots=True)
class SnapshotDelta:
    """A snapshot, given as its changes since an earlier one that the receiver already has."""

    base_snapshot_id: int
    base_aging_date: date
    changes: SnapshotChanges


@dataclass(frozen=True, slots=True)
class GuarantorChange:
    """The change of one guarantor between two snapshots."""

    change: ChangeKind
    before: Balance | None = field(repr=False)
    """None: new."""
    after: Balance | None = field(repr=False)
    """None: cleared."""
    last_seen: date | None = None
    """Only if cleared: the aging date of the last snapshot that contains the guarantor. It may be later than the
    earlier one of the two."""

    @property
    def pat_num(self) -> int:
        """The guarantor's."""
        known = self.after or self.before
        assert known is not None, "a change has at least one side"
        return known.pat_num


def diff(before: Mapping[int, Balance], after: Mapping[int, Balance]) -> SnapshotChanges:
    """Compare two snapshots of one office.

    Args:
        before: the earlier balances by pat_num.
        after: the later balances by pat_num.
    """
    # Comprehensions are fast, and the event loop waits while a whole office is compared.
    new = [balance for pat_num, balance in after.items() if pat_num not in before]
    changed = [
        (before[pat_num], balance)
        for pat_num, balance in after.items()
        if pat_num in before and before[pat_num] != balance
    ]
    cleared = [balance for pat_num, balance in before.items() if pat_num not in after]
    return SnapshotChanges(tuple(new), tuple(changed), tuple(cleared))


def iter_changes(
    before: Iterable[Balance],
    after: Iterable[Balance],
    last_seen: Callable[[int], date],
    missing_columns: MissingColumns = NONE_MISSING,
) -> Iterator[GuarantorChange]:
    """Compare two snapshots of one office row by row, without holding either in memory.

    Args:
        before: the earlier balances, ordered by pat_num.
        after: the later balances, ordered by pat_num.
        last_seen: returns the last aging date on which the cleared guarantor with this pat_num was present.
        missing_columns: columns that one of the two lacks; they are not compared.
    """
    sides = (zip(repeat(side), _drop_empty(rows, missing_columns)) for side, rows in enumerate((before, after)))
    for pat_num, found in groupby(merge(*sides, key=_get_pat_num), key=_get_pat_num):
        by_side = dict(found)
        earlier, later = by_side.get(0), by_side.get(1)
        if earlier is None:
            yield GuarantorChange(ChangeKind.NEW, None, later)
        elif later is None:
            yield GuarantorChange(ChangeKind.CLEARED, earlier, None, last_seen(pat_num))
        elif to_comparable(earlier, missing_columns) != to_comparable(later, missing_columns):
            yield GuarantorChange(ChangeKind.CHANGED, earlier, later)


def _drop_empty(rows: Iterable[Balance], missing_columns: MissingColumns) -> Iterable[Balance]:
    return rows if not missing_columns else (each for each in rows if to_comparable(each, missing_columns) is not None)


def _get_pat_num(row: tuple[int, Balance]) -> int:
    return row[1].pat_num
