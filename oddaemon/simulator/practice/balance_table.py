"""The guarantors' balances in the office's database, with every earlier state, so that a snapshot can be checked.

A snapshot is true if the table contained exactly its rows at some instant, even if it does not contain them now.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from oddaemon.simulator.model.balances import (
    Include,
    StoredBalance,
    TrueBalance,
    is_selected,
    select_balances,
    to_true_balance,
)
from oddaemon.simulator.model.ledger import Family
from oddaemon.simulator.model.world_clock import ServerClock, TimePoint
from oddaemon.simulator.mysql.tables import Tables


@dataclass(frozen=True, slots=True)
class _Write:
    """The rows before a write; no reader saw only a part of it."""

    at: TimePoint
    previous_rows: Sequence[StoredBalance]


class BalanceTable:
    """The only way to change a balance: database, oracle and history change together.

    Args:
        families: All families, with the rows that `tables` already contains.
        tables: The office's database.
        office_clock: The office's time, for `DateTStamp`, and the world's, for the history.
    """

    def __init__(self, families: Sequence[Family], tables: Tables, office_clock: ServerClock) -> None:
        self.families = families
        self._tables = tables
        self._office_clock = office_clock
        self._created = self._now()
        self._writes: list[_Write] = []

    def rewrite(self, families: Iterable[Family], make_row: Callable[[Family], StoredBalance]) -> None:
        """Update the rows of these families in one transaction; unchanged rows are not touched.

        Args:
            families: The families to update.
            make_row: Makes the row of a family from its ledger.
        """
        changed = [(family, row) for family in families if (row := make_row(family)) != family.row]
        if not changed:
            return
        self._writes.append(_Write(self._now(), [family.row for family, _ in changed]))
        self._tables.update_balances([row for _, row in changed], self._office_clock.now())
        for family, row in changed:
            family.row = row

    def get_true_balances(self, include: Include = "all", clinics: Sequence[int] = ()) -> list[TrueBalance]:
        """The balances that a correct reader of the table sees now, ordered by PatNum, in cents.

        Args:
            include: `debts` for the documented filter (`> 0`), `all` for `<> 0` on the same seven columns.
            clinics: Only these ClinicNums; empty for all.
        """
        return select_balances((family.row for family in self.families), include, frozenset(clinics))

    def find_true_interval(
        self,
        balances: Sequence[TrueBalance],
        include: Include = "all",
        clinics: Sequence[int] = (),
        since: datetime | None = None,
    ) -> tuple[datetime, datetime] | None:
        """The latest interval during which `get_true_balances(include, clinics)` was these balances, in any order.

        After the world's clock is stepped back, instants are out of order.

        Args:
            balances: The balances that a reader returned.
            include: As in `get_true_balances`.
            clinics: As in `get_true_balances`.
            since: Intervals that ended before this instant do not count.

        Returns:
            First and last instant; the last is now if they are still true. None if they were never true.
        """
        interval: tuple[datetime, datetime] | None = None
        for begin, end, is_match in self._iter_states(balances, include, frozenset(clinics)):
            if interval is None and since is not None and end.instant < since:
                return None
            if is_match:
                interval = begin.instant, interval[1] if interval else end.instant
            elif interval is not None:
                return interval
        return interval

    def find_true_spans(
        self, balances: Sequence[TrueBalance], include: Include = "all", clinics: Sequence[int] = ()
    ) -> list[tuple[float, float]]:
        """Every span of time during which `get_true_balances(include, clinics)` was these balances, oldest first.

        Returns:
            First and last moment of each, in seconds since the world began; the last is now if they are still true.
        """
        states = self._iter_states(balances, include, frozenset(clinics))
        return [(begin.seconds, end.seconds) for begin, end, is_match in states if is_match][::-1]

    def _iter_states(
        self, wanted: Sequence[TrueBalance], include: Include, clinics: Container[int]
    ) -> Iterator[tuple[TimePoint, TimePoint, bool]]:
        """Every state of the table from the present one back: its first and last moment, and whether it is `wanted`.

        Keeps the set of rows that differ.
        """
        rows = {balance.pat_num: balance for balance in wanted}
        if len(rows) != len(wanted) or not rows.keys() <= {family.guarantor for family in self.families}:
            return

        def differs(row: StoredBalance) -> bool:
            visible = to_true_balance(row) if is_selected(row, include, clinics) else None
            return visible != rows.get(row.pat_num)

        different = {family.guarantor for family in self.families if differs(family.row)}
        end = self._now()
        for write in reversed(self._writes):
            yield write.at, end, not different
            for row in write.previous_rows:
                (different.add if differs(row) else different.discard)(row.pat_num)
            end = write.at
        yield self._created, end, not different

    def _now(self) -> TimePoint:
        return TimePoint(self._office_clock.world.elapsed_seconds(), self._office_clock.world.now())
