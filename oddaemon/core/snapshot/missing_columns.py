"""Columns that are missing from a snapshot: they were not requested or not returned, and are stored as 0.

The vendor's aging report has no guarantor's own balance, and no clinic unless it is requested clinic by clinic; an
operator's own query may omit both. Such a 0 is not a value: it is shown as empty, and never counts as a change.
"""

from collections.abc import Collection

from oddaemon.core.model import Balance, Reader

OPTIONAL_COLUMNS = ("clinic_num", "est_balance")
"""A reader that leaves one of them out leaves it out in every row."""
MissingColumns = frozenset[str]
"""The columns that are missing."""
NONE_MISSING: MissingColumns = frozenset()


PARTIAL_READERS = frozenset({Reader.REPORT})
"""Readers that may leave out `OPTIONAL_COLUMNS`: statements, pages and a night's uploads tell all."""


def find_missing_columns(reader: Reader, balances: Collection[Balance]) -> MissingColumns:
    """The columns that a snapshot does not tell: those that its reader may leave out, and are 0 in each of its rows."""
    if reader not in PARTIAL_READERS:
        return NONE_MISSING
    return frozenset(name for name in OPTIONAL_COLUMNS if not any(getattr(each, name) for each in balances))


def to_comparable(balance: Balance, missing_columns: MissingColumns) -> Balance | None:
    """Reduce a balance to its known columns for comparison; None: no known column makes it a balance."""
    if not missing_columns:
        return balance
    comparable = balance._replace(**dict.fromkeys(missing_columns, 0))
    return comparable if any(comparable[2:]) else None


def mask_missing_columns(balance: Balance, missing_columns: MissingColumns) -> tuple[int | None, ...]:
    """Convert a balance for delivery: None in place of missing columns."""
    if not missing_columns:
        return balance
    return tuple(
        None if name in missing_columns else value for name, value in zip(Balance._fields, balance, strict=True)
    )
