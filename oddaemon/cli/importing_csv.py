"""A CSV of offices as tables of a configuration, and everything about it that is no such table, line by line.

No cell is shown but those whose names are known to be harmless: people put keys into the wrong column.
"""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oddaemon.cli.onboarding_words import clinics_of, fresh_by_of, labels_of
from oddaemon.settings import Draft, Secret
from oddaemon.settings.credentials import sources_of
from oddaemon.settings.office import OfficeTable
from oddaemon.settings.paths import is_private, read_file
from oddaemon.settings.problem import Problem, did_you_mean, nearest
from oddaemon.settings.secret import masked

BYTES_MAX = 8_388_608
"""About 50,000 offices."""
SHOWN_MAX = 40
"""Characters of a column's name; a longer one is none."""
KEY_COLUMNS = sources_of("customer_key")
COLUMNS = ("id", "name", *KEY_COLUMNS, *(name for name in OfficeTable.model_fields if name not in {"id", "name"}))
SEPARATORS = {";": "semicolons", "\t": "tabs"}
"""What spreadsheets write instead of commas in some languages, and when cells are copied."""
SWITCHES = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a CSV says."""

    draft: Draft
    problems: tuple[Problem, ...]


@dataclass(slots=True)
class _Reading:
    path: Path
    offices: list[Mapping[str, Any]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, message: str, hint: str = "", line: int | None = None, where: str = "") -> None:
        self.problems.append(Problem(self.path, where, None, message, hint, line))


def read_sheet(path: Path) -> Sheet:
    """Read a CSV; nothing stops at the first problem.

    Raises:
        OSError: It is not there, cannot be read, or is larger than any fleet needs.
    """
    content, status = read_file(path, BYTES_MAX)
    reading = _Reading(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        reading.wrong(f"not UTF-8 (byte {error.start})", 'save it as "CSV UTF-8"')
        text = ""
    if text.strip():
        _read(text, reading)
    elif not reading.problems:
        reading.wrong("is empty", "the first line names the columns: id,name,customer_key,timezone,…")
    draft = Draft(path, reading.offices, reading.lines, is_private(status))
    return Sheet(draft, tuple(reading.problems))


def _read(text: str, reading: _Reading) -> None:
    rows = _rows(text, reading)
    header = next(rows, None)
    names = None if header is None else _columns(header[1], reading)
    if names is None:
        return
    for line, cells in rows:
        if len(cells) != len(names):
            hint = "a cell that holds a comma stands in quotes"
            reading.wrong(f"{len(cells)} cells below {len(names)} columns", hint, line)
            continue
        reading.offices.append(_table(dict(zip(names, cells, strict=True)), reading.path))
        reading.lines.append(line)
    if not reading.offices and not reading.problems:
        reading.wrong("holds no office", "each line below the first is one")


def _rows(text: str, reading: _Reading) -> Iterator[tuple[int, Sequence[str]]]:
    """The rows that are not empty, each with the line at which it begins."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, [cell.strip() for cell in cells]
            line = reader.line_num + 1
    except csv.Error as error:
        reading.wrong(f"is no CSV from here on: {error}", "a quote within quotes is written twice", line)


def _columns(cells: Sequence[str], reading: _Reading) -> list[str] | None:
    """The setting that each column names; None: the line names no columns, so there is nothing to check the others by.

    A misspelt one is taken for what it was most likely meant to be, so that its cells are checked, too; one that
    resembles nothing is empty.
    """
    names = [_name(cell) for cell in cells]
    between = next((word for mark, word in SEPARATORS.items() if len(names) == 1 and mark in names[0]), None)
    if between is not None:
        reading.wrong(f"its columns are separated by {between}", "separate them by commas", 1)
        return None
    valid = f"the columns are {', '.join(COLUMNS)}"
    for name, cell in dict(zip(names, cells, strict=True)).items():
        # The first line may be one of offices, with a key in it.
        shown = masked(cell)[:SHOWN_MAX]
        if names.count(name) > 1:
            reading.wrong(f"column `{shown}` is there twice", "keep one", 1)
        if name not in COLUMNS:
            reading.wrong(f"unknown column `{shown}`", " ".join(filter(None, (did_you_mean(name, COLUMNS), valid))), 1)
            valid = ""
    free = set(COLUMNS).difference(names)
    meant = [name if name in COLUMNS else nearest(name, free) or "" for name in names]
    if "id" not in meant:
        reading.wrong("no column `id`", "the first line names the columns", 1)
    if not set(KEY_COLUMNS).intersection(meant):
        reading.wrong("no column `customer_key`", f"or one of {', '.join(KEY_COLUMNS[1:])}", 1)
    return meant if "id" in meant and set(KEY_COLUMNS).intersection(meant) else None


def _name(cell: str) -> str:
    return cell.strip().lower().replace(" ", "_").replace("-", "_")


def _table(cells: Mapping[str, str], path: Path) -> dict[str, Any]:
    """A row as the configuration would have it; what cannot be so stays a text, for the check to find."""
    table: dict[str, Any] = {name: _READERS.get(name, str)(cell) for name, cell in cells.items() if name and cell}
    if "customer_key_file" in table:
        # Relative to the CSV, as everywhere to the file that names it.
        table["customer_key_file"] = str(path.absolute().parent / table["customer_key_file"])
    return table


def _number(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell


_READERS: Mapping[str, Callable[[str], object]] = {
    "customer_key": Secret,
    "clinics": clinics_of,
    "labels": lambda cell: labels_of([cell]),
    "enabled": lambda cell: SWITCHES.get(cell.lower(), cell),
    "fresh_by": fresh_by_of,
    "min_interval_seconds": _number,
}
"""How the cells of a column are understood that are more than a text."""
