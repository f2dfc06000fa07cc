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

from oddaemon.core.status import money
from oddaemon.sinks.formats.columns import Columns, Kind, Put, Row
from oddaemon.sinks.formats.parquet import parquet_rows
from oddaemon.sinks.formats.texts import Envelope, csv_rows, json_rows, ndjson_rows

MANIFEST_SUFFIX = ".manifest.json"
ROWS_A_BATCH = 10_000
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

    form: FileFormat
    columns: Columns
    envelope: Envelope = field(default_factory=Envelope)
    """Around the rows of a JSON document; the other formats have rows only."""

    def rows_to(self, file: BinaryIO) -> AbstractContextManager[Put]:
        """Whatever is put within the block becomes rows of the file, which is whole when the block has ended.

        Raises:
            ParquetMissing: on entering; it needs pyarrow, which is not installed.
        """
        match self.form:
            case FileFormat.CSV:
                return csv_rows(file, self.columns)
            case FileFormat.NDJSON:
                return ndjson_rows(file, self.columns)
            case FileFormat.JSON:
                return json_rows(file, self.columns, self.envelope)
            case FileFormat.PARQUET:
                return parquet_rows(file, self.columns)


@dataclass(slots=True)
class Tally:
    """What was written, to be proved by: rows, and the sum of every column of money, in cents."""

    columns: Columns
    rows: int = 0
    totals: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.totals = {column.name: 0 for column in self.columns if column.kind is Kind.MONEY}

    def add(self, rows: Sequence[Row]) -> None:
        """Count rows."""
        self.rows += len(rows)
        for column, values in zip(self.columns, zip(*rows, strict=True), strict=False):
            if column.kind is Kind.MONEY:
                self.totals[column.name] += sum(filter(None, values))


@dataclass(frozen=True, slots=True)
class Exported:
    """A file that is whole and on the disk."""

    path: Path
    size_bytes: int
    sha256: str
    rows: int
    totals: Mapping[str, int]
    """Cents, of every column of money."""


def write_rows(file: BinaryIO, layout: Layout, batches: Iterable[Sequence[Row]]) -> Tally:
    """Write rows to an open file, such as standard output, no more than a batch at a time in memory.

    Raises:
        ParquetMissing: as `Layout.rows_to`.
    """
    tally = Tally(layout.columns)
    with layout.rows_to(file) as put:
        for rows in batches:
            tally.add(rows)
            put(rows)
    return tally


def export(
    path: Path, layout: Layout, batches: Iterable[Sequence[Row]], about: Mapping[str, object] | None = None
) -> Exported:
    """Write a file and its manifest: both whole, mode 0600 and safe from a power failure, or the path is as it was.

    Args:
        path: where the file goes; what is there is replaced. A symbolic link stays one: what it points to is replaced.
        layout: what the file looks like.
        batches: the rows, some thousand at a time.
        about: what else the manifest tells (office, snapshot, aging date), ready for JSON.

    Raises:
        OSError: it cannot be written there.
        ParquetMissing: as `Layout.rows_to`.
    """
    path = path.resolve()
    with becoming(_manifest_path(path)) as proof, standing_alone(path) as file:
        tally = write_rows(file, layout, batches)
        size_bytes = file.tell()
        file.seek(0)
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        done = Exported(path, size_bytes, sha256, tally.rows, tally.totals)
        proof.write(manifest(done, layout, about or {}))
        # Both have their room on the disk before either gets its name: a disk that is full changes nothing.
        _to_disk(proof)
    return done


def manifest(exported: Exported, layout: Layout, about: Mapping[str, object]) -> bytes:
    """The manifest's text."""
    document = {
        "file": exported.path.name,
        "format": layout.form.value,
        **about,
        "rows": exported.rows,
        "totals": {name: money(cents) for name, cents in exported.totals.items()},
        "columns": [{"name": column.name, "type": column.kind.name.lower()} for column in layout.columns],
        "bytes": exported.size_bytes,
        "sha256": exported.sha256,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _manifest_path(path: Path) -> Path:
    return path.with_name(path.name + MANIFEST_SUFFIX)


def standing_alone(path: Path) -> AbstractContextManager[BufferedRandom]:
    """As `becoming`; a manifest of what was there before goes right before the file gets its name."""
    return becoming(path, before=partial(_manifest_path(path).unlink, missing_ok=True))


def _to_disk(file: BufferedRandom) -> None:
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def becoming(path: Path, before: Callable[[], None] = lambda: None) -> Iterator[BufferedRandom]:
    """A file that gets its name once the block has ended well and the disk has it; until then nothing is there.

    Args:
        path: its name, resolved.
        before: what to do right before it gets its name.

    Raises:
        OSError: it cannot be written there.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # made with mode 0600
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            _to_disk(file)
        before()
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
