"""`history`: an office night by night. Sums of a whole office only, nothing about a single patient."""

from collections.abc import Sequence
from dataclasses import astuple

import typer

from oddaemon.cli.args.day_range import First, To
from oddaemon.cli.args.options import Config, Format, OfficeId, Output
from oddaemon.cli.lazy_command import format_examples
from oddaemon.cli.output.export import TabularResult, make_text_table, write_result
from oddaemon.cli.output.table import TextTable
from oddaemon.cli.sources.history import open_history, require_office_days, require_order
from oddaemon.core.model import MONEY_COLUMNS, PublishedSnapshot
from oddaemon.sinks.formats.columns import ColumnType, ExportColumn, Row
from oddaemon.sinks.formats.text import Envelope
from oddaemon.store.history.day import HistoryDay, get_column_sums, get_source, select_day
from oddaemon.store.history.reader import DayMovement, HistoryReader

COLUMNS = (
    ExportColumn("aging_date", ColumnType.DATE),
    ExportColumn("snapshot", ColumnType.INTEGER),
    ExportColumn("published_at", ColumnType.INSTANT),
    ExportColumn("guarantors", ColumnType.INTEGER),
    *(ExportColumn(name, ColumnType.MONEY) for name in MONEY_COLUMNS),
    ExportColumn("new", ColumnType.INTEGER),
    ExportColumn("changed", ColumnType.INTEGER),
    ExportColumn("cleared", ColumnType.INTEGER),
    ExportColumn("charged", ColumnType.MONEY),
    ExportColumn("settled", ColumnType.MONEY),
    ExportColumn("rolled_31_60", ColumnType.MONEY),
    ExportColumn("rolled_61_90", ColumnType.MONEY),
    ExportColumn("rolled_over_90", ColumnType.MONEY),
    ExportColumn("roll_rate_31_60", ColumnType.RATIO),
    ExportColumn("roll_rate_61_90", ColumnType.RATIO),
    ExportColumn("roll_rate_over_90", ColumnType.RATIO),
    ExportColumn("source", ColumnType.TEXT),
)
"""Movements are since the row above; empty in the first row stored."""
HIDDEN_IN_TABLE = {"published_at", "est_balance", "rolled_31_60", "rolled_61_90", "rolled_over_90"}
"""So that the table fits a screen."""

app = typer.Typer()


@app.command(epilog=format_examples("oddaemon history elm", "oddaemon history elm --from 2026-01-01 --format csv"))
def history(
    office: OfficeId,
    *,
    config: Config = None,
    first: First = None,
    last: To = None,
    output_format: Format = None,
    output: Output = None,
) -> None:
    with open_history(config) as (reader, settings):
        days = require_office_days(reader, settings, office)
        begin = days[0] if first is None else select_day(days, first, office)
        end = days[-1] if last is None else select_day(days, last, office)
        if begin is not end:
            require_order(days, begin, end)
        rows = _make_rows(reader, days, begin, end)
    result = TabularResult(COLUMNS, [rows], Envelope("nights", {"office": office}), _make_table)
    write_result(result, output_format, output)


def _make_rows(reader: HistoryReader, days: Sequence[HistoryDay], first: HistoryDay, last: HistoryDay) -> list[Row]:
    """Rows of `COLUMNS` for the days from `first` to `last`."""
    begin, end = days.index(first), days.index(last)
    base = max(0, begin - 1)
    shown = days[base : end + 1]
    movements = list(zip(shown, reader.compute_movements(shown), strict=True))
    return [_make_row(day, movement) for day, movement in movements[begin - base :]]


def _make_row(day: HistoryDay, movement: DayMovement | None) -> Row:
    number, counts = None, tuple[int | None, ...]((None,) * 3)
    if isinstance(day, PublishedSnapshot):
        number, counts = day.id, (day.new, day.changed, day.cleared)
    rest = tuple[object, ...]((None,) * 8)
    if movement is not None:
        counts, bucket_flow = (movement.new, movement.changed, movement.cleared), movement.flow
        rolled = (bucket_flow.rolled_31_60, bucket_flow.rolled_61_90, bucket_flow.rolled_over_90)
        rest = (bucket_flow.charged, bucket_flow.settled, *rolled, *astuple(movement.rates))
    head = (day.aging_date, number, day.published_at, day.totals.guarantors)
    return (*head, *get_column_sums(day).values(), *counts, *rest, get_source(day).value)


def _make_table(rows: Sequence[Row]) -> TextTable:
    shown = [index for index, column in enumerate(COLUMNS) if column.name not in HIDDEN_IN_TABLE]
    return make_text_table(tuple(COLUMNS[index] for index in shown), [[row[index] for index in shown] for row in rows])
