"""The rows of a table in one form for every database: with Python's own values, whichever driver holds them."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from hashlib import blake2b
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Boolean, Column, Date, Float, Integer, Table, TextClause, func, select
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.types import TypeEngine

from oddaemon.store.column_types import Instant, parse_date, parse_instant
from oddaemon.store.dialect import make_statement
from oddaemon.store.schema import metadata

TABLES = tuple(metadata.sorted_tables)
"""Every table, each after those that it refers to."""

Row = tuple[Any, ...]
Converter = Callable[[Any], Any]

_SQLITE = pysqlite.dialect()
_DIGEST_BYTES = 16
_INTEGER_BITS = 31
_encode = msgspec.msgpack.Encoder(decimal_format="string").encode


class TableDigest:
    """The number of rows of a table, and a digest of them in whatever order they come."""

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, rows: Iterable[Row]) -> None:
        """Add rows in the common form."""
        for row in rows:
            self.rows += 1
            self._sum += int.from_bytes(blake2b(_encode(row), digest_size=_DIGEST_BYTES).digest())

    @property
    def digest(self) -> str:
        """Hexadecimal. Databases differ in how they sort texts, so it is a sum over the rows."""
        return f"{self._sum % 256**_DIGEST_BYTES:0{2 * _DIGEST_BYTES}x}"


def write_selection(table: Table) -> TextClause:
    """The query of all rows of a table, in the order of its key: how the copy is read later."""
    names, key = _join(table.columns), _join(table.primary_key)
    return make_statement(f"SELECT {names} FROM {table.name} ORDER BY {key}")  # noqa: S608 - our own names


def write_count(table: Table) -> TextClause:
    """The query of the number of rows."""
    return make_statement(str(select(func.count()).select_from(table)))


def get_number_column(table: Table) -> Column[Any] | None:
    """The column that the database numbers; None: there is none."""
    return next((column for column in table.columns if column.identity is not None), None)


def read_rows(table: Table, rows: Sequence[Row]) -> Sequence[Row]:
    """Rows of a driver in the common form.

    Raises:
        ValueError, TypeError: this program cannot have stored them.
    """
    return _convert(rows, [_get_reader(column.type) for column in table.columns])


def write_rows_for_sqlite(table: Table, rows: Sequence[Row]) -> Sequence[Row]:
    """Rows in the common form as SQLite's driver takes them."""
    return _convert(rows, [column.type.dialect_impl(_SQLITE).bind_processor(_SQLITE) for column in table.columns])


def replace_zeros(table: Table, rows: Sequence[Row]) -> Sequence[Row]:
    """Rows in the common form without NUL in any text: PostgreSQL stores none."""
    return _convert(rows, [_replace_zero if _is_text(column.type) else None for column in table.columns])


def get_postgresql_types(table: Table) -> list[str]:
    """The types of a table's columns, for COPY."""
    return [next(name for kind, name in _POSTGRESQL_TYPES if isinstance(each.type, kind)) for each in table.columns]


_POSTGRESQL_TYPES: tuple[tuple[type[TypeEngine[Any]], str], ...] = (
    (Instant, "timestamptz"),
    (Date, "date"),
    (Boolean, "bool"),
    (Float, "float8"),
    (BigInteger, "int8"),
    (Integer, "int4"),
    (TypeEngine, "text"),
)
"""The first that a type is an instance of counts."""


def _is_text(kind: TypeEngine[Any]) -> bool:
    return not isinstance(kind, Instant | Date | Boolean | Float | Integer)


def _get_reader(kind: TypeEngine[Any]) -> Converter | None:
    """What converts a value of this type to the common form; None: nothing does."""
    if isinstance(kind, Instant):
        return _read_instant
    if isinstance(kind, Date):
        return _read_date
    if isinstance(kind, Boolean):
        return _read_boolean
    if isinstance(kind, Integer) and not isinstance(kind, BigInteger):
        return _read_integer
    return _read_float if isinstance(kind, Float) else None


def _convert(rows: Sequence[Row], converters: Sequence[Converter | None]) -> Sequence[Row]:
    if not any(converters):
        return rows
    return [
        tuple(
            value if convert is None or value is None else convert(value)
            for value, convert in zip(row, converters, strict=True)
        )
        for row in rows
    ]


def _read_instant(value: str | datetime) -> datetime:
    return parse_instant(value)


def _read_date(value: str | date) -> date:
    return parse_date(value)


def _read_boolean(value: bool | int) -> bool:
    if value not in {0, 1}:
        raise ValueError("no boolean")
    return bool(value)


def _read_integer(value: int) -> int:
    if value.bit_length() > _INTEGER_BITS:  # the driver would cut it off
        raise ValueError("more than 32 bits")
    return value


def _read_float(value: float) -> float:
    return float(value)


def _replace_zero(value: str) -> str:
    return value.replace("\0", "\ufffd")


def _join(columns: Iterable[Column[Any]]) -> str:
    return ", ".join(f'"{column.name}"' for column in columns)
