"""Rotates the backups in one directory: an old backup is deleted after the new one is complete and checked.

A name gives the database and the time: `oddaemon-20260302T033000Z.db`. Only files of such a name that are databases of
oddaemon are deleted; everything else in the directory stays. Everything here blocks.
"""

import os
import re
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from oddaemon.store.schema import APPLICATION_ID
from oddaemon.store.sqlite.errors import translate_errors
from oddaemon.store.sqlite.maintenance.backup import Backup, back_up

_STAMP = "%Y%m%dT%H%M%SZ"
_APPLICATION_ID_AT = 68
"""Its offset in the header of a SQLite file, four bytes long."""


@dataclass(frozen=True, slots=True)
class BackupRotation:
    """A new backup, and the old ones that were deleted."""

    backup: Backup
    removed: tuple[Path, ...]
    retained: int
    """The number of backups now, the new one included."""


def rotate(source: Path, directory: Path, keep: int, now: datetime, stop: threading.Event) -> BackupRotation:
    """Back up into a directory, then delete the oldest backups of this database beyond `keep`.

    Args:
        source: the database, resolved.
        directory: of the backups. It must exist: without its mount, the backups would fill the disk below.
        keep: the number of backups to keep, at least one.
        now: the time in the name of the new backup.
        stop: cancels the backup once it is set, and leaves nothing behind.

    Raises:
        BackupRefused: a backup with this time exists.
        DatabaseUnusable: the source cannot be read or is damaged, or the directory is missing or not writable; no
            backup was deleted.
        BackupInterrupted: `stop` was set.
    """
    with translate_errors(directory, f"A backup in {directory} cannot be made"):
        for partial_file in _find_partial_files(source, directory):
            # Only the holder of the database's lock makes backups, so a partial one is left over from a killed process.
            partial_file.unlink(missing_ok=True)
    target = directory / f"{source.stem}-{now.astimezone(UTC):{_STAMP}}{source.suffix}"
    backup = back_up(source, target, is_cancelled=stop.is_set)
    with translate_errors(directory, f"Old backups in {directory} cannot be deleted"):
        # Never the new one, even if its name sorts first because a clock was wrong.
        others = sorted(set(find_backups(source, directory)) - {backup.path}, reverse=True)
        removed = tuple(others[max(keep, 1) - 1 :])
        for path in removed:
            path.unlink(missing_ok=True)
    return BackupRotation(backup, removed, 1 + len(others) - len(removed))


def find_backups(source: Path, directory: Path) -> Iterator[Path]:
    """The backups of this database in the directory, in no order."""
    name = re.compile(rf"{re.escape(source.stem)}-\d{{8}}T\d{{6}}Z{re.escape(source.suffix)}", re.ASCII)
    return (path for path in directory.resolve().iterdir() if name.fullmatch(path.name) and _is_own_database(path))


def _find_partial_files(source: Path, directory: Path) -> Iterator[Path]:
    name = re.compile(rf"\.{re.escape(source.stem)}-\d{{8}}T\d{{6}}Z{re.escape(source.suffix)}\.\w{{8}}", re.ASCII)
    return (path for path in directory.iterdir() if name.fullmatch(path.name))


def _is_own_database(path: Path) -> bool:
    """Whether it is a regular file, no link, with the header of an oddaemon database."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        header = os.pread(descriptor, _APPLICATION_ID_AT + 4, 0) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
    finally:
        os.close(descriptor)
    return header.startswith(b"SQLite format 3\0") and header[_APPLICATION_ID_AT:] == APPLICATION_ID.to_bytes(4, "big")
