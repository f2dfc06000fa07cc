"""Files in a dated tree: `DIR/office=ID/aging_date=YYYY-MM-DD/snapshot-000000000017.csv`, and its manifest.

Tools that know Hive partitions read the tree as one table. A file appears when it is complete, and its manifest after
it: a consumer that reads only files with a manifest never sees half a delivery. Of each aging date only the last
snapshot is kept, or its guarantors would count twice. All changes are kept, to be applied in the order of their
numbers.
"""

import errno
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from threading import Lock

import anyio
import anyio.to_thread
import msgspec

from oddaemon.core.snapshot.payload import Payload
from oddaemon.sinks.formats.export import MANIFEST_SUFFIX, ROWS_PER_BATCH, FileFormat, Layout, export
from oddaemon.sinks.formats.parquet import ParquetMissing
from oddaemon.sinks.payload import DeliveryFailed, build_metadata, build_rows, get_columns


class Files:
    """A tree of files.

    Args:
        directory: Its root.
        file_format: Of all files.
        timeout_seconds: For one delivery.
        keeps_all_snapshots: Whether changes are sent: they start from a snapshot that must be kept.
    """

    def __init__(
        self, directory: Path, file_format: FileFormat, timeout_seconds: float, *, keeps_all_snapshots: bool
    ) -> None:
        self._directory = directory
        self._file_format = file_format
        self._timeout_seconds = timeout_seconds
        self._keeps_all_snapshots = keeps_all_snapshots
        self._write_lock = Lock()
        """A hanging disk blocks the thread that writes to it. The lock limits that to one thread."""

    async def deliver(self, payload: Payload, delivery_id: str) -> None:
        """Write the file and its manifest.

        Raises:
            DeliveryFailed: the files could not be written.
        """
        write = partial(self.write, payload, delivery_id)
        try:
            with anyio.fail_after(self._timeout_seconds):
                await anyio.to_thread.run_sync(self._write_exclusively, write, abandon_on_cancel=True)
        except TimeoutError:
            seconds = self._timeout_seconds
            raise DeliveryFailed(
                f"Writing to {self._directory} timed out after {seconds:g} s. Check the disk or the network mount."
            ) from None
        except OSError as error:
            raise DeliveryFailed(
                f"Cannot write to {self._directory}: {error.strerror or type(error).__name__}."
            ) from error
        except ParquetMissing as error:
            raise DeliveryFailed(str(error)) from error

    def write(self, payload: Payload, delivery_id: str) -> None:
        """Write one delivery; blocks. Files of the same delivery that exist already are kept.

        Raises:
            OSError: it cannot be written.
            ParquetMissing: pyarrow is not installed.
        """
        day = f"aging_date={payload.snapshot.aging_date.isoformat()}"
        directory = self._directory / f"office={payload.office_id}" / day
        _make_directory(directory)
        path = directory / f"{payload.content}-{payload.snapshot.id:012}.{self._file_format.value}"
        for left_over in directory.glob(f".{path.name}.*"):  # of a process that was killed while writing
            left_over.unlink(missing_ok=True)
        if not _is_written(path, delivery_id):
            rows = build_rows(payload)
            batches = (rows[first : first + ROWS_PER_BATCH] for first in range(0, len(rows), ROWS_PER_BATCH))
            export(path, Layout(self._file_format, get_columns(payload)), batches, build_metadata(payload, delivery_id))
        if not self._keeps_all_snapshots:
            for other in _find_other_snapshots(path):
                other.with_name(other.name + MANIFEST_SUFFIX).unlink(missing_ok=True)
                other.unlink(missing_ok=True)

    async def aclose(self) -> None:
        """There is nothing to close."""

    def _write_exclusively(self, write: Callable[[], None]) -> None:
        if not self._write_lock.acquire(blocking=False):
            raise DeliveryFailed(
                f"An earlier write to {self._directory} still hangs. Check the disk or the network mount."
            )
        try:
            write()
        finally:
            self._write_lock.release()


def _make_directory(directory: Path) -> None:
    """Create the directory, and sync that to the disk."""
    missing = [each for each in (directory, *directory.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(each.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    if not directory.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(directory))


def _is_written(path: Path, delivery_id: str) -> bool:
    try:
        manifest = msgspec.json.decode(path.with_name(path.name + MANIFEST_SUFFIX).read_bytes())
        return bool(manifest["delivery_id"] == delivery_id and manifest["bytes"] == path.stat().st_size)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return False


def _find_other_snapshots(path: Path) -> Iterator[Path]:
    # Higher numbers, too: a restored database continues from a lower one.
    for other in path.parent.glob(f"snapshot-*{path.suffix}"):
        if other != path:
            yield other
