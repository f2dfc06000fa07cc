"""Every state the balance table was ever in, so that a snapshot can be held against the past.

A snapshot is honest if the table held exactly its rows at some instant, not only if it holds them now.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import datetime

from oddaemon.simulator.balances import Include, StoredBalance, TrueBalance, is_shown, true_balance


@dataclass(frozen=True, slots=True)
class Write:
    """Rows that changed together; no reader ever saw a part of it.

    Attributes:
        written_at: Aware UTC instant.
        before: The changed rows as they were.
    """

    written_at: datetime
    before: tuple[StoredBalance, ...]


class History:
    """The writes of one table, newest last. A world whose clock is stepped back has instants out of order: so be it."""

    def __init__(self, born_at: datetime) -> None:
        self._born_at = born_at
        self._writes: list[Write] = []

    def record(self, written_at: datetime, before: Sequence[StoredBalance]) -> None:
        """Note that these rows have just been overwritten."""
        if before:
            self._writes.append(Write(written_at, tuple(before)))

    def interval_of(
        self,
        wanted: Sequence[TrueBalance],
        current: dict[int, StoredBalance],
        now: datetime,
        *,
        include: Include,
        clinics: Container[int],
        since: datetime | None,
    ) -> tuple[datetime, datetime] | None:
        """The latest interval during which the filtered table was exactly `wanted`.

        Walks from the table of now back through its writes and keeps the set of rows that differ.

        Returns:
            First and last instant of the interval (the last is `now` if it still lasts), or None if there is none that
            reaches `since`.
        """
        rows = {balance.pat_num: balance for balance in wanted}
        if len(rows) != len(wanted) or not rows.keys() <= current.keys():
            return None

        def differs(row: StoredBalance) -> bool:
            visible = true_balance(row) if is_shown(row, include, clinics) else None
            return visible != rows.get(row.pat_num)

        different = {row.pat_num for row in current.values() if differs(row)}
        ended_at, end = now, None if different else now
        for write in reversed(self._writes):
            if end is None and since is not None and ended_at < since:
                return None
            for row in write.before:
                (different.add if differs(row) else different.discard)(row.pat_num)
            if end is not None and different:
                return write.written_at, end
            if end is None and not different:
                end = write.written_at
            ended_at = write.written_at
        return None if end is None else (self._born_at, end)
