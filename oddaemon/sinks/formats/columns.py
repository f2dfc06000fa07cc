"""The typed columns and the rows of a file.

A row is a tuple with a value for each column: integers, money in integer cents, dates, aware instants, texts, or None.
The format alone decides how each is written, so that a balance looks the same in every file.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum, auto
from typing import Any

from oddaemon.core.model import MONEY_COLUMNS, Balance, ChangeKind

Row = Sequence[Any]
WriteRows = Callable[[Sequence[Row]], None]
"""Adds rows to a file."""


class ColumnType(Enum):
    """What a column's values are."""

    INTEGER = auto()
    MONEY = auto()
    """Integer cents here; a decimal with two places in every file."""
    RATIO = auto()
    """A float: a share, or seconds."""
    DATE = auto()
    INSTANT = auto()
    """An aware datetime here; RFC 3339 in UTC in every text."""
    TEXT = auto()


@dataclass(frozen=True, slots=True)
class ExportColumn:
    """One column of a file."""

    name: str
    kind: ColumnType


Columns = tuple[ExportColumn, ...]

BALANCE_COLUMNS: Columns = tuple(
    ExportColumn(name, ColumnType.MONEY if name in MONEY_COLUMNS else ColumnType.INTEGER) for name in Balance._fields
)
"""A `Balance` is a row of these."""

CHANGE_COLUMNS: Columns = (
    ExportColumn("change", ColumnType.TEXT),
    *BALANCE_COLUMNS,
    *(ExportColumn(f"was_{column.name}", column.kind) for column in BALANCE_COLUMNS[1:]),
    ExportColumn("last_seen", ColumnType.DATE),
)
"""How a guarantor changed. `new` has no `was_` values, `changed` has both, `cleared` has only `was_` values: it deletes
the guarantor. The present columns are named as in a snapshot."""
_NOTHING = (None,) * (len(BALANCE_COLUMNS) - 1)


def make_change_row(change: ChangeKind, earlier: Row | None, later: Row | None, last_seen: date | None) -> Row:
    """A row of `CHANGE_COLUMNS`.

    Args:
        change: what happened.
        earlier: the earlier balance as a row of `BALANCE_COLUMNS`; None: new.
        later: the later balance likewise; None: cleared.
        last_seen: the aging date of the last snapshot that had a guarantor who is cleared.
    """
    known = later or earlier
    assert known is not None, "a change has at least one side"
    now, was = _NOTHING if later is None else later[1:], _NOTHING if earlier is None else earlier[1:]
    return (change.value, known[0], *now, *was, last_seen)
