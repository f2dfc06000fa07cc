"""Every state of the balance table, so that a snapshot can be compared with the past.

A snapshot is true if the table contained exactly its rows at some instant, even if it does not contain them now.
"""

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from oddaemon.simulator.model.balances import Include, StoredBalance, TrueBalance, is_selected, to_true_balance


@dataclass(frozen=True, slots=True)
class Write:
    """Rows that changed together; no reader saw only a part of them.

    Attributes:
        written_at: Aware UTC instant.
        written_seconds: The same in seconds since the world began.
        previous_rows: The changed rows before the write.
    """

    written_at: datetime
    written_seconds: float
    previous_rows: tuple[StoredBalance, ...]


@dataclass(frozen=True, slots=True)
class _State:
    """The table between two writes. `begin` None: since its creation; `end` None: until now."""

    begin: Write | None
    end: Write | None
    is_match: bool


class History:
    """The writes of one table, newest last.

    After the world's clock is stepped back, instants are out of order; seconds never are.

    Args:
        created_at: The world's instant at which the table was made.
        created_seconds: The same in seconds since the world began.
    """

    def __init__(self, created_at: datetime, created_seconds: float = 0.0) -> None:
        self._created_at = created_at
        self._created_seconds = created_seconds
        self._writes: list[Write] = []

    def record(
        self, written_at: datetime, previous_rows: Sequence[StoredBalance], written_seconds: float = 0.0
    ) -> None:
        """Record that these rows have just been overwritten."""
        if previous_rows:
            self._writes.append(Write(written_at, written_seconds, tuple(previous_rows)))

    def find_interval(
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

        Returns:
            First and last instant of the interval (the last is `now` if it still lasts); None if no such interval
            reaches `since`.
        """
        end: datetime | None = None
        for state in self._iter_states(wanted, current, include, clinics):
            ended_at = state.end.written_at if state.end else now
            if end is None and since is not None and ended_at < since:
                return None
            if state.is_match:
                end = end or ended_at
            elif end is not None:
                return (state.end.written_at if state.end else now), end
        return None if end is None else (self._created_at, end)

    def find_spans(
        self,
        wanted: Sequence[TrueBalance],
        current: dict[int, StoredBalance],
        now_seconds: float,
        *,
        include: Include,
        clinics: Container[int],
    ) -> list[tuple[float, float]]:
        """Every span of time during which the filtered table was exactly `wanted`, oldest first.

        Returns:
            First and last moment in seconds since the world began; the last is `now_seconds` if it still lasts.
        """
        spans = [
            (
                state.begin.written_seconds if state.begin else self._created_seconds,
                state.end.written_seconds if state.end else now_seconds,
            )
            for state in self._iter_states(wanted, current, include, clinics)
            if state.is_match
        ]
        return spans[::-1]

    def _iter_states(
        self,
        wanted: Sequence[TrueBalance],
        current: dict[int, StoredBalance],
        include: Include,
        clinics: Container[int],
    ) -> Iterator[_State]:
        """Every state of the table, from the present one back through its writes. Keeps the set of rows that differ."""
        rows = {balance.pat_num: balance for balance in wanted}
        if len(rows) != len(wanted) or not rows.keys() <= current.keys():
            return
        differs = _make_difference_check(rows, include, clinics)
        different = {row.pat_num for row in current.values() if differs(row)}
        end: Write | None = None
        for write in reversed(self._writes):
            yield _State(write, end, is_match=not different)
            for row in write.previous_rows:
                (different.add if differs(row) else different.discard)(row.pat_num)
            end = write
        yield _State(None, end, is_match=not different)


def _make_difference_check(
    wanted: dict[int, TrueBalance], include: Include, clinics: Container[int]
) -> Callable[[StoredBalance], bool]:
    def differs(row: StoredBalance) -> bool:
        visible = to_true_balance(row) if is_selected(row, include, clinics) else None
        return visible != wanted.get(row.pat_num)

    return differs
