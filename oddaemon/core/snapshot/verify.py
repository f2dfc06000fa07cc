"""Proof that what was read is what the office's table holds: rows against the office's own control totals."""

from collections.abc import Callable, Collection
from itertools import islice
from operator import add
from zlib import crc32

from oddaemon.core.dates import parse_date, parse_datetime
from oddaemon.core.model import MONEY_COLUMNS, AgingMark, Balance, ControlQueryResult, ControlTotals

SUMMED_AT_ONCE = 10_000
"""Balances."""

ZERO_TOTALS = ControlTotals(*[0] * len(ControlTotals._fields))


def compute_totals(balances: Collection[Balance], checksum: int | None = None) -> ControlTotals:
    """The control totals that the office would report for exactly these balances.

    Args:
        balances: Each guarantor once.
        checksum: Of the row texts that the balances were parsed from. None: of the texts made from the balances.
    """
    sums = [0] * len(MONEY_COLUMNS)
    rows = iter(balances)
    while batch := list(islice(rows, SUMMED_AT_ONCE)):  # so that a large office is never expanded as a whole
        _, _, *money = zip(*batch, strict=True)
        sums = list(map(add, sums, map(sum, money)))
    if checksum is None:
        checksum = sum(map(crc32, (b"%d,%d,%d,%d,%d,%d,%d,%d,%d" % balance for balance in balances)))
    return ControlTotals._make((len(balances), *sums, checksum))


def add_totals(totals: ControlTotals, more: ControlTotals, sign: int = 1) -> ControlTotals:
    """The totals of both sets of balances together; with `sign` -1, of the first without the second."""
    return ControlTotals._make(one + sign * other for one, other in zip(totals, more, strict=True))


def find_difference(found: ControlTotals, wanted: ControlTotals) -> str | None:
    """How rows with these totals differ from the wanted ones, as a clause without amounts. None: they are proved."""
    if found == wanted:
        return None
    if found.guarantors != wanted.guarantors:
        return f"{found.guarantors} guarantors were read where the office counts {wanted.guarantors}"
    differing = [name for name in MONEY_COLUMNS if getattr(found, name) != getattr(wanted, name)]
    if differing:
        return f"the sums of {', '.join(differing)} differ from the office's own"
    return "the sums agree and the rows do not: two errors that cancel each other"


def find_aging_change(expected: AgingMark, control: ControlQueryResult | AgingMark) -> str | None:
    """Whether aging ran since the pull was decided upon, as a sentence; None: it stood still."""
    if not _is_same(parse_date, control.date_last_aging, expected.date_last_aging):
        return f"aging moved from {expected.date_last_aging or 'never'} to {control.date_last_aging or 'never'}"
    if not _is_same(parse_datetime, control.aging_begin, expected.aging_begin):
        return "a run of aging began or ended"
    return None


def _is_same(parse: Callable[[str], object], one: str, other: str) -> bool:
    """Equal as written, or as meant: a GET and SQL may write the same date in two ways."""
    try:
        return one == other or parse(one) == parse(other)
    except ValueError:
        return False
