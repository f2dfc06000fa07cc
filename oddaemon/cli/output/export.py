"""Rows as a table for people, or in a file format for programs."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path

import typer

from oddaemon.cli.output.exit import fail
from oddaemon.cli.output.table import TableColumn, TextTable, format_plain
from oddaemon.core.reporting.formatting import format_instant, format_money
from oddaemon.sinks.formats.columns import Columns, ColumnType, Row
from oddaemon.sinks.formats.export import FileFormat, Layout, atomic_write_without_manifest, export, write_rows
from oddaemon.sinks.formats.parquet import ParquetMissing
from oddaemon.sinks.formats.text import Envelope

EMPTY_CELL = "-"
"""In a table, a value that is missing."""


class OutputFormat(StrEnum):
    """How rows are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    NDJSON = "ndjson"
    PARQUET = "parquet"


@dataclass(frozen=True, slots=True)
class TabularResult:
    """Rows with their metadata."""

    columns: Columns
    batches: Iterable[Sequence[Row]]
    envelope: Envelope
    """Of the JSON document; the manifest holds its header, too."""
    make_table: Callable[[Sequence[Row]], TextTable]
    """The rows as a table for people."""
    manifest_fields: Mapping[str, object] = field(default_factory=dict)
    """Further fields of the manifest, as JSON values."""


def write_result(result: TabularResult, requested: OutputFormat | None, output: Path | None) -> None:
    """Write to standard output, or to a file atomically. An error ends the command and leaves the file unchanged.

    Args:
        result: The rows.
        requested: The format; None: by the file's suffix, else a table.
        output: The file; None: standard output.
    """
    output_format = requested or _infer_format(output)
    try:
        if output_format is OutputFormat.TABLE:
            _write_table(result, output)
        else:
            _write_file(result, Layout(FileFormat(output_format), result.columns, result.envelope), output)
    except ParquetMissing as error:
        raise fail(str(error)) from error
    except OSError as error:
        if output is None:
            raise
        raise fail(f"cannot write {output}: {error.strerror}; nothing has changed there") from error


def _infer_format(output: Path | None) -> OutputFormat:
    suffix = "" if output is None else output.suffix.lower().removeprefix(".")
    return OutputFormat(suffix) if suffix in set(OutputFormat) else OutputFormat.TABLE


def _write_table(result: TabularResult, output: Path | None) -> None:
    table = result.make_table([row for rows in result.batches for row in rows])
    if output is None:
        for line in format_plain(table):
            typer.echo(line)
        return
    with atomic_write_without_manifest(output.resolve()) as file:
        file.writelines(f"{line}\n".encode() for line in format_plain(table))


def _write_file(result: TabularResult, layout: Layout, output: Path | None) -> None:
    if output is not None:
        export(output, layout, result.batches, {**result.envelope.header, **result.manifest_fields})
        return
    if layout.file_format is FileFormat.PARQUET and sys.stdout.isatty():
        raise fail("Parquet is binary; name a file with --output FILE")
    write_rows(sys.stdout.buffer, layout, result.batches)
    sys.stdout.buffer.flush()


def make_text_table(columns: Columns, rows: Sequence[Row], footer: Sequence[str] | None = None) -> TextTable:
    """Rows as a table, every column."""
    cells = [[_format_cell(column.kind, value) for column, value in zip(columns, row, strict=True)] for row in rows]
    return TextTable(
        [TableColumn(column.name, right_aligned=column.kind in _RIGHT_ALIGNED) for column in columns], cells, footer
    )


_RIGHT_ALIGNED = {ColumnType.INTEGER, ColumnType.MONEY, ColumnType.RATIO}


def _format_cell(column_type: ColumnType, value: object) -> str:
    match value:
        case None:
            return EMPTY_CELL
        case int() if column_type is ColumnType.MONEY:
            return format_money(value)
        case float():
            return f"{value:.2%}"
        case date() if column_type is ColumnType.INSTANT:
            return format_instant(value)  # type: ignore[arg-type]  # a datetime is a date, too
        case _:
            return str(value)
