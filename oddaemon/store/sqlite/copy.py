"""Copies a database as of one instant, while it is in use, and checks the copy.

The copy is one file without a log, so it can be moved freely. Everything here blocks: run it in a thread, or in a
command that does nothing else.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from oddaemon.store.errors import DatabaseDamaged
from oddaemon.store.sqlite.errors import DAMAGED, find_fault, translate_errors
from oddaemon.store.sqlite.location import choose_read_parameters

PAGES_PER_STEP = 2000
"""8 MB between two progress reports."""

VM_STEPS_PER_CHECK = 100_000
"""Of SQLite's virtual machine: some milliseconds."""

ProgressCallback = Callable[[int, int], None]
"""Called with the bytes copied and the bytes in all."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts that no copy and no migration may change."""

    offices: int
    snapshots: int


def copy_database(source: Path, target: Path, error_prefix: str, progress: ProgressCallback | None = None) -> None:
    """Copy a database to a new or empty file, and sync that to the disk.

    Args:
        source: only read.
        target: the copy.
        error_prefix: what fails, as the beginning of a sentence: "The backup … cannot be made".
        progress: called every few megabytes; an exception from it ends the copy.

    Raises:
        DatabaseUnusable: the source cannot be read, or the target cannot be written.
    """
    with (
        closing(open_read_only(source)) as origin,
        translate_errors(target, error_prefix),
        closing(sqlite3.connect(target)) as copy,
    ):
        with translate_errors(source):
            # One transaction from the first page to the last: a write in the meantime does not restart the copy.
            origin.execute("BEGIN")
            page_bytes = read_pragma(origin, "page_size")
            origin.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()

        def report(_status: int, remaining: int, total: int) -> None:
            if progress is not None:
                progress((total - remaining) * page_bytes, total * page_bytes)

        try:
            origin.backup(copy, pages=PAGES_PER_STEP, progress=report)
        except sqlite3.Error as error:
            if find_fault(error) is DAMAGED:
                raise DatabaseDamaged(source) from error
            raise
        copy.execute("PRAGMA journal_mode = DELETE")
    with translate_errors(target, error_prefix):
        fsync_path(target)


def check_copy(path: Path, is_cancelled: Callable[[], bool] = lambda: False) -> Counts:
    """Read every page of a copy, and check its references.

    Returns:
        The number of its rows.

    Raises:
        DatabaseUnusable: it is damaged.
        sqlite3.OperationalError: cancelled.
    """
    with translate_errors(path), closing(open_read_only(path)) as connection:
        connection.set_progress_handler(is_cancelled, VM_STEPS_PER_CHECK)
        require_consistent(connection, path, "quick_check(1)")
        if connection.execute("PRAGMA foreign_key_check").fetchone():
            raise DatabaseDamaged(path, "a row refers to an office that does not exist")
        return count_rows(connection)


def count_rows(connection: sqlite3.Connection) -> Counts:
    """Count the rows that a copy must have, too."""
    ((offices,),) = connection.execute("SELECT COUNT(*) FROM office").fetchall()
    ((snapshots,),) = connection.execute("SELECT COUNT(*) FROM snapshot").fetchall()
    return Counts(offices, snapshots)


def open_read_only(path: Path) -> sqlite3.Connection:
    """A read-only connection in autocommit mode.

    Raises:
        DatabaseUnusable, OSError: as `choose_read_parameters`.
    """
    return sqlite3.connect(f"{path.as_uri()}?{urlencode(choose_read_parameters(path))}", uri=True, isolation_level=None)


def read_pragma(connection: sqlite3.Connection, name: str) -> int:
    """The value of a pragma that is a number."""
    ((value,),) = connection.execute(f"PRAGMA {name}").fetchall()
    return int(value)


def find_problems(connection: sqlite3.Connection, check: str) -> list[str]:
    """What one of SQLite's own checks, such as "quick_check(1)", finds; empty: nothing."""
    lines = [" ".join(line.split()) for (line,) in connection.execute(f"PRAGMA {check}")]
    return [] if lines == ["ok"] else lines


def require_consistent(connection: sqlite3.Connection, path: Path, check: str) -> None:
    """Raise `DatabaseDamaged` with the first thing that one of SQLite's own checks finds."""
    if problems := find_problems(connection, check):
        raise DatabaseDamaged(path, problems[0])


def get_size_bytes(path: Path) -> int:
    """The size of a copy of the database, its log included."""
    with translate_errors(path), closing(open_read_only(path)) as connection:
        return read_pragma(connection, "page_count") * read_pragma(connection, "page_size")


def fsync_path(path: Path) -> None:
    """Sync a file, or the names in a directory, to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
