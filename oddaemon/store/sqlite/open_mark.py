"""A mark in the database file while it is open for writing: without its log such a file is not the whole database.

The last transactions are in the write-ahead log. A copy of the main file alone, or a database whose log was deleted
after a crash, looks intact: it is merely older, by an unknown number of transactions. So the file is marked when it is
opened and unmarked when it is closed, and while it is marked its log is never empty.

The mark is SQLite's `user_version`, which is in the first page of the file and which nothing else here uses.
"""

import sqlite3
from pathlib import Path

from oddaemon.store.sqlite.location import get_wal_bytes, get_wal_path

MARK_OPEN = "PRAGMA user_version = 1"
"""Always writes the first page, whatever the value was."""
MARK_CLOSED = "PRAGMA user_version = 0"
MARK_IN_FILE = "PRAGMA wal_checkpoint(PASSIVE)"
"""Copies the mark from the log to the file; unlike other checkpoints, it waits for no other program."""
LOST_LOG_ADVICE = (
    "If the log still exists, stop the daemon and put it back beside the file. Otherwise compare with the last backup: "
    "nights after the last checkpoint may be missing."
)


def has_lost_log(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether the file was not closed and its log is missing, so that transactions may be missing.

    Args:
        connection: for reading. It may have created an empty log.
        path: of the database.
    """
    ((journal_mode,),) = connection.execute("PRAGMA journal_mode").fetchall()
    ((mark,),) = connection.execute("PRAGMA user_version").fetchall()
    return journal_mode == "wal" and mark != 0 and not get_wal_bytes(path)


def describe_lost_log(path: Path) -> str:
    """What that means for those who read the file, and what to do."""
    return (
        f"The database {path} was not closed, and its log {get_wal_path(path).name} is missing or empty: what it "
        f"holds may be old. {LOST_LOG_ADVICE}"
    )
