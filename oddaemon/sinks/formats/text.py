"""Rows as text: CSV, JSON, and one JSON object a line. Nothing is buffered here."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any, BinaryIO

import msgspec

from oddaemon.core.reporting.formatting import format_instant
from oddaemon.sinks.formats.columns import Columns, ColumnType, Row, WriteRows

_encode = msgspec.json.Encoder().encode

_FORMATTERS: Mapping[ColumnType, Callable[[Any], object]] = {
    ColumnType.DATE: date.isoformat,
    ColumnType.INSTANT: format_instant,
}
"""The types that need formatting, besides money."""
_CENTS = [f".{cents:02d}" for cents in range(100)]
"""Looked up: formatting them takes twice as long as all the rest of an amount."""
_FORMULA_MARKS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the beginning of a formula, also in full width, or skips before one."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """The JSON document around the rows: `{**header, rows_key: [row, ...]}`."""

    rows_key: str = "rows"
    header: Mapping[str, object] = field(default_factory=dict)
    """The fields before the rows, ready for JSON."""


@contextmanager
def open_csv_writer(file: BinaryIO, columns: Columns) -> Iterator[WriteRows]:
    """A header line, then a line for each row, as in RFC 4180 but with plain line feeds; None is an empty field.

    A text that a spreadsheet would take for a formula, such as a label, begins with an apostrophe.
    """
    texts = [number for number, column in enumerate(columns) if column.kind is ColumnType.TEXT]

    def write(rows: Sequence[Row]) -> None:
        write_lines(_format_rows(columns, [_guard_formulas(row, texts) for row in rows] if texts else rows))

    def write_lines(values: Iterable[Iterable[object]]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(values)
        file.write(text.getvalue().encode())

    write_lines([[column.name for column in columns]])
    yield write


def _guard_formulas(row: Row, texts: Sequence[int]) -> Row:
    if not any(isinstance(row[number], str) and row[number].startswith(_FORMULA_MARKS) for number in texts):
        return row
    return tuple(
        f"'{value}" if number in texts and isinstance(value, str) and value.startswith(_FORMULA_MARKS) else value
        for number, value in enumerate(row)
    )


@contextmanager
def open_ndjson_writer(file: BinaryIO, columns: Columns) -> Iterator[WriteRows]:
    """One JSON object a row, one row a line."""

    def write(rows: Sequence[Row]) -> None:
        file.write("".join([f"{each}\n" for each in _encode_objects(columns, rows)]).encode())

    yield write


@contextmanager
def open_json_writer(file: BinaryIO, columns: Columns, envelope: Envelope) -> Iterator[WriteRows]:
    """One JSON document: the header fields, then the rows, each an object on a line of its own."""
    file.write(b"{\n")
    file.writelines(_encode(name) + b": " + _encode(value) + b",\n" for name, value in envelope.header.items())
    file.write(_encode(envelope.rows_key) + b": [")
    separator = "\n"

    def write(rows: Sequence[Row]) -> None:
        nonlocal separator
        if rows:
            file.write((separator + ",\n".join(_encode_objects(columns, rows))).encode())
            separator = ",\n"

    yield write
    # Not reached after an error: half a document must not look complete.
    file.write(b"\n]}\n")


def _format_rows(columns: Columns, rows: Sequence[Row]) -> Iterable[Iterable[object]]:
    """Format the rows, column by column: one call for each value would be slow."""
    columns_text = [
        _format_values(column.kind, values) for column, values in zip(columns, zip(*rows, strict=True), strict=False)
    ]
    return zip(*columns_text, strict=True)


def _format_values(kind: ColumnType, values: Sequence[Any]) -> Sequence[object]:
    if kind is ColumnType.MONEY:
        # `format_money` inlined: seven of ten columns are amounts.
        return [
            None
            if cents is None
            else f"{cents // 100}{_CENTS[cents % 100]}"
            if cents >= 0
            else f"-{-cents // 100}{_CENTS[-cents % 100]}"
            for cents in values
        ]
    if (formatter := _FORMATTERS.get(kind)) is not None:
        return [None if value is None else formatter(value) for value in values]
    return values


def _encode_objects(columns: Columns, rows: Sequence[Row]) -> Iterable[str]:
    """Each row as a JSON object, by a template: encoding a dictionary for each row takes longer."""
    names = [_encode(column.name).decode().replace("%", "%%") for column in columns]
    template = "{" + ",".join(f"{name}:%s" for name in names) + "}"
    encoded = [
        _encode_values(column.kind, values) for column, values in zip(columns, zip(*rows, strict=True), strict=False)
    ]
    return map(template.__mod__, zip(*encoded, strict=True))


def _encode_values(kind: ColumnType, values: Sequence[Any]) -> Sequence[object]:
    """What `str` makes JSON of."""
    if kind is ColumnType.INTEGER:
        return ["null" if value is None else value for value in values] if None in values else values
    if kind is ColumnType.MONEY:
        return ["null" if text is None else f'"{text}"' for text in _format_values(kind, values)]
    return [_encode(value).decode() for value in _format_values(kind, values)]
