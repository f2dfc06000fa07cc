"""What a file holds: typed columns, and rows as the house has them.

A row is a tuple with a value for each column: integers, money in integer cents, dates, aware instants, texts, or None.
How each is written is the format's affair, so that a balance looks the same in every file that ever leaves the house.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from oddaemon.core.model import MONEY_COLUMNS, Balance

Row = Sequence[Any]
Put = Callable[[Sequence[Row]], None]
"""Adds rows to a file."""


class Kind(Enum):
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
class Column:
    """One column of a file."""

    name: str
    kind: Kind


Columns = tuple[Column, ...]

BALANCE_COLUMNS: Columns = tuple(
    Column(name, Kind.MONEY if name in MONEY_COLUMNS else Kind.INTEGER) for name in Balance._fields
)
"""A `Balance` is a row of these."""
