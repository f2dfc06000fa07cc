"""One file of rows: there only once it is whole, for its owner alone, with a manifest beside it that proves it.

The manifest of `balances.csv` is `balances.csv.manifest.json`. It never stands beside a file that it does not describe:
the old one goes before its file does, the new one comes after. So a file with a manifest is complete, and one whose
sha256 is not the manifest's was changed by somebody else. Everything here blocks.
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

from oddaemon.core.reporting.status_document import format_money
from oddaemon.sinks.formats.columns import Columns, ColumnType, Row, WriteRows
from oddaemon.sinks.formats.parquet import open_parquet_writer
from oddaemon.sinks.formats.text import Envelope, open_csv_writer, open_json_writer, open_ndjson_writer

MANIFEST_SUFFIX = ".manifest.json"
ROWS_PER_BATCH = 10_000
"""So many rows at a time take a few megabytes, and make row groups of a good size."""


class FileFormat(StrEnum):
    """How rows are written."""

    CSV = "csv"
    JSON = "json"
    NDJSON = "ndjson"
    PARQUET = "parquet"


@dataclass(frozen=True, slots=True)
class Layout:
    """What a file looks like."""

    file_format: FileFormat
    columns: Columns
    envelope: Envelope = field(default_factory=Envelope)
    """Around the rows of a JSON document; the other formats have rows only."""

    def open_writer(self, file: BinaryIO) -> AbstractContextManager[WriteRows]:
        """Whatever is put within the block becomes rows of the file, which is whole when the block has ended.

        Raises:
            ParquetMissing: on entering; it needs pyarrow, which is not installed.
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
    """What was written, to be proved by: rows, and the sum of every column of money, in cents."""

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
    """A file that is whole and on the disk."""

    path: Path
    size_bytes: int
    sha256: str
    rows: int
    totals: Mapping[str, int]
    """Cents, of every column of money."""


def write_rows(file: BinaryIO, layout: Layout, batches: Iterable[Sequence[Row]]) -> ControlSums:
    """Write rows to an open file, such as standard output, no more than a batch at a time in memory.

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
    """Write a file and its manifest: both whole, mode 0600 and safe from a power failure, or the path is as it was.

    Args:
        path: where the file goes; what is there is replaced. A symbolic link stays one: what it points to is replaced.
        layout: what the file looks like.
        batches: the rows, some thousand at a time.
        metadata: what else the manifest tells (office, snapshot, aging date), ready for JSON.

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
        # Both have their room on the disk before either gets its name: a disk that is full changes nothing.
        _fsync_file(manifest_file)
    return result


def render_manifest(exported: ExportResult, layout: Layout, metadata: Mapping[str, object]) -> bytes:
    """The manifest's text."""
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
    """As `atomic_write`; a manifest of what was there before goes right before the file gets its name."""
    return atomic_write(path, on_replace=partial(_get_manifest_path(path).unlink, missing_ok=True))


def _fsync_file(file: BufferedRandom) -> None:
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def atomic_write(path: Path, on_replace: Callable[[], None] = lambda: None) -> Iterator[BufferedRandom]:
    """A file that gets its name once the block has ended well and the disk has it; until then nothing is there.

    Args:
        path: its name, resolved.
        on_replace: what to do right before it gets its name.

    Raises:
        OSError: it cannot be written there.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # made with mode 0600
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
