"""The guarantors' balances in the office's database, with the history of every state."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from oddaemon.simulator.model.balances import Include, StoredBalance, TrueBalance, select_balances
from oddaemon.simulator.model.ledger import Family
from oddaemon.simulator.model.office_clock import OfficeClock
from oddaemon.simulator.model.world_clock import WorldClock
from oddaemon.simulator.mysql.tables import Tables
from oddaemon.simulator.practice.history import History


class BalanceTable:
    """The only way to change a balance: database, oracle and history change together.

    Args:
        families: All families, with the rows that `tables` already contains.
        tables: The office's database.
        clock: The world's time, for the history.
        office_clock: The office's time, for `DateTStamp`.
    """

    def __init__(
        self, families: Sequence[Family], tables: Tables, clock: WorldClock, office_clock: OfficeClock
    ) -> None:
        self.families = families
        self._tables = tables
        self._clock = clock
        self._office_clock = office_clock
        self._history = History(clock.now(), clock.elapsed_seconds())

    def rewrite(self, families: Iterable[Family], make_row: Callable[[Family], StoredBalance]) -> None:
        """Update the rows of these families in one transaction; unchanged rows are not touched.

        Args:
            families: The families to update.
            make_row: Makes the row of a family from its ledger.
        """
        changed = [(family, row) for family in families if (row := make_row(family)) != family.row]
        if not changed:
            return
        previous_rows = [family.row for family, _ in changed]
        self._history.record(self._clock.now(), previous_rows, self._clock.elapsed_seconds())
        self._tables.update_balances([row for _, row in changed], self._office_clock.now())
        for family, row in changed:
            family.row = row

    def get_true_balances(self, include: Include, clinics: Sequence[int]) -> list[TrueBalance]:
        """The balances that a correct reader sees now, ordered by PatNum."""
        return select_balances((family.row for family in self.families), include, frozenset(clinics))

    def find_true_spans(
        self, balances: Sequence[TrueBalance], include: Include, clinics: Sequence[int]
    ) -> list[tuple[float, float]]:
        """Every span, in seconds since the world began, during which a correct reader saw exactly these balances."""
        current = {family.guarantor: family.row for family in self.families}
        return self._history.find_spans(
            balances, current, self._clock.elapsed_seconds(), include=include, clinics=frozenset(clinics)
        )

    def find_true_interval(
        self, balances: Sequence[TrueBalance], include: Include, clinics: Sequence[int], since: datetime | None
    ) -> tuple[datetime, datetime] | None:
        """The latest interval during which a correct reader saw exactly these balances, if there was one."""
        current = {family.guarantor: family.row for family in self.families}
        return self._history.find_interval(
            balances, current, self._clock.now(), include=include, clinics=frozenset(clinics), since=since
        )
