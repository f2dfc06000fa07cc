"""A CSV of offices as tables of the configuration, with every problem by line.

Cells are not shown, except column names after redaction: people put keys into the wrong column.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oddaemon.cli.onboarding.parse import parse_clinics, parse_fresh_by, parse_labels
from oddaemon.core.suggestions import find_nearest, suggest_name
from oddaemon.settings import OfficeDraft, Secret
from oddaemon.settings.files.problem import Problem
from oddaemon.settings.files.secret_sources import get_source_names
from oddaemon.settings.tables.office import OfficeTable
from oddaemon.settings.values.path import is_private, read_file
from oddaemon.settings.values.secret import redact

BYTES_MAX = 8_388_608
"""About 50,000 offices."""
SHOWN_MAX = 40
"""Characters of a column name; longer ones are cut."""
KEY_COLUMNS = get_source_names("customer_key")
COLUMNS = tuple(dict.fromkeys(("id", "name", *KEY_COLUMNS, *OfficeTable.model_fields)))
_TEXT_FORMULA = re.compile(r'="([^"]*)"')
SEPARATORS = {";": "semicolons", "\t": "tabs"}
"""Written by spreadsheets in some locales, and when cells are copied."""
BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True)
class ParsedCsv:
    """The offices of a CSV, and its problems."""

    office_draft: OfficeDraft
    problems: tuple[Problem, ...]


@dataclass(slots=True)
class _CsvParse:
    path: Path
    offices: list[Mapping[str, Any]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def add_problem(self, message: str, hint: str = "", line: int | None = None, where: str = "") -> None:
        self.problems.append(Problem(self.path, where, None, message, hint, line))


def read_csv(path: Path) -> ParsedCsv:
    """Read a CSV, and collect all problems.

    Raises:
        OSError: It does not exist, cannot be read, or is larger than `BYTES_MAX`.
    """
    content, status = read_file(path, BYTES_MAX)
    parse = _CsvParse(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        parse.add_problem(f"not UTF-8 (byte {error.start})", 'save it as "CSV UTF-8"')
        text = ""
    if text.strip():
        _parse(text, parse)
    elif not parse.problems:
        parse.add_problem("the file is empty", "the first line must name the columns: id,name,customer_key,timezone,…")
    office_draft = OfficeDraft(path, parse.offices, parse.lines, is_private(status))
    return ParsedCsv(office_draft, tuple(parse.problems))


def _parse(text: str, parse: _CsvParse) -> None:
    rows = _parse_rows(text, parse)
    header = next(rows, None)
    names = None if header is None else _parse_header(header[1], parse)
    if names is None:
        return
    for line, all_cells in rows:
        # A spreadsheet adds empty columns at the end.
        cells = all_cells[: len(names)] if not any(all_cells[len(names) :]) else all_cells
        if len(cells) != len(names):
            hint = "put a cell that contains a comma in quotes"
            parse.add_problem(f"{len(cells)} cells for {len(names)} columns", hint, line)
            continue
        parse.offices.append(_make_office_table(dict(zip(names, cells, strict=True)), parse.path))
        parse.lines.append(line)
    if not parse.offices and not parse.problems:
        parse.add_problem("the file has no offices", "write one office per line below the first")


def _parse_rows(text: str, parse: _CsvParse) -> Iterator[tuple[int, Sequence[str]]]:
    """The rows that are not empty, each with its first line."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, [_unwrap_formula(cell.strip()) for cell in cells]
            line = reader.line_num + 1
    except csv.Error as error:
        parse.add_problem(f"not valid CSV from here on: {error}", "write a quote within quotes twice", line)


def _parse_header(cells: Sequence[str], parse: _CsvParse) -> list[str] | None:
    """The setting of each column; None: the line is not a header, so the other lines cannot be checked.

    A misspelled name stands for the nearest known one, so that its cells are checked, too; without a near one it is
    empty.
    """
    while cells and not cells[-1]:
        cells = cells[:-1]
    names = [_normalize_name(cell) for cell in cells]
    separator = next(
        (description for mark, description in SEPARATORS.items() if len(names) == 1 and mark in names[0]), None
    )
    if separator is not None:
        parse.add_problem(f"the columns are separated by {separator}", "separate them by commas", 1)
        return None
    valid = f"the columns are {', '.join(COLUMNS)}"
    for name, cell in dict(zip(names, cells, strict=True)).items():
        # The first line may be an office, with a key in it.
        shown = redact(cell)[:SHOWN_MAX]
        if names.count(name) > 1:
            parse.add_problem(f"column `{shown}` appears twice", "remove one", 1)
        if name not in COLUMNS:
            parse.add_problem(
                f"unknown column `{shown}`", " ".join(filter(None, (suggest_name(name, COLUMNS), valid))), 1
            )
            valid = ""
    unused = set(COLUMNS).difference(names)
    resolved = [name if name in COLUMNS else find_nearest(name, unused) or "" for name in names]
    if "id" not in resolved:
        parse.add_problem("no column `id`", "the first line must name the columns", 1)
    if not set(KEY_COLUMNS).intersection(resolved):
        parse.add_problem("no column `customer_key`", f"or one of {', '.join(KEY_COLUMNS[1:])}", 1)
    return resolved if "id" in resolved and set(KEY_COLUMNS).intersection(resolved) else None


def _unwrap_formula(cell: str) -> str:
    """The text of `="…"`, which keeps a spreadsheet from reading it as a number."""
    found = _TEXT_FORMULA.fullmatch(cell)
    return found[1].strip() if found else cell


def _parse_key(cell: str) -> Secret:
    """A key; an apostrophe before it only marks it as text for a spreadsheet."""
    return Secret(cell.removeprefix("'"))


def _normalize_name(cell: str) -> str:
    return cell.strip().lower().replace(" ", "_").replace("-", "_")


def _make_office_table(cells: Mapping[str, str], path: Path) -> dict[str, Any]:
    """A row as a table of the configuration; an unparsable cell stays text, which validation rejects."""
    table: dict[str, Any] = {name: _CELL_PARSERS.get(name, str)(cell) for name, cell in cells.items() if name and cell}
    if "customer_key_file" in table:
        # Relative to the CSV, as every path is to the file that names it.
        table["customer_key_file"] = str(path.absolute().parent / table["customer_key_file"])
    return table


def _parse_number(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell


_CELL_PARSERS: Mapping[str, Callable[[str], object]] = {
    "customer_key": _parse_key,
    "clinics": parse_clinics,
    "labels": lambda cell: parse_labels([cell]),
    "enabled": lambda cell: BOOLEANS.get(cell.lower(), cell),
    "fresh_by": parse_fresh_by,
    "min_interval_seconds": _parse_number,
}
"""Parsers for the columns that are not plain text."""
