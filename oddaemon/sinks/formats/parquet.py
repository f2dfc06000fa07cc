"""Rows as Parquet: typed columns, money as exact decimals. Needs pyarrow, which is an extra of its own."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

from oddaemon.sinks.formats.columns import Columns, ColumnType, ExportColumn, Row, WriteRows

MONEY_DIGITS = 19
"""Enough for any 64-bit number of cents."""


class ParquetMissing(ImportError):
    """pyarrow is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "Parquet files need pyarrow, which is not installed. Install it with: pip install 'oddaemon[parquet]'"
        )


@contextmanager
def open_parquet_writer(file: BinaryIO, columns: Columns) -> Iterator[WriteRows]:
    """Each call of the writer makes one row group: pass some ten thousand rows at a time.

    Raises:
        ParquetMissing: before anything is written.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra, and 100 ms to load
        from pyarrow import parquet  # noqa: PLC0415 - the same
    except ImportError:
        raise ParquetMissing from None
    types: Mapping[ColumnType, pa.DataType] = {
        ColumnType.INTEGER: pa.int64(),
        ColumnType.MONEY: pa.decimal128(MONEY_DIGITS, 2),
        ColumnType.RATIO: pa.float64(),
        ColumnType.DATE: pa.date32(),
        ColumnType.INSTANT: pa.timestamp("us", tz="UTC"),
        ColumnType.TEXT: pa.string(),
    }
    schema = pa.schema([(column.name, types[column.kind]) for column in columns])

    def make_array(column: ExportColumn, values: Sequence[object]) -> "pa.Array[Any]":
        if column.kind is not ColumnType.MONEY:
            return pa.array(values, types[column.kind])
        # The bytes of the cents as a whole decimal are those of the amount as a decimal with two places.
        cents = pa.array(values, pa.int64()).cast(pa.decimal128(MONEY_DIGITS, 0))
        return pa.Array.from_buffers(types[column.kind], len(cents), cents.buffers())

    def write(rows: Sequence[Row]) -> None:
        if rows:
            values = zip(*rows, strict=True)
            arrays = [make_array(column, each) for column, each in zip(columns, values, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))

    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        yield write
