"""Backs up a database in use. The backup gets its name once it is complete, as of one instant, and checked."""

import os
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from oddaemon.store.errors import DatabaseDamaged, DatabaseMissing, StoreError
from oddaemon.store.sqlite.copy import (
    Counts,
    ProgressCallback,
    check_copy,
    copy_database,
    fsync_path,
    get_size_bytes,
    open_read_only,
)
from oddaemon.store.sqlite.disk_space import require_space
from oddaemon.store.sqlite.errors import translate_errors
from oddaemon.store.sqlite.open_mark import has_lost_log
from oddaemon.store.sqlite.version import read_revision


class BackupRefused(StoreError):
    """The backup cannot be made at that path; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A finished backup."""

    path: Path
    size_bytes: int
    revision: str
    counts: Counts
    has_lost_log: bool
    """Whether transactions of the source may be missing (`open_mark`); in the backup nothing shows it."""


class BackupInterrupted(StoreError):
    """The backup was cancelled."""


def back_up(
    source: Path,
    target: Path,
    *,
    overwrite: bool = False,
    progress: ProgressCallback | None = None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Backup:
    """Copy the database while it is in use, check the copy, and only then give it its name.

    Args:
        source: the database, resolved; only read.
        target: the backup file, readable by its owner only. A symbolic link is followed.
        overwrite: whether an existing file may be replaced.
        progress: called during the copy; an exception from it ends the copy.
        is_cancelled: polled; whether to stop.

    Raises:
        BackupInterrupted: it was cancelled.
        BackupRefused: the target exists, its directory does not, or it is the database itself.
        DatabaseMissing: there is nothing to back up.
        DatabaseNewer: it was made by a newer oddaemon.
        DatabaseUnusable: the source cannot be read or is damaged, or the target cannot be written.
    """

    def report(copied_bytes: int, all_bytes: int) -> None:
        if is_cancelled():
            raise _make_interrupted_error()
        if progress is not None:
            progress(copied_bytes, all_bytes)

    target = target.expanduser().resolve()
    revision, lost_log = _read_revision(source), _has_lost_log(source)
    _require_valid_target(source, target, overwrite=overwrite)
    error_prefix = f"The backup {target} cannot be made"
    needed_bytes = get_size_bytes(source)
    require_space(target, needed_bytes, error_prefix)
    with translate_errors(target, error_prefix):
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)  # mkstemp uses mode 0600
        os.close(descriptor)
    copy = Path(name)
    try:
        copy_database(source, copy, error_prefix, report)
        counts = check_copy(copy, is_cancelled)
        _require_revision(copy, revision)
        with translate_errors(target, error_prefix):
            if not overwrite:
                _require_absent(target)
            copy.replace(target)
            fsync_path(target.parent)
    except BaseException as error:
        with suppress(OSError):
            copy.unlink()
        if isinstance(error, sqlite3.OperationalError) and is_cancelled():
            raise _make_interrupted_error() from error
        raise
    return Backup(target, needed_bytes, revision, counts, lost_log)


def _make_interrupted_error() -> BackupInterrupted:
    return BackupInterrupted("The backup was cancelled.", "Start it again later.")


def _require_valid_target(source: Path, target: Path, *, overwrite: bool) -> None:
    with translate_errors(target, f"The backup {target} cannot be made"):
        database_files = [source.with_name(source.name + suffix) for suffix in ("", ".lock", "-wal", "-shm")]
        if target in database_files or any(
            target.exists() and each.exists() and target.samefile(each) for each in database_files
        ):
            raise BackupRefused(f"{target} belongs to the database itself.", "Choose another file for the backup.")
        if not target.parent.is_dir():
            raise BackupRefused(f"There is no directory {target.parent}.", "Create it first, or choose another file.")
        if target.is_dir():
            raise BackupRefused(f"{target} is a directory.", "Choose a file in it.")
        if not overwrite:
            _require_absent(target)


def _require_absent(target: Path) -> None:
    if target.exists():
        raise BackupRefused(f"{target} exists already.", "Choose another file, or replace it with --force.")


def _require_revision(copy: Path, revision: str) -> None:
    if _read_revision(copy) != revision:
        raise DatabaseDamaged(copy, "the copy has another revision")


def _has_lost_log(path: Path) -> bool:
    with translate_errors(path), closing(open_read_only(path)) as connection:
        return has_lost_log(connection, path)


def _read_revision(path: Path) -> str:
    if not path.exists():
        raise DatabaseMissing(f"There is no database at {path}.", "Check --config, or start the daemon first.")
    with translate_errors(path), closing(open_read_only(path)) as connection:
        revision = read_revision(connection, path)
    if revision is None:
        raise DatabaseMissing(f"The database {path} is empty.", "There is nothing to back up yet.")
    return revision
