"""`changes`: what became of each guarantor between two days. The output is patient data."""

from collections.abc import Sequence
from functools import partial

import typer

from oddaemon.cli.args.day_range import From, To
from oddaemon.cli.args.options import Config, Format, OfficeId, Output
from oddaemon.cli.lazy_command import format_examples
from oddaemon.cli.output.exit import fail
from oddaemon.cli.output.export import EMPTY_CELL, TabularResult, write_result
from oddaemon.cli.output.table import TableColumn, TextTable
from oddaemon.cli.sources.history import make_day_document, open_history, require_office_days, require_order
from oddaemon.core.model import MONEY_COLUMNS, PublishedSnapshot
from oddaemon.core.reporting.formatting import format_money
from oddaemon.core.snapshot.diff import GuarantorChange
from oddaemon.core.snapshot.missing_columns import MissingColumns, mask_missing_columns
from oddaemon.sinks.formats.columns import CHANGE_COLUMNS, Row, make_change_row
from oddaemon.sinks.formats.text import Envelope
from oddaemon.store.history.day import HistoryDay, find_previous, select_day

app = typer.Typer()


@app.command(
    epilog=format_examples(
        "oddaemon changes elm",
        "oddaemon changes elm --from 2026-02-28 --to 2026-03-31",
        "oddaemon changes elm -o last.parquet",
    )
)
def changes(
    office: OfficeId,
    *,
    config: Config = None,
    first: From = None,
    last: To = None,
    output_format: Format = None,
    output: Output = None,
) -> None:
    with open_history(config) as (reader, settings):
        days = require_office_days(reader, settings, office)
        after = select_day(days, last, office)
        before = find_previous(days, after) if first is None else select_day(days, first, office)
        if before is None:
            raise fail(
                f"{_format_day(after)} is the oldest stored of {office}: there is nothing to compare it with; "
                f"see `oddaemon history {office}`"
            )
        require_order(days, before, after)
        head = {"office": office, "from": make_day_document(before), "to": make_day_document(after)}
        missing_columns = reader.find_missing_columns(before), reader.find_missing_columns(after)
        batches = (
            [_make_row(each, *missing_columns) for each in batch] for batch in reader.read_changes(before, after)
        )
        make_table = partial(_make_table, missing_columns=missing_columns[0] | missing_columns[1])
        write_result(
            TabularResult(CHANGE_COLUMNS, batches, Envelope("changes", head), make_table), output_format, output
        )


def _format_day(day: HistoryDay) -> str:
    return f"snapshot {day.id} of {day.aging_date}" if isinstance(day, PublishedSnapshot) else str(day.aging_date)


def _make_row(difference: GuarantorChange, missing_before: MissingColumns, missing_after: MissingColumns) -> Row:
    before = None if difference.before is None else mask_missing_columns(difference.before, missing_before)
    after = None if difference.after is None else mask_missing_columns(difference.after, missing_after)
    return make_change_row(difference.change, before, after, difference.last_seen)


def _make_table(rows: Sequence[Row], missing_columns: MissingColumns) -> TextTable:
    """One column an amount, "old → new" if it changed; empty if it is missing on either day."""
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
