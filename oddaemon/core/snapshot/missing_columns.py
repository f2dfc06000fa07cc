"""What a picture of an office does not tell: columns that were not asked for, or not answered, and are kept as 0.

The vendor's aging report knows no guarantor's own balance, and no clinic unless it is asked for one clinic after
another; an operator's own query may leave out both. Such a 0 is nobody's word: it is shown as nothing, and no change is
told from it.
"""

from collections.abc import Collection

from oddaemon.core.model import Balance, Reader

OPTIONAL_COLUMNS = ("clinic_num", "est_balance")
"""A reader that leaves one of them out leaves it out in every row."""
MissingColumns = frozenset[str]
"""The columns that are not told."""
NONE_MISSING: MissingColumns = frozenset()


PARTIAL_READERS = frozenset({Reader.REPORT})
"""Readers that may leave out `OPTIONAL_COLUMNS`: statements, pages and a night's uploads tell all."""


def find_missing_columns(reader: Reader, balances: Collection[Balance]) -> MissingColumns:
    """The columns that a snapshot does not tell: those that its reader may leave out, and are 0 in each of its rows."""
    if reader not in PARTIAL_READERS:
        return NONE_MISSING
    return frozenset(name for name in OPTIONAL_COLUMNS if not any(getattr(each, name) for each in balances))


def to_comparable(balance: Balance, missing_columns: MissingColumns) -> Balance | None:
    """A balance as far as it is told, to be compared; None: nothing is left of it that made it one."""
    if not missing_columns:
        return balance
    comparable = balance._replace(**dict.fromkeys(missing_columns, 0))
    return comparable if any(comparable[2:]) else None


def mask_missing_columns(balance: Balance, missing_columns: MissingColumns) -> tuple[int | None, ...]:
    """A balance as it is given to others: None where nobody told."""
    if not missing_columns:
        return balance
    return tuple(
        None if name in missing_columns else value for name, value in zip(Balance._fields, balance, strict=True)
    )
