"""What a picture of an office does not tell: columns that were not asked for, or not answered, and are kept as 0.

The vendor's aging report knows no guarantor's own balance, and no clinic unless it is asked for one clinic after
another; an operator's own query may leave out both. Such a 0 is nobody's word: it is shown as nothing, and no change is
told from it.
"""

from collections.abc import Collection

from oddaemon.core.model import Balance, Reader

OPTIONAL_COLUMNS = ("clinic_num", "est_balance")
"""A reader that leaves one of them out leaves it out in every row."""
Untold = frozenset[str]
"""The columns that are not told."""
ALL_TOLD: Untold = frozenset()


LEAVING_OUT = frozenset({Reader.REPORT})
"""Readers that may leave out `OPTIONAL_COLUMNS`: statements, pages and a night's uploads tell all."""


def left_out(reader: Reader, balances: Collection[Balance]) -> Untold:
    """The columns that a snapshot does not tell: those that its reader may leave out, and are 0 in each of its rows."""
    if reader not in LEAVING_OUT:
        return ALL_TOLD
    return frozenset(name for name in OPTIONAL_COLUMNS if not any(getattr(each, name) for each in balances))


def as_told(balance: Balance, untold: Untold) -> Balance | None:
    """A balance as far as it is told, to be compared; None: nothing is left of it that made it one."""
    if not untold:
        return balance
    told = balance._replace(**dict.fromkeys(untold, 0))
    return told if any(told[2:]) else None


def as_shown(balance: Balance, untold: Untold) -> tuple[int | None, ...]:
    """A balance as it is given to others: None where nobody told."""
    if not untold:
        return balance
    return tuple(None if name in untold else value for name, value in zip(Balance._fields, balance, strict=True))
