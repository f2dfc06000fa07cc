"""Files of rows: balances and changes for the command line and for sinks."""

from oddaemon.sinks.formats.columns import (
    BALANCE_COLUMNS,
    CHANGE_COLUMNS,
    Columns,
    ColumnType,
    ExportColumn,
    Row,
    make_change_row,
)
from oddaemon.sinks.formats.export import (
    MANIFEST_SUFFIX,
    ROWS_PER_BATCH,
    ControlSums,
    ExportResult,
    FileFormat,
    Layout,
    atomic_write_without_manifest,
    export,
    render_manifest,
    write_rows,
)
from oddaemon.sinks.formats.parquet import ParquetMissing
from oddaemon.sinks.formats.text import Envelope

__all__ = [
    "BALANCE_COLUMNS",
    "CHANGE_COLUMNS",
    "MANIFEST_SUFFIX",
    "ROWS_PER_BATCH",
    "ColumnType",
    "Columns",
    "ControlSums",
    "Envelope",
    "ExportColumn",
    "ExportResult",
    "FileFormat",
    "Layout",
    "ParquetMissing",
    "Row",
    "atomic_write_without_manifest",
    "export",
    "make_change_row",
    "render_manifest",
    "write_rows",
]
