"""What an office uploads: a CSV whose quoting cannot be trusted, and numbers in it that must be.

Only columns of numbers are read. A row with more cells than the header has was split inside a text by a stray comma;
what stands before the first text is then counted from the left, what stands behind the last one from the right, and a
number between two texts is refused rather than guessed.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from oddaemon.core.model import MONEY_COLUMNS, Balance, ControlTotals

NO_ROWS = "OK"
"""What a file holds whose query brought no rows."""
LINE_MAX = 65_536
"""Characters; a row of numbers and names has some hundred, and what reads CSV takes no cell of more than twice this."""
_NUMBER = re.compile(r"-?\d{1,18}(\.\d{1,30})?([eE][+-]?\d{1,2})?", re.ASCII)
_DOLLARS_MAX = 10**15
_SPLIT_INS = ("ins_wo_est", "ins_pay_est")
_REQUIRED = ("pat_num", "bal_0_30", "bal_31_60", "bal_61_90", "bal_over_90", "bal_total")
_KNOWN = {
    "patnum": "pat_num",
    "guarantor": "pat_num",
    "clinicnum": "clinic_num",
    "estbalance": "est_balance",
    "bal030": "bal_0_30",
    "bal3160": "bal_31_60",
    "bal6190": "bal_61_90",
    "balover90": "bal_over_90",
    "insest": "ins_est",
    "inswoest": "ins_wo_est",
    "inspayest": "ins_pay_est",
    "baltotal": "bal_total",
}
"""Columns by their letters and digits alone, as the vendor's programs write them in many ways."""


class UploadError(ValueError):
    """A file that cannot be read as balances; the text names a line or a column, never what stands there."""


@dataclass(frozen=True, slots=True)
class Header:
    """The columns of a file."""

    names: tuple[str, ...]
    """As written."""
    places: Mapping[str, int]
    """Where each column that is read stands."""

    @property
    def first_text(self) -> int:
        """The first column that is not read, and may hold anything."""
        return next((at for at in range(len(self.names)) if at not in self.places.values()), len(self.names))

    @property
    def last_text(self) -> int:
        """The last one; -1: there is none."""
        others = [at for at in range(len(self.names)) if at not in self.places.values()]
        return others[-1] if others else -1

    def money(self) -> tuple[str, ...]:
        """The columns of money that are read, as written, in the order of the file."""
        places = sorted(at for name, at in self.places.items() if name not in {"pat_num", "clinic_num"})
        return tuple(self.names[at] for at in places)


def header_of(line: str) -> Header:
    """The columns that a file's first line names.

    Raises:
        UploadError: One that is needed is missing, or named twice.
    """
    names = tuple(name.strip().strip('"') for name in next(csv.reader([line])))
    places: dict[str, int] = {}
    for at, name in enumerate(names):
        known = _KNOWN.get(re.sub(r"[^a-z0-9]", "", name.casefold()))
        if known is None or (known == "pat_num" and name.casefold() == "guarantor" and "pat_num" in places):
            continue
        if known in places and known != "pat_num":
            raise UploadError(f"the query gives two columns for {known}; give each once")
        places[known] = at
    missing = [name for name in _REQUIRED if name not in places]
    if "ins_est" not in places and not all(name in places for name in _SPLIT_INS):
        missing.append("ins_est")
    if missing:
        raise UploadError(f"the query gives no column for {', '.join(missing)}; name them as table patient does")
    return Header(names, places)


def balances_of(lines: Iterable[str]) -> tuple[Header | None, list[Balance]]:
    """A whole file, line by line.

    Returns:
        Its header, None where it says that there are no rows; and its balances, ordered by pat_num.

    Raises:
        UploadError: It is cut off, or a row cannot be read for sure, or names a guarantor a second time.
    """
    rows = _short(lines)
    first = next(rows, "").removeprefix("\ufeff")
    if not first.endswith("\n") and first.strip() != NO_ROWS:
        raise UploadError("the file is empty or ends within its first line")
    if first.strip() == NO_ROWS:
        if next(rows, None) is not None:
            raise UploadError("the file says that there are no rows, and goes on")
        return None, []
    header = header_of(first)
    found: dict[int, Balance] = {}
    for number, line in enumerate(_whole(rows), start=2):
        balance = _balance(_cells(line, header, number), number)
        if balance.pat_num in found:
            raise UploadError(f"line {number} names a guarantor a second time")
        found[balance.pat_num] = balance
    return header, [found[pat_num] for pat_num in sorted(found)]


def counted_totals(line: str, header: Header | None) -> ControlTotals:
    """Count and sums that the office's server made of the same query, in the order that `money` gives, as one line.

    Without a header, which a file without rows has not, only the count is there. The checksum is 0: the server counts
    and adds, and cannot know how we write a row.

    Raises:
        UploadError: It is no such line.
    """
    columns = () if header is None else header.money()
    cells = [cell.strip().strip('"') for cell in line.strip().split(",")]
    if len(cells) != 1 + len(columns):
        raise UploadError("the count that was asked for has another number of columns")
    guarantors, *sums = (_cents_of_sum(cell) for cell in cells)
    money = {} if header is None else _money(header, dict(zip(columns, sums, strict=True)))
    return ControlTotals._make((guarantors, *(money.get(name, 0) for name in MONEY_COLUMNS), 0))


def _money(header: Header, sums: Mapping[str, int]) -> dict[str, int]:
    told = {name: sums[header.names[at]] for name, at in header.places.items() if header.names[at] in sums}
    ins_est = told.get("ins_est", 0) if "ins_est" in told else sum(told[name] for name in _SPLIT_INS)
    return {**told, "ins_est": ins_est}


def _short(lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        if len(line) > LINE_MAX:
            raise UploadError(f"line {number} is longer than any row of balances")
        yield line


def _whole(lines: Iterator[str]) -> Iterator[str]:
    for number, line in enumerate(lines, start=2):
        if not line.endswith("\n"):
            raise UploadError(f"the file ends within line {number}")
        if line.strip():
            yield line


def _cells(line: str, header: Header, number: int) -> dict[str, str]:
    for cells in (next(csv.reader([line.rstrip("\r\n")])), line.rstrip("\r\n").split(",")):
        if len(cells) == len(header.names):
            return {name: cells[at].strip().strip('"') for name, at in header.places.items()}
    surplus = len(cells) - len(header.names)
    if surplus < 0:
        raise UploadError(f"line {number} has too few columns")
    return {name: cells[_shifted(at, header, surplus, number)].strip() for name, at in header.places.items()}


def _shifted(at: int, header: Header, surplus: int, number: int) -> int:
    """Where a column stands in a row that stray commas have made longer."""
    if header.last_text < 0:
        raise UploadError(f"line {number} has too many columns")
    if at < header.first_text:
        return at
    if at > header.last_text:
        return at + surplus
    raise UploadError(f"line {number} has too many columns, and numbers between two texts; put the numbers first")


def _balance(cells: Mapping[str, str], number: int) -> Balance:
    money = {name: _cents(cells[name], number) for name in cells if name not in {"pat_num", "clinic_num"}}
    if "ins_est" not in money:
        money["ins_est"] = sum(money[name] for name in _SPLIT_INS)
    return Balance(
        _integer(cells["pat_num"], number),
        _integer(cells.get("clinic_num", "0"), number),
        *(money.get(name, 0) for name in MONEY_COLUMNS),
    )


def _integer(text: str, number: int) -> int:
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
        raise UploadError(f"line {number} has no whole number where one is needed")
    return int(text)


def _cents(text: str, number: int) -> int:
    """Rounded as the office's server rounds a double."""
    if not _NUMBER.fullmatch(text) or abs(float(text)) > _DOLLARS_MAX:
        raise UploadError(f"line {number} has no amount where one is needed")
    return round(float(text) * 100)


def _cents_of_sum(text: str) -> int:
    """A whole number, as a server may write the sum of rounded doubles: `1234`, `1234.0` or `-0`."""
    if not _NUMBER.fullmatch(text) or not float(text).is_integer():
        raise UploadError("the count that was asked for holds something that is no whole number")
    return int(float(text))


def differs(balances: Sequence[Balance], totals: ControlTotals) -> str | None:
    """What of the server's own count the rows do not add up to, as a sentence without amounts; None: they do."""
    if len(balances) != totals.guarantors:
        return f"{len(balances)} guarantors were uploaded where the office counts {totals.guarantors}"
    wrong = [name for name in MONEY_COLUMNS if sum(getattr(row, name) for row in balances) != getattr(totals, name)]
    return f"the sums of {', '.join(wrong)} differ from the office's own" if wrong else None
