"""One day that was read afterwards, as the database lists it: everything but its balances."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from oddaemon.core.backfill import Via
from oddaemon.core.model import ControlTotals

PAST_DAY_NAMES = ("id", "as_of", "published_at", "via", *ControlTotals._fields)
"""The columns that `past_day_of_texts` wants, in its order."""


@dataclass(frozen=True, slots=True)
class PastDay:
    """An office's balances as of a day that was over when they were read, by order: no snapshot, and beside them."""

    key: int
    """Of its rows."""
    aging_date: date
    published_at: datetime
    via: Via
    totals: ControlTotals


def past_day_of_texts(values: Sequence[Any]) -> PastDay:
    """Build one from the values of `PAST_DAY_NAMES` as SQLite holds them.

    Raises:
        ValueError, TypeError: a value is none that was ever stored.
    """
    key, day, at, via, *totals = values
    told = ControlTotals._make(map(int, totals))
    return PastDay(key, date.fromisoformat(day), datetime.fromisoformat(at), Via(via), told)
