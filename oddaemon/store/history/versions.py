"""What the stored versions of one guarantor's balance say of the snapshots between which they were true.

A version was true from snapshot `valid_from` on, until before snapshot `valid_to`; None: it still is.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from oddaemon.core.model import Balance, ChangeKind
from oddaemon.core.snapshot.diff import GuarantorChange
from oddaemon.core.snapshot.missing_columns import MissingColumns, to_comparable

Version = tuple[int, int | None, Balance]
"""`valid_from`, `valid_to` and what was true; a plain tuple, as a year of an office has 120,000 of them."""


@dataclass(frozen=True, slots=True)
class AgingDates:
    """The aging dates of an office's snapshots, in the order of their ids."""

    ids: list[int]
    dates: list[date]

    def find_previous(self, snapshot_id: int) -> date:
        """The aging date of the snapshot before this one; `date.min`: it is the first that is kept."""
        index = bisect_left(self.ids, snapshot_id)
        return self.dates[index - 1] if index else date.min

    def find_first_since(self, day: date) -> int:
        """The first snapshot of that day or a later one; where there is none, an id after all others."""
        later = (number for number, each in zip(self.ids, self.dates, strict=True) if each >= day)
        return next(later, self.ids[-1] + 1 if self.ids else 0)


def compare_ends(
    versions: Sequence[Version], first: int, last: int, aging_dates: AgingDates, missing_columns: MissingColumns
) -> GuarantorChange | None:
    """How a guarantor changed from one snapshot to a later one; None: not at all.

    Args:
        versions: the guarantor's versions that were true between the two, oldest first.
        first: the id of the earlier snapshot.
        last: the id of the later snapshot.
        aging_dates: of the office's snapshots.
        missing_columns: what one of the two does not have, and what is therefore not compared.
    """
    comparable = versions
    if missing_columns:
        comparable = [each for each in versions if to_comparable(each[2], missing_columns) is not None]
    if not comparable:
        return None
    (valid_from, _, earliest), (_, valid_to, latest) = comparable[0], comparable[-1]
    earlier = earliest if valid_from <= first else None
    later = latest if valid_to is None or valid_to > last else None
    if earlier is not None and later is not None:
        is_same = to_comparable(earlier, missing_columns) == to_comparable(later, missing_columns)
        return None if is_same else GuarantorChange(ChangeKind.CHANGED, earlier, later)
    if later is not None:
        return GuarantorChange(ChangeKind.NEW, None, later)
    if earlier is None:
        return None
    assert valid_to is not None, "a version without an end is true at the last snapshot"
    return GuarantorChange(ChangeKind.CLEARED, earlier, None, aging_dates.find_previous(valid_to))


def iterate_steps(
    versions: Sequence[Version], first: int, last: int
) -> Iterator[tuple[int, Balance | None, Balance | None]]:
    """Each snapshot after `first` up to `last` with which a guarantor changed: its id, and the balances around it."""
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
