"""`changes`: what became of each guarantor between two days. What is written here is patient data."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from oddaemon.cli.args.day_selection import (
    DayRange,
    make_day_document,
    open_history,
    require_office_days,
    require_order,
    select_days,
)
from oddaemon.cli.data import OutputFormat
from oddaemon.cli.output.exit import fail
from oddaemon.cli.output.export import EMPTY_CELL, TabularResult, write_result
from oddaemon.cli.output.table import TableColumn, TextTable
from oddaemon.core.model import MONEY_COLUMNS
from oddaemon.core.reporting.status_document import format_money
from oddaemon.core.snapshot.diff import GuarantorChange
from oddaemon.core.snapshot.missing_columns import MissingColumns, mask_missing_columns
from oddaemon.sinks.formats.columns import CHANGE_COLUMNS, Row, make_change_row
from oddaemon.sinks.formats.text import Envelope
from oddaemon.store.history.day import find_previous
from oddaemon.store.snapshot_rows import SnapshotRow


def show_changes(
    config: Path | None,
    office_id: str,
    day_range: DayRange,
    output_format: OutputFormat | None,
    output: Path | None,
) -> None:
    """Write the changes between the two days that are wanted; what is missing ends the command with a message."""
    with open_history(config) as (reader, settings):
        office, days = require_office_days(reader, settings, office_id)
        first, last = select_days(days, day_range, office_id)
        first = first or find_previous(days, last)
        if first is None:
            label = (
                f"snapshot {last.id} of {last.aging_date}" if isinstance(last, SnapshotRow) else str(last.aging_date)
            )
            raise fail(
                f"{label} is the first that is kept of {office_id}: there is nothing to compare it with. "
                f"See `oddaemon history {office_id}`."
            )
        require_order(days, first, last)
        head = {"office": office_id, "from": make_day_document(first), "to": make_day_document(last)}
        missing_columns = reader.find_missing_columns(office, first), reader.find_missing_columns(office, last)
        batches = (
            [_make_row(each, *missing_columns) for each in batch] for batch in reader.read_changes(office, first, last)
        )
        make_table = partial(_make_table, missing_columns=missing_columns[0] | missing_columns[1])
        write_result(
            TabularResult(CHANGE_COLUMNS, batches, Envelope("changes", head), make_table), output_format, output
        )


def _make_row(difference: GuarantorChange, missing_before: MissingColumns, missing_after: MissingColumns) -> Row:
    before = None if difference.before is None else mask_missing_columns(difference.before, missing_before)
    after = None if difference.after is None else mask_missing_columns(difference.after, missing_after)
    return make_change_row(difference.change, before, after, difference.last_seen)


def _make_table(rows: Sequence[Row], missing_columns: MissingColumns) -> TextTable:
    """For people: one column for an amount, "old → new" where it changed; nothing in those that are not compared."""
    names = [column.name for column in CHANGE_COLUMNS]
    cells = []
    for row in rows:
        value = dict(zip(names, row, strict=True))
        changed = [
            EMPTY_CELL if name in missing_columns else _format_change(value[f"was_{name}"], value[name])
            for name in MONEY_COLUMNS
        ]
        last_seen = value["last_seen"]
        cells.append(
            [
                value["change"],
                str(value["pat_num"]),
                *changed,
                EMPTY_CELL if last_seen is None else last_seen.isoformat(),
            ]
        )
    amounts = [TableColumn(name, right_aligned=True) for name in MONEY_COLUMNS]
    return TextTable(
        [TableColumn("change"), TableColumn("pat_num", right_aligned=True), *amounts, TableColumn("last_seen")], cells
    )


def _format_change(old: int | None, new: int | None) -> str:
    if old == new or old is None:
        return EMPTY_CELL if new is None else format_money(new)
    return f"{format_money(old)} → {EMPTY_CELL if new is None else format_money(new)}"
