"""Files of rows, for whoever takes balances and changes out of the house: the command line, and the `files` sink."""

from oddaemon.sinks.formats.columns import BALANCE_COLUMNS, CHANGE_COLUMNS, Column, Columns, Kind, Row, change_row
from oddaemon.sinks.formats.export import (
    MANIFEST_SUFFIX,
    ROWS_A_BATCH,
    Exported,
    FileFormat,
    Layout,
    Tally,
    export,
    manifest,
    standing_alone,
    write_rows,
)
from oddaemon.sinks.formats.parquet import ParquetMissing
from oddaemon.sinks.formats.texts import Envelope

__all__ = [
    "BALANCE_COLUMNS",
    "CHANGE_COLUMNS",
    "MANIFEST_SUFFIX",
    "ROWS_A_BATCH",
    "Column",
    "Columns",
    "Envelope",
    "Exported",
    "FileFormat",
    "Kind",
    "Layout",
    "ParquetMissing",
    "Row",
    "Tally",
    "change_row",
    "export",
    "manifest",
    "standing_alone",
    "write_rows",
]
