"""A CSV of offices as tables of the configuration, with every problem by line.

Cells are not shown, except column names after redaction: people put keys into the wrong column.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from oddaemon.cli.onboarding.parse import parse_cells
from oddaemon.core.suggestions import find_nearest, suggest_name
from oddaemon.settings import OfficeDraft
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


def read_csv(path: Path) -> OfficeDraft:
    """Read a CSV, and collect all problems.

    Raises:
        OSError: It does not exist, cannot be read, or is larger than `BYTES_MAX`.
    """
    content, status = read_file(path, BYTES_MAX)
    draft = OfficeDraft(path, is_private=is_private(status))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        draft.report(f"not UTF-8 (byte {error.start})", 'save it as "CSV UTF-8"')
        return draft
    if text.strip():
        _parse(text, draft)
    else:
        draft.report("the file is empty", "the first line must name the columns: id,name,customer_key,timezone,…")
    return draft


def _parse(text: str, draft: OfficeDraft) -> None:
    rows = _parse_rows(text, draft)
    header = next(rows, None)
    names = None if header is None else _parse_header(header[1], draft)
    if names is None:
        return
    for line, all_cells in rows:
        # A spreadsheet adds empty columns at the end.
        used = max(index for index, cell in enumerate(all_cells, start=1) if cell)
        cells = all_cells[: max(used, len(names))]
        if len(cells) != len(names):
            too_many = len(cells) > len(names)
            hint = (
                "put a cell that contains a comma in quotes" if too_many else "leave no cell out, even if it is empty"
            )
            draft.report(f"{len(cells)} cells for {len(names)} columns", hint, line)
            continue
        table = parse_cells(dict(zip(names, cells, strict=True)))
        if "customer_key_file" in table:
            # Relative to the CSV, as every path is to the file that names it.
            table["customer_key_file"] = str(draft.path.absolute().parent / table["customer_key_file"])
        draft.offices.append(table)
        draft.lines.append(line)
    if not draft.offices and not draft.problems:
        draft.report("the file has no offices", "write one office per line below the first")


def _parse_rows(text: str, draft: OfficeDraft) -> Iterator[tuple[int, Sequence[str]]]:
    """The rows that are not empty, each with its first line."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, [_unwrap_formula(cell.strip()) for cell in cells]
            line = reader.line_num + 1
    except csv.Error as error:
        draft.report(f"not valid CSV from here on: {error}", "write a quote within quotes twice", line)


def _parse_header(cells: Sequence[str], draft: OfficeDraft) -> list[str] | None:
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
        draft.report(f"the columns are separated by {separator}", "separate them by commas", 1)
        return None
    valid = f"the columns are {', '.join(COLUMNS)}"
    for name, cell in dict(zip(names, cells, strict=True)).items():
        # The first line may be an office, with a key in it.
        shown = redact(cell)[:SHOWN_MAX]
        if names.count(name) > 1:
            draft.report(f"column `{shown}` appears twice", "remove one", 1)
        if name not in COLUMNS:
            draft.report(f"unknown column `{shown}`", " ".join(filter(None, (suggest_name(name, COLUMNS), valid))), 1)
            valid = ""
    unused = set(COLUMNS).difference(names)
    resolved = [name if name in COLUMNS else find_nearest(name, unused) or "" for name in names]
    if "id" not in resolved:
        draft.report("no column `id`", "the first line must name the columns", 1)
    if not set(KEY_COLUMNS).intersection(resolved):
        draft.report("no column `customer_key`", f"or one of {', '.join(KEY_COLUMNS[1:])}", 1)
    return resolved if "id" in resolved and set(KEY_COLUMNS).intersection(resolved) else None


def _unwrap_formula(cell: str) -> str:
    """The text of `="…"`, which keeps a spreadsheet from reading it as a number."""
    found = _TEXT_FORMULA.fullmatch(cell)
    return found[1].strip() if found else cell


def _normalize_name(cell: str) -> str:
    return cell.strip().lower().replace(" ", "_").replace("-", "_")
