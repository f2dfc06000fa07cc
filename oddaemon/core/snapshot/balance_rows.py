"""The balances of an office as the texts of their rows, with the totals that they add up to.

An office's server writes each row as nine integers with commas, its checksum is made of that text, and the database
returns the stored rows in the same form. So rows are proved and compared as they are, and only a row that changed
becomes a `Balance`.
"""

from collections.abc import Collection, Iterator, Sequence
from zlib import crc32

from oddaemon.core.model import Balance, ControlTotals, index_balances
from oddaemon.core.snapshot.verify import ZERO_TOTALS, add_totals, compute_totals

ROW_NUMBERS = len(Balance._fields)
_FIRST_MONEY_COLUMN = Balance._fields.index("est_balance")


class BalanceRows(Collection[Balance]):
    """Balances, each of which is built when its turn comes; each guarantor once.

    Attributes:
        texts: By pat_num, of each row the nine integers as `str` writes them. Only the methods change it.
        totals: What the rows add up to. The checksum is that of the texts as they came.
    """

    __slots__ = ("texts", "totals")

    def __init__(self) -> None:
        self.texts: dict[int, bytes] = {}
        self.totals: ControlTotals = ZERO_TOTALS

    @classmethod
    def of(cls, balances: Collection[Balance]) -> "BalanceRows":
        """The rows of these balances; of a guarantor who occurs twice, the last one."""
        if isinstance(balances, cls):
            return balances
        rows, indexed = cls(), index_balances(balances)
        rows.texts = {pat_num: b"%d,%d,%d,%d,%d,%d,%d,%d,%d" % balance for pat_num, balance in indexed.items()}
        rows.totals = compute_totals(indexed.values(), sum(map(crc32, rows.texts.values())))
        return rows

    @classmethod
    def from_numbers(cls, texts: Sequence[bytes], numbers: Sequence[int], checksum: int | None = None) -> "BalanceRows":
        """Rows whose texts were decoded, all at once.

        Args:
            texts: Of each row the nine integers, as `str` writes them.
            numbers: The integers of all rows, one row after the other.
            checksum: Of the texts as they came, if they came in another form.
        """
        rows = cls()
        rows.texts = dict(zip(numbers[::ROW_NUMBERS], texts, strict=True))
        if len(rows.texts) < len(texts):
            return cls.of([Balance._make(row) for row in zip(*[iter(numbers)] * ROW_NUMBERS, strict=True)])
        sums = [sum(numbers[column::ROW_NUMBERS]) for column in range(_FIRST_MONEY_COLUMN, ROW_NUMBERS)]
        checksum = sum(map(crc32, texts)) if checksum is None else checksum
        rows.totals = ControlTotals._make((len(texts), *sums, checksum))
        return rows

    def update(self, rows: "BalanceRows") -> None:
        """Add rows; of a guarantor who is here already, the row is replaced."""
        if not self.texts.keys().isdisjoint(rows.texts.keys()):
            for pat_num in self.texts.keys() & rows.texts.keys():
                self.discard(pat_num)
        self.texts.update(rows.texts)
        self.totals = add_totals(self.totals, rows.totals)

    def discard(self, pat_num: int) -> None:
        """Remove a guarantor's row, if there is one."""
        if (text := self.texts.pop(pat_num, None)) is not None:
            self.totals = add_totals(self.totals, compute_totals([_parse_row(text)]), sign=-1)

    def sort(self) -> None:
        """Order the rows by pat_num."""
        ordered = sorted(self.texts)
        if ordered != list(self.texts):
            self.texts = {pat_num: self.texts[pat_num] for pat_num in ordered}

    def __iter__(self) -> Iterator[Balance]:
        """The balances, one after the other."""
        return map(_parse_row, self.texts.values())

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.texts)

    def __contains__(self, balance: object) -> bool:
        """Whether a row equals this balance."""
        return any(each == balance for each in self)

    def __eq__(self, other: object) -> bool:
        """Whether both have the same rows, in any order."""
        return isinstance(other, BalanceRows) and self.texts == other.texts

    __hash__ = None  # type: ignore[assignment]  # rows change


def _parse_row(text: bytes) -> Balance:
    return Balance._make(map(int, text.split(b",")))
