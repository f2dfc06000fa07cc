"""A backup of a database in use: whole, of one instant, checked, and there only once it is all of that."""

import os
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from oddaemon.store.copying import (
    Counts,
    Progress,
    copy_database,
    reading,
    require_good,
    size_bytes,
    synchronize,
)
from oddaemon.store.errors import DatabaseDamaged, DatabaseMissing, StoreError, explained
from oddaemon.store.lock import lock_path
from oddaemon.store.migration import known_revision
from oddaemon.store.room import require_room


class BackupRefused(StoreError):  # noqa: N818 - as its relatives
    """The backup is not made there; nothing was touched."""


@dataclass(frozen=True, slots=True)
class Backup:
    """What was backed up."""

    path: Path
    size_bytes: int
    revision: str
    counts: Counts


class BackupBrokenOff(StoreError):  # noqa: N818 - as its relatives
    """Whoever wanted the backup does not want it any more."""


def back_up(
    source: Path,
    target: Path,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
    is_enough: Callable[[], bool] = lambda: False,
) -> Backup:
    """Copy the database beside whoever writes to it, check the copy, and only then give it its name.

    Args:
        source: the database, resolved; it is only read.
        target: the file to make, readable by its owner alone. A symbolic link stays one.
        overwrite: whether a file that is there may be replaced.
        progress: told how far the copying is; what it raises ends it.
        is_enough: asked now and then; whether to break off.

    Raises:
        BackupBrokenOff: it was enough.
        BackupRefused: the target is taken, in no directory, or the database itself.
        DatabaseMissing: there is nothing to back up.
        DatabaseNewer: it was made by a newer oddaemon.
        DatabaseUnusable: the source cannot be read or is damaged, or the target not be written.
    """
    target = target.expanduser().resolve()
    revision = _revision(source)
    _require_acceptable(source, target, overwrite=overwrite)
    doing = f"The backup {target} cannot be made"
    needed_bytes = size_bytes(source)
    require_room(target, needed_bytes, doing)
    with explained(target, doing):
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)  # made with mode 0600
        os.close(descriptor)
    copy = Path(name)
    try:
        copy_database(source, copy, doing, _watched(progress, is_enough))
        copied = require_good(copy, is_enough)
        _require_revision(copy, revision)
        with explained(target, doing):
            if not overwrite:
                _require_free(target)
            copy.replace(target)
            synchronize(target.parent)
    except BaseException as error:
        with suppress(OSError):
            copy.unlink()
        if isinstance(error, sqlite3.OperationalError) and is_enough():
            raise _broken_off() from error
        raise
    return Backup(target, needed_bytes, revision, copied)


def _watched(progress: Progress | None, is_enough: Callable[[], bool]) -> Progress:
    def told(copied_bytes: int, all_bytes: int) -> None:
        if is_enough():
            raise _broken_off()
        if progress is not None:
            progress(copied_bytes, all_bytes)

    return told


def _broken_off() -> BackupBrokenOff:
    return BackupBrokenOff("The backup was broken off.", "Make it again later.")


def _require_acceptable(source: Path, target: Path, *, overwrite: bool) -> None:
    with explained(target, f"The backup {target} cannot be made"):
        own = [source, lock_path(source), *(source.with_name(source.name + suffix) for suffix in ("-wal", "-shm"))]
        if target in own or any(target.exists() and each.exists() and target.samefile(each) for each in own):
            raise BackupRefused(f"{target} belongs to the database itself.", "Name another file for the backup.")
        if not target.parent.is_dir():
            raise BackupRefused(f"There is no directory {target.parent}.", "Make it first, or name another file.")
        if target.is_dir():
            raise BackupRefused(f"{target} is a directory.", "Name a file in it.")
        if not overwrite:
            _require_free(target)


def _require_free(target: Path) -> None:
    if target.exists():
        raise BackupRefused(f"{target} is there already.", "Name another file, or replace it with --force.")


def _require_revision(copy: Path, revision: str) -> None:
    if _revision(copy) != revision:
        raise DatabaseDamaged(copy, "the copy is of another revision")


def _revision(path: Path) -> str:
    if not path.exists():
        raise DatabaseMissing(f"There is no database at {path}.", "Check --config, or start the daemon first.")
    with explained(path), closing(reading(path)) as connection:
        revision = known_revision(connection, path)
    if revision is None:
        raise DatabaseMissing(f"The database {path} is empty.", "There is nothing to back up yet.")
    return revision
