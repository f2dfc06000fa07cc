"""Rows as text: CSV, JSON, and one JSON object a line. Nothing is held back: what was put is in the file."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any, BinaryIO

import msgspec

from oddaemon.core.status import instant
from oddaemon.sinks.formats.columns import Columns, Kind, Put, Row

_encode = msgspec.json.Encoder().encode

_AS_TEXT: Mapping[Kind, Callable[[Any], object]] = {Kind.DATE: date.isoformat, Kind.INSTANT: instant}
"""The kinds that are not written as they are, besides money."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """The one JSON document around rows: `{**head, rows_named: [row, ...]}`."""

    rows_named: str = "rows"
    head: Mapping[str, object] = field(default_factory=dict)
    """What stands before the rows, ready for JSON."""


@contextmanager
def csv_rows(file: BinaryIO, columns: Columns) -> Iterator[Put]:
    """A line of names, then a line a row, as RFC 4180 wants it but for the plain line feeds; None is nothing at all."""

    def put(rows: Sequence[Row]) -> None:
        lines(_as_texts(columns, rows))

    def lines(values: Iterable[Iterable[object]]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(values)
        file.write(text.getvalue().encode())

    lines([[column.name for column in columns]])
    yield put


@contextmanager
def ndjson_rows(file: BinaryIO, columns: Columns) -> Iterator[Put]:
    """One JSON object a row, one row a line."""

    def put(rows: Sequence[Row]) -> None:
        file.writelines(each + b"\n" for each in _objects(columns, rows))

    yield put


@contextmanager
def json_rows(file: BinaryIO, columns: Columns, envelope: Envelope) -> Iterator[Put]:
    """One JSON document: what stands before the rows, then the rows, an object each on a line of its own."""
    file.write(b"{\n")
    file.writelines(_encode(name) + b": " + _encode(value) + b",\n" for name, value in envelope.head.items())
    file.write(_encode(envelope.rows_named) + b": [")
    separator = b"\n"

    def put(rows: Sequence[Row]) -> None:
        nonlocal separator
        for each in _objects(columns, rows):
            file.write(separator + each)
            separator = b",\n"

    yield put
    # Not reached where it breaks off: half a document must not look whole.
    file.write(b"\n]}\n")


def _as_texts(columns: Columns, rows: Sequence[Row]) -> Iterable[Iterable[object]]:
    """The rows with every value as text writes it; column by column, as a call for each value is what takes long."""
    told = [_told(column.kind, values) for column, values in zip(columns, zip(*rows, strict=True), strict=False)]
    return zip(*told, strict=True)


def _told(kind: Kind, values: Sequence[Any]) -> Sequence[object]:
    if kind is Kind.MONEY:
        # `core.status.money` without a call: seven of ten columns are amounts.
        return [
            None
            if cents is None
            else f"{cents // 100}.{cents % 100:02d}"
            if cents >= 0
            else f"-{-cents // 100}.{-cents % 100:02d}"
            for cents in values
        ]
    if (write := _AS_TEXT.get(kind)) is not None:
        return [None if value is None else write(value) for value in values]
    return values


def _objects(columns: Columns, rows: Sequence[Row]) -> Iterable[bytes]:
    names = [column.name for column in columns]
    for values in _as_texts(columns, rows):
        yield _encode(dict(zip(names, values, strict=True)))
