"""The balances of a very large office in a fifth of the memory: columns of 64-bit integers."""

from array import array
from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise

from oddaemon.core.model import Balance


class BalanceTable(Collection[Balance]):
    """Balances, each of which is built when its turn comes. `sort` makes their order ascending."""

    def __init__(self, balances: Iterable[Balance] = ()) -> None:
        self._columns = tuple(array("q") for _ in Balance._fields)
        for balance in balances:
            self.append(balance)

    def append(self, balance: Balance) -> None:
        """Add a row."""
        for column, value in zip(self._columns, balance, strict=True):
            column.append(value)

    def sort(self) -> bool:
        """Order the rows by pat_num.

        Returns:
            Whether each guarantor occurs once: otherwise the table is of no use.
        """
        pat_nums = self._columns[0]
        if not all(one < other for one, other in pairwise(pat_nums)):
            order = sorted(range(len(pat_nums)), key=pat_nums.__getitem__)
            self._columns = tuple(array("q", map(column.__getitem__, order)) for column in self._columns)
        return all(one < other for one, other in pairwise(self._columns[0]))

    def __iter__(self) -> Iterator[Balance]:
        """The balances, one after the other."""
        return map(Balance._make, zip(*self._columns, strict=True))

    def __len__(self) -> int:
        """The number of rows."""
        return len(self._columns[0])

    def __contains__(self, balance: object) -> bool:
        """Whether a row equals this balance."""
        return any(each == balance for each in self)
