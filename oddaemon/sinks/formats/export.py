"""Writes a file of rows atomically, for its owner only, with a manifest to verify it.

The manifest of `balances.csv` is `balances.csv.manifest.json`. It never describes another file: the old manifest is
deleted before its file is replaced, the new one is written after it. So a file with a manifest is complete, and a file
with another sha256 was changed by another program. Everything here blocks.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from io import BufferedRandom
from pathlib import Path
from typing import BinaryIO

import msgspec

from oddaemon.core.reporting.formatting import format_money
from oddaemon.sinks.formats.columns import Columns, ColumnType, Row, WriteRows
from oddaemon.sinks.formats.parquet import open_parquet_writer
from oddaemon.sinks.formats.text import Envelope, open_csv_writer, open_json_writer, open_ndjson_writer

MANIFEST_SUFFIX = ".manifest.json"
ROWS_PER_BATCH = 10_000
"""This many rows take a few megabytes, and make row groups of a good size."""


class FileFormat(StrEnum):
    """The format of a file."""

    CSV = "csv"
    JSON = "json"
    NDJSON = "ndjson"
    PARQUET = "parquet"


@dataclass(frozen=True, slots=True)
class Layout:
    """The format and the columns of a file."""

    file_format: FileFormat
    columns: Columns
    envelope: Envelope = field(default_factory=Envelope)
    """Only for JSON: the other formats have rows only."""

    def open_writer(self, file: BinaryIO) -> AbstractContextManager[WriteRows]:
        """A context whose value writes rows; the file is complete when the block has ended.

        Raises:
            ParquetMissing: on entering; pyarrow is not installed.
        """
        match self.file_format:
            case FileFormat.CSV:
                return open_csv_writer(file, self.columns)
            case FileFormat.NDJSON:
                return open_ndjson_writer(file, self.columns)
            case FileFormat.JSON:
                return open_json_writer(file, self.columns, self.envelope)
            case FileFormat.PARQUET:
                return open_parquet_writer(file, self.columns)


@dataclass(slots=True)
class ControlSums:
    """The sums of what was written: the number of rows, and the sum of every column of money in cents."""

    columns: Columns
    rows: int = 0
    totals: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.totals = {column.name: 0 for column in self.columns if column.kind is ColumnType.MONEY}

    def add(self, rows: Sequence[Row]) -> None:
        """Count rows."""
        self.rows += len(rows)
        for column, values in zip(self.columns, zip(*rows, strict=True), strict=False):
            if column.kind is ColumnType.MONEY:
                self.totals[column.name] += sum(filter(None, values))


@dataclass(frozen=True, slots=True)
class ExportResult:
    """A complete file on the disk."""

    path: Path
    size_bytes: int
    sha256: str
    rows: int
    totals: Mapping[str, int]
    """Cents, of every column of money."""


def write_rows(file: BinaryIO, layout: Layout, batches: Iterable[Sequence[Row]]) -> ControlSums:
    """Write rows to an open file, such as standard output, with one batch at a time in memory.

    Raises:
        ParquetMissing: as `Layout.open_writer`.
    """
    sums = ControlSums(layout.columns)
    with layout.open_writer(file) as write:
        for rows in batches:
            sums.add(rows)
            write(rows)
    return sums


def export(
    path: Path, layout: Layout, batches: Iterable[Sequence[Row]], metadata: Mapping[str, object] | None = None
) -> ExportResult:
    """Write a file and its manifest with mode 0600 and synced to the disk; or leave the path as it was.

    Args:
        path: the file, which may exist. A symbolic link is followed.
        layout: its format and columns.
        batches: the rows, some thousand at a time.
        metadata: further fields of the manifest (office, snapshot, aging date), ready for JSON.

    Raises:
        OSError: it cannot be written there.
        ParquetMissing: as `Layout.open_writer`.
    """
    path = path.resolve()
    with atomic_write(_get_manifest_path(path)) as manifest_file, atomic_write_without_manifest(path) as file:
        sums = write_rows(file, layout, batches)
        size_bytes = file.tell()
        file.seek(0)
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        result = ExportResult(path, size_bytes, sha256, sums.rows, sums.totals)
        manifest_file.write(render_manifest(result, layout, metadata or {}))
        # Both are on the disk before either gets its name: a full disk changes nothing.
        _fsync_file(manifest_file)
    return result


def render_manifest(exported: ExportResult, layout: Layout, metadata: Mapping[str, object]) -> bytes:
    """Render the manifest as JSON."""
    document = {
        "file": exported.path.name,
        "format": layout.file_format.value,
        **metadata,
        "rows": exported.rows,
        "totals": {name: format_money(cents) for name, cents in exported.totals.items()},
        "columns": [{"name": column.name, "type": column.kind.name.lower()} for column in layout.columns],
        "bytes": exported.size_bytes,
        "sha256": exported.sha256,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _get_manifest_path(path: Path) -> Path:
    return path.with_name(path.name + MANIFEST_SUFFIX)


def atomic_write_without_manifest(path: Path) -> AbstractContextManager[BufferedRandom]:
    """As `atomic_write`; the manifest of the previous file is deleted right before the file gets its name."""
    return atomic_write(path, on_replace=partial(_get_manifest_path(path).unlink, missing_ok=True))


def _fsync_file(file: BufferedRandom) -> None:
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def atomic_write(path: Path, on_replace: Callable[[], None] = lambda: None) -> Iterator[BufferedRandom]:
    """A file that gets its name after the block has succeeded and it is on the disk; `on_replace` runs before that.

    Raises:
        OSError: it cannot be written there.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mkstemp uses mode 0600
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            _fsync_file(file)
        on_replace()
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
