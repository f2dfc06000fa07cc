"""Parses the CSV that an office uploads, whose quoting is not reliable.

Only columns of numbers are read. A row with more cells than the header was split inside a text by an unquoted comma.
Then columns before the first text are counted from the left and columns after the last one from the right; a number
between two texts is refused and never guessed.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from oddaemon.core.model import MONEY_COLUMNS, Balance, ControlTotals
from oddaemon.core.snapshot.balance_table import BalanceTable

NO_ROWS = "OK"
"""The content of a file whose query returned no rows."""
LINE_CHARACTERS_MAX = 65_536
"""Characters; a row of numbers and names has some hundred, and what reads CSV takes no cell of more than twice this."""
_NUMBER = re.compile(r"-?\d{1,18}(\.\d{1,30})?([eE][+-]?\d{1,2})?", re.ASCII)
_DOLLARS_MAX = 10**15
_SPLIT_INS_COLUMNS = ("ins_wo_est", "ins_pay_est")
_REQUIRED_COLUMNS = ("pat_num", "bal_0_30", "bal_31_60", "bal_61_90", "bal_over_90", "bal_total")
_COLUMN_ALIASES = {
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
"""Columns by their letters and digits, as their names are written in several ways."""


class InvalidUpload(ValueError):
    """A file that cannot be read as balances; the text names a line or a column and never its content."""


class SurplusRows(InvalidUpload):
    """The file has more rows than the office counts."""


@dataclass(frozen=True, slots=True)
class CsvHeader:
    """The columns of a file."""

    names: tuple[str, ...]
    """As written."""
    positions: Mapping[str, int]
    """The index of each column that is read."""

    def list_text_indices(self) -> list[int]:
        """List the indices of the columns that are not read and may hold anything."""
        return [at for at in range(len(self.names)) if at not in self.positions.values()]

    def list_money_columns(self) -> tuple[str, ...]:
        """List the money columns that are read, as written, in the order of the file."""
        indices = sorted(at for name, at in self.positions.items() if name not in {"pat_num", "clinic_num"})
        return tuple(self.names[at] for at in indices)


def parse_header(line: str) -> CsvHeader:
    """Parse the column names in the first line of a file.

    Raises:
        InvalidUpload: A required column is missing, or a column occurs twice.
    """
    names = tuple(name.strip().strip('"') for name in next(csv.reader([line])))
    positions: dict[str, int] = {}
    for at, name in enumerate(names):
        known = _COLUMN_ALIASES.get(re.sub(r"[^a-z0-9]", "", name.casefold()))
        if known is None or (known == "pat_num" and name.casefold() == "guarantor" and "pat_num" in positions):
            continue
        if known in positions and known != "pat_num":
            raise InvalidUpload(f"the query returns two columns for {known}; return each once")
        positions[known] = at
    missing = [name for name in _REQUIRED_COLUMNS if name not in positions]
    if "ins_est" not in positions and not all(name in positions for name in _SPLIT_INS_COLUMNS):
        missing.append("ins_est")
    if missing:
        raise InvalidUpload(
            f"the query returns no column for {', '.join(missing)}; name the columns as table patient does"
        )
    return CsvHeader(names, positions)


def find_header(lines: Iterable[str]) -> CsvHeader | None:
    """Find the header of a file without reading more than its beginning; None: the file has no rows.

    Raises:
        InvalidUpload: It has no valid header.
    """
    header, rows = _parse_first_line(lines)
    return header if next(rows, None) is not None else None


def parse_balances(lines: Iterable[str], rows_max: int) -> BalanceTable:
    """Parse a whole file line by line.

    Args:
        lines: With their ends.
        rows_max: What the office counts: more rows are not read.

    Returns:
        Its balances, ordered by pat_num.

    Raises:
        SurplusRows: There are more than `rows_max`.
        InvalidUpload: It is truncated, a row is ambiguous, or a guarantor occurs twice.
    """
    header, rows = _parse_first_line(lines)
    table = BalanceTable()
    if header is None:
        return table
    for number, line in rows:
        if len(table) == rows_max:
            raise SurplusRows(f"the file has more than the {rows_max:,} rows that the office counts")
        table.append(_parse_balance(_split_cells(line, header, number), number))
    if not table.sort():
        raise InvalidUpload("the file repeats a guarantor")
    return table


def _parse_first_line(lines: Iterable[str]) -> tuple[CsvHeader | None, Iterator[tuple[int, str]]]:
    """The header and the numbered lines after it; no header: the query returned no rows."""
    rows = _limit_line_length(lines)
    first = next(rows, "").removeprefix("\ufeff")
    if not first.endswith("\n") and first.strip() != NO_ROWS:
        raise InvalidUpload("the file is empty or ends within its first line")
    if first.strip() == NO_ROWS:
        if next(rows, None) is not None:
            raise InvalidUpload("the file declares that there are no rows, but has more lines")
        return None, iter(())
    return parse_header(first), _require_complete_lines(rows)


def parse_control_totals(line: str, header: CsvHeader | None) -> ControlTotals:
    """Parse the count and the sums of the same query from one line, in the order of `list_money_columns`.

    Without a header (a file without rows) the line holds only the count. The checksum is 0: no server computes it.

    Raises:
        InvalidUpload: It is not such a line.
    """
    columns = () if header is None else header.list_money_columns()
    cells = [cell.strip().strip('"') for cell in line.strip().split(",")]
    if len(cells) != 1 + len(columns):
        raise InvalidUpload("the requested count has another number of columns")
    guarantors, *sums = (_parse_sum_cents(cell) for cell in cells)
    money = {} if header is None else _map_sums(header, dict(zip(columns, sums, strict=True)))
    return ControlTotals._make((guarantors, *(money.get(name, 0) for name in MONEY_COLUMNS), 0))


def _map_sums(header: CsvHeader, sums: Mapping[str, int]) -> dict[str, int]:
    known = {name: sums[header.names[at]] for name, at in header.positions.items() if header.names[at] in sums}
    ins_est = known.get("ins_est", 0) if "ins_est" in known else sum(known[name] for name in _SPLIT_INS_COLUMNS)
    return {**known, "ins_est": ins_est}


def _limit_line_length(lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        if len(line) > LINE_CHARACTERS_MAX:
            raise InvalidUpload(f"line {number} is longer than any row of balances can be")
        yield line


def _require_complete_lines(lines: Iterator[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, start=2):
        if not line.endswith("\n"):
            raise InvalidUpload(f"the file ends within line {number}")
        if line.strip():
            yield number, line


def _split_cells(line: str, header: CsvHeader, number: int) -> dict[str, str]:
    for cells in (next(csv.reader([line.rstrip("\r\n")])), line.rstrip("\r\n").split(",")):
        if len(cells) == len(header.names):
            return {name: cells[at].strip().strip('"') for name, at in header.positions.items()}
    surplus = len(cells) - len(header.names)
    if surplus < 0:
        raise InvalidUpload(f"line {number} has too few columns")
    return {
        name: cells[_find_shifted_index(at, header, surplus, number)].strip() for name, at in header.positions.items()
    }


def _find_shifted_index(at: int, header: CsvHeader, surplus: int, number: int) -> int:
    """Find the index of a column in a row that unquoted commas have made longer."""
    text_indices = header.list_text_indices()
    if not text_indices:
        raise InvalidUpload(f"line {number} has too many columns")
    if at < text_indices[0]:
        return at
    if at > text_indices[-1]:
        return at + surplus
    raise InvalidUpload(
        f"line {number} has too many columns, with numbers between texts; put the numeric columns first"
    )


def _parse_balance(cells: Mapping[str, str], number: int) -> Balance:
    money = {name: _parse_cents(cells[name], number) for name in cells if name not in {"pat_num", "clinic_num"}}
    if "ins_est" not in money:
        money["ins_est"] = sum(money[name] for name in _SPLIT_INS_COLUMNS)
    return Balance(
        _parse_integer(cells["pat_num"], number),
        _parse_integer(cells.get("clinic_num", "0"), number),
        *(money.get(name, 0) for name in MONEY_COLUMNS),
    )


def _parse_integer(text: str, number: int) -> int:
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
        raise InvalidUpload(f"line {number} has no whole number in a column that needs one")
    return int(text)


def _parse_cents(text: str, number: int) -> int:
    """Parse an amount, rounded as the office's server rounds a double."""
    if not _NUMBER.fullmatch(text) or abs(float(text)) > _DOLLARS_MAX:
        raise InvalidUpload(f"line {number} has no amount in a column that needs one")
    return round(float(text) * 100)


def _parse_sum_cents(text: str) -> int:
    """Parse a whole number as a server may write the sum of rounded doubles: `1234`, `1234.0` or `-0`."""
    if not _NUMBER.fullmatch(text) or not float(text).is_integer():
        raise InvalidUpload("the requested count contains something that is not a whole number")
    return int(float(text))
