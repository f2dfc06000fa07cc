"""Backups that follow each other in one directory: a new one is whole and checked before an old one goes.

Their names tell which database and when: `oddaemon-20260302T033000Z.db`. Only files of such a name that are databases
of ours are ever deleted; whatever else is in the directory stays. Everything here blocks.
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
"""Where SQLite's file header holds it, in four bytes."""


@dataclass(frozen=True, slots=True)
class BackupRotation:
    """One backup more, and those that went for it."""

    backup: Backup
    removed: tuple[Path, ...]
    retained: int
    """How many there are now, the new one included."""


def rotate(source: Path, directory: Path, keep: int, now: datetime, stop: threading.Event) -> BackupRotation:
    """Back up into a directory, then delete the oldest backups of this database beyond `keep`.

    Args:
        source: the database, resolved.
        directory: where its backups are; it must exist: a disk that is not mounted must not be filled by mistake.
        keep: how many to keep, at least one.
        now: the instant that the new one is named after.
        stop: breaks it off once it is set, and leaves nothing behind.

    Raises:
        BackupRefused: there is a backup of this very second.
        DatabaseUnusable: the source cannot be read or is damaged, or the directory is missing or not
            writable; no backup has been deleted.
        BackupBrokenOff: `stop` was set.
    """
    with translate_errors(directory, f"A backup in {directory} cannot be made"):
        for partial_file in _find_partial_files(source, directory):
            # Whoever holds this database's lock makes its backups, so a half one is of a process that was killed.
            partial_file.unlink(missing_ok=True)
    target = directory / f"{source.stem}-{now.astimezone(UTC):{_STAMP}}{source.suffix}"
    backup = back_up(source, target, is_cancelled=stop.is_set)
    with translate_errors(directory, f"Old backups in {directory} cannot be deleted"):
        # The new one is not among them: a clock that went wrong for a while must not cost it.
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
    """Whether it is a regular file, no link, that begins as our databases do."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        header = os.pread(descriptor, _APPLICATION_ID_AT + 4, 0) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
    finally:
        os.close(descriptor)
    return header.startswith(b"SQLite format 3\0") and header[_APPLICATION_ID_AT:] == APPLICATION_ID.to_bytes(4, "big")
