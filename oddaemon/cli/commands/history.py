"""`history`: an office night by night. Sums of a whole office only; nothing of a single patient."""

from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

from oddaemon.cli.args.day_selection import DayRange, open_history, require_office_days, require_order
from oddaemon.cli.data import OutputFormat
from oddaemon.cli.output.export import TabularResult, make_text_table, write_result
from oddaemon.cli.output.table import TextTable
from oddaemon.core.model import MONEY_COLUMNS
from oddaemon.sinks.formats.columns import ColumnType, ExportColumn, Row
from oddaemon.sinks.formats.text import Envelope
from oddaemon.store.history.day import HistoryDay, get_column_sums, get_source, select_day
from oddaemon.store.snapshot_rows import SnapshotRow
from oddaemon.store.sqlite.history_reader import DayMovement, HistoryReader, StoredOffice

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
"""Movements are those since the row above; empty for the first that is kept."""
HIDDEN_IN_TABLE = {"published_at", "est_balance", "rolled_31_60", "rolled_61_90", "rolled_over_90"}
"""A table has to fit a screen."""


def show_history(
    config: Path | None,
    office_id: str,
    day_range: DayRange,
    output_format: OutputFormat | None,
    output: Path | None,
) -> None:
    """Write a row for each day in the range that is wanted, in order."""
    with open_history(config) as (reader, settings):
        office, days = require_office_days(reader, settings, office_id)
        begin, end = (None if each is None else select_day(days, each, office_id) for each in day_range)
        first, last = begin or days[0], end or days[-1]
        if first is not last:
            require_order(days, first, last)
        rows = make_night_rows(reader, office, days, first, last)
    write_result(
        TabularResult(COLUMNS, [rows], Envelope("nights", {"office": office_id}), _make_table), output_format, output
    )


def make_night_rows(
    reader: HistoryReader, office: StoredOffice, days: Sequence[HistoryDay], first: HistoryDay, last: HistoryDay
) -> list[Row]:
    """Rows of `COLUMNS` for the pictures from `first` to `last`."""
    begin, end = days.index(first), days.index(last)
    base = max(0, begin - 1)
    shown = days[base : end + 1]
    movements = list(zip(shown, reader.compute_movements(office, shown), strict=True))
    return [_make_row(day, movement) for day, movement in movements[begin - base :]]


def _make_row(day: HistoryDay, movement: DayMovement | None) -> Row:
    number, counts = None, tuple[int | None, ...]((None,) * 3)
    if isinstance(day, SnapshotRow):
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
