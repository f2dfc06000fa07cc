"""Proof that what was read is what the office's table holds: rows against the office's own control totals."""

from collections.abc import Callable, Iterable, Sequence
from zlib import crc32

from oddaemon.core.aging import parse_date, parse_datetime
from oddaemon.core.model import MONEY_COLUMNS, AgingMark, Balance, Control, ControlTotals


def totals_of(balances: Sequence[Balance]) -> ControlTotals:
    """The control totals that the office would give for exactly these balances."""
    if not balances:
        return ControlTotals(0, 0, 0, 0, 0, 0, 0, 0, 0)
    _, _, *money = zip(*balances, strict=True)
    checksum = sum(map(crc32, _row_bytes(balances)))
    return ControlTotals._make((len(balances), *map(sum, money), checksum))


def _row_bytes(balances: Iterable[Balance]) -> Iterable[bytes]:
    """`row_text` in bytes, at once: this runs over every guarantor of every office."""
    return (b"%d,%d,%d,%d,%d,%d,%d,%d,%d" % balance for balance in balances)


def difference(balances: Sequence[Balance], control: Control) -> str | None:
    """What does not add up, as a sentence without amounts; None: the balances are proved."""
    found, wanted = totals_of(balances), control.totals
    if found == wanted:
        return None
    if found.guarantors != wanted.guarantors:
        return f"{found.guarantors} guarantors were read where the office counts {wanted.guarantors}"
    differing = [name for name in MONEY_COLUMNS if getattr(found, name) != getattr(wanted, name)]
    if differing:
        return f"the sums of {', '.join(differing)} differ from the office's own"
    return "the sums agree and the rows do not: two errors that cancel each other"


def aging_moved(expected: AgingMark, control: Control) -> str | None:
    """Whether aging ran since the pull was decided upon, as a sentence; None: it stood still."""
    if not _same(parse_date, control.date_last_aging, expected.date_last_aging):
        return f"aging moved from {expected.date_last_aging or 'never'} to {control.date_last_aging or 'never'}"
    if not _same(parse_datetime, control.aging_begin, expected.aging_begin):
        return "a run of aging began or ended"
    return None


def _same(parse: Callable[[str], object], one: str, other: str) -> bool:
    """Equal as written, or as meant: a GET and SQL may write the same date in two ways."""
    try:
        return one == other or parse(one) == parse(other)
    except ValueError:
        return False
