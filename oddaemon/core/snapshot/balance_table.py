"""The balances of a very large office in a fifth of the memory: columns of 64-bit integers."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, ValuesView
from itertools import pairwise

from oddaemon.core.model import Balance


class BalanceTable(Mapping[int, Balance]):
    """Balances by pat_num; a balance is built when it is asked for. `sort` makes the order ascending."""

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

    def __getitem__(self, pat_num: int) -> Balance:
        """The balance of a guarantor, after `sort`."""
        at = bisect_left(self._columns[0], pat_num)
        if at == len(self) or self._columns[0][at] != pat_num:
            raise KeyError(pat_num)
        return Balance._make(column[at] for column in self._columns)

    def __iter__(self) -> Iterator[int]:
        """The pat_nums."""
        return iter(self._columns[0])

    def __len__(self) -> int:
        """The number of rows."""
        return len(self._columns[0])

    def values(self) -> ValuesView[Balance]:
        """The balances, one after the other."""
        return _Rows(self, self._columns)


class _Rows(ValuesView[Balance]):
    """The rows of a table, without a search for each."""

    def __init__(self, table: BalanceTable, columns: tuple["array[int]", ...]) -> None:
        super().__init__(table)
        self._columns = columns

    def __iter__(self) -> Iterator[Balance]:
        return map(Balance._make, zip(*self._columns, strict=True))
