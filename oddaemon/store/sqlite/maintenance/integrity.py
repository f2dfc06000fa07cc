"""Verifies a file: its pages, its tables, its log, and then what is stored of every office."""

import sqlite3
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path

from oddaemon.store.history.integrity import IntegrityProblem, ProgressCallback, Verification, verify_offices
from oddaemon.store.schema import REVISIONS
from oddaemon.store.sqlite.copy import open_read_only
from oddaemon.store.sqlite.errors import translate_errors
from oddaemon.store.sqlite.location import get_wal_path
from oddaemon.store.sqlite.maintenance.vacuum import find_integrity_problems
from oddaemon.store.sqlite.open_mark import has_lost_log
from oddaemon.store.sqlite.read_connection import SqliteReadConnection
from oddaemon.store.sqlite.version import prepare, require_newest

_LOST_LOG = (
    "it was not closed, and its log {} is missing or empty: what was stored after the last checkpoint is not in this "
    "file, and how much that is cannot be known"
)


def verify(path: Path, progress: ProgressCallback | None = None) -> Verification:
    """Read and verify everything, with or without a running daemon.

    Raises:
        StoreError: as `require_newest`: it cannot be read at all.
    """
    require_newest(path)
    result = Verification(str(path), REVISIONS[-1])
    with translate_errors(path), closing(open_read_only(path)) as connection:
        result.problems += (IntegrityProblem(f"it is damaged: {line}") for line in find_integrity_problems(connection))
        if has_lost_log(connection, path):
            result.problems.append(IntegrityProblem(_LOST_LOG.format(get_wal_path(path).name)))
        if _read_schema(connection) != _build_reference_schema():
            result.problems.append(IntegrityProblem("its tables or indexes differ from those of its revision"))
        verify_offices(SqliteReadConnection(path, connection), result, progress)
    return result


def _read_schema(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    return set(connection.execute("SELECT name, sql FROM sqlite_master"))


@cache
def _build_reference_schema() -> set[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "new.db")
        path.touch()
        prepare(path)
        with closing(open_read_only(path)) as connection:
            return _read_schema(connection)
