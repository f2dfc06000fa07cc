"""The file behind the `[state] database` setting, and how it can be read where it lies."""

import os
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from oddaemon.store.errors import DatabaseUnusable

_ADVICE = "Set a file, as a path or as sqlite+aiosqlite:////absolute/path."


def parse_database_path(url: str) -> Path:
    """The file behind a SQLAlchemy URL of SQLite, or behind a plain path; not yet resolved.

    Raises:
        DatabaseUnusable: not a file: another kind of database, one in memory, or not a URL.
    """
    if "://" not in url:
        return Path(url)
    try:
        parsed = make_url(url)
    except ArgumentError:
        # The URL may contain a password, so it is not shown.
        raise DatabaseUnusable("The database URL is not valid.", _ADVICE) from None
    if parsed.get_backend_name() != "sqlite":
        raise DatabaseUnusable(
            f"A URL that begins with {parsed.drivername}:// is neither of SQLite nor of PostgreSQL.",
            f"{_ADVICE} Or write postgresql://…",
        )
    if parsed.database in (None, "", ":memory:"):
        raise DatabaseUnusable("A database in memory would lose everything at the next start.", _ADVICE)
    return Path(parsed.database or "")


def get_wal_path(path: Path) -> Path:
    """The write-ahead log of a database."""
    return path.with_name(f"{path.name}-wal")


def get_wal_bytes(path: Path) -> int:
    """The size of the write-ahead log of a database; 0 if there is none."""
    try:
        return get_wal_path(path).stat().st_size
    except FileNotFoundError:
        return 0


def make_temp_directory_pragma(path: Path) -> str:
    """Has SQLite write its temporary copy of the database beside it.

    It would be in the directory of temporary files otherwise: outside of the place for data of patients, and in a
    container too small for it. It is a setting of the process; SQLite ignores SQLITE_TMPDIR after its start.
    """
    quoted = str(path.parent).replace("'", "''")
    return f"PRAGMA temp_store_directory = '{quoted}'"


def choose_read_parameters(path: Path) -> Mapping[str, str]:
    """The parameters of the URI that opens a database for reading.

    SQLite reads a database with a log only where it has, or can create, the index of that log. In a directory where
    nothing can be created, a database that was closed has neither log nor index, and no process can write to it: SQLite
    reads it as immutable.

    Raises:
        DatabaseUnusable: there is a log, and SQLite cannot read it there.
        OSError: the directory cannot be searched.
    """
    if path.with_name(f"{path.name}-shm").exists() or os.access(path.parent, os.W_OK, effective_ids=True):
        return {"mode": "ro"}
    if get_wal_bytes(path):
        wal = get_wal_path(path)
        raise DatabaseUnusable(
            f"The database {path} cannot be read where it is: its last transactions are in {wal.name}, which SQLite "
            "can read only in a directory where it can create files.",
            f"Copy {path.name} and {wal.name} together to a directory that this user can write to, and read that copy.",
        )
    return {"mode": "ro", "immutable": "1"}
