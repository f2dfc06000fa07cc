"""A copy of a database as it is at one instant, beside whoever writes to it, and the proof that the copy is good.

The copy is one file without a log, so it can be moved about as it is. Everything here blocks: it is run in a thread, or
by a command that does nothing else.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from oddaemon.store.errors import DatabaseDamaged
from oddaemon.store.sqlite.errors import DAMAGED, find_fault, translate_errors

PAGES_PER_STEP = 2000
"""8 MB between two reports of progress."""

VM_STEPS_PER_CHECK = 100_000
"""Of SQLite's machine: some milliseconds."""

ProgressCallback = Callable[[int, int], None]
"""Told how many bytes of how many are copied."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What no copy and no migration may change."""

    offices: int
    snapshots: int


def copy_database(source: Path, target: Path, error_prefix: str, progress: ProgressCallback | None = None) -> None:
    """Copy a database to a file that is empty or not there yet, and leave that on the disk, safe from a power failure.

    Args:
        source: is only read.
        target: where the copy goes.
        error_prefix: what it is for, as the beginning of a sentence: "The backup … cannot be made".
        progress: told every few megabytes; what it raises ends the copying.

    Raises:
        DatabaseUnusable: the source cannot be read, or the target not be written.
    """
    with (
        closing(open_read_only(source)) as origin,
        translate_errors(target, error_prefix),
        closing(sqlite3.connect(target)) as copy,
    ):
        with translate_errors(source):
            # One transaction from the first page to the last: a write meanwhile does not begin the copy anew.
            origin.execute("BEGIN")
            ((page_bytes,),) = origin.execute("PRAGMA page_size").fetchall()
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
    """Read every page of a copy and compare what refers to each other.

    Args:
        path: the copy.
        is_cancelled: asked now and then; whether to break off.

    Returns:
        What is in it.

    Raises:
        DatabaseUnusable: it is damaged.
        sqlite3.OperationalError: broken off.
    """
    with translate_errors(path), closing(open_read_only(path)) as connection:
        connection.set_progress_handler(is_cancelled, VM_STEPS_PER_CHECK)
        problems = [line for (line,) in connection.execute("PRAGMA quick_check(1)")]
        if problems != ["ok"]:
            raise DatabaseDamaged(path, " ".join(problems[0].split()))
        if connection.execute("PRAGMA foreign_key_check").fetchone():
            raise DatabaseDamaged(path, "a row refers to an office that is not there")
        return count_rows(connection)


def count_rows(connection: sqlite3.Connection) -> Counts:
    """Count what a copy must have, too."""
    ((offices,),) = connection.execute("SELECT COUNT(*) FROM office").fetchall()
    ((snapshots,),) = connection.execute("SELECT COUNT(*) FROM snapshot").fetchall()
    return Counts(offices, snapshots)


def open_read_only(path: Path) -> sqlite3.Connection:
    """A connection that cannot write and leaves transactions to its user."""
    return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)


def get_size_bytes(path: Path) -> int:
    """How large a copy of the database is, what stands in its log included."""
    with translate_errors(path), closing(open_read_only(path)) as connection:
        ((pages,),) = connection.execute("PRAGMA page_count").fetchall()
        ((page_bytes,),) = connection.execute("PRAGMA page_size").fetchall()
    return int(pages * page_bytes)


def fsync_path(path: Path) -> None:
    """Have the disk keep a file, or the names in a directory."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
