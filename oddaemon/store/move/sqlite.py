"""A file of SQLite that is moved, or that is moved to. No daemon can have it open meanwhile."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Table

from oddaemon.store.errors import DatabaseUnfinished, StoreError
from oddaemon.store.move.rows import Row, get_number_column, write_rows_for_sqlite
from oddaemon.store.move.target import TargetNotEmpty
from oddaemon.store.schema import REVISIONS, UNFINISHED_REVISION, metadata
from oddaemon.store.sqlite import upgrade
from oddaemon.store.sqlite.copy import fsync_path, open_read_only
from oddaemon.store.sqlite.database_file import make_directory, make_file
from oddaemon.store.sqlite.errors import translate_errors
from oddaemon.store.sqlite.lock import hold_lock_in_thread
from oddaemon.store.sqlite.read_connection import SqliteReadConnection, open_read_connection
from oddaemon.store.sqlite.version import MIGRATIONS_LOCATION, read_revision

_SUFFIXES = ("", "-journal", "-wal", "-shm")


@contextmanager
def open_source(path: Path) -> Iterator[SqliteReadConnection]:
    """Open a file to be moved.

    Raises:
        DatabaseLocked: a daemon has it open.
        StoreError: as `open_read_connection`.
    """
    path = path.expanduser().resolve()
    with open_read_connection(path) as connection, hold_lock_in_thread(path):
        yield connection


def read_last_numbers(source: SqliteReadConnection) -> dict[str, int]:
    """The last number that each table has ever given to a row."""
    with translate_errors(source.path), closing(open_read_only(source.path)) as connection:
        numbers: dict[str, int] = dict(connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
        for table in metadata.sorted_tables:
            if (column := get_number_column(table)) is not None:
                ((largest,),) = connection.execute(f"SELECT COALESCE(MAX({column.name}), 0) FROM {table.name}")  # noqa: S608 - our own names
                numbers[table.name] = max(numbers.get(table.name, 0), largest)
    return {name: number for name, number in numbers.items() if number and name in metadata.tables}


@contextmanager
def open_target(path: Path) -> Iterator["SqliteTarget"]:
    """Create a file with all tables and without rows, which is marked as unfinished.

    Raises:
        DatabaseLocked: a daemon has it open.
        TargetNotEmpty: there is something, and it is no unfinished copy.
        DatabaseUnusable: it cannot be created.
    """
    path = path.expanduser().resolve()
    make_directory(path)
    with hold_lock_in_thread(path):
        _require_empty(path)
        with translate_errors(path, f"The database {path} cannot be created"):
            for suffix in _SUFFIXES:
                path.with_name(path.name + suffix).unlink(missing_ok=True)
        make_file(path)
        upgrade.create(path, REVISIONS[-1], MIGRATIONS_LOCATION)
        with (
            closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, isolation_level=None)) as connection,
            closing(open_read_only(path)) as reader,
        ):
            with translate_errors(path):
                connection.execute("UPDATE alembic_version SET version_num = ?", (UNFINISHED_REVISION,))
                fsync_path(path)
                fsync_path(path.parent)
                # Until `finish` the file is worth nothing: it is synced once, before the mark is taken away.
                connection.execute("PRAGMA synchronous = OFF")
            yield SqliteTarget(path, connection, SqliteReadConnection(path, reader))


class SqliteTarget:
    """As `MoveTarget`. Make one with `open_target`."""

    def __init__(self, path: Path, connection: sqlite3.Connection, reading: SqliteReadConnection) -> None:
        self.where = str(path)
        self.reading = reading
        self._path = path
        self._connection = connection

    def normalize(self, table: Table, rows: Sequence[Row]) -> Sequence[Row]:  # noqa: ARG002 - `MoveTarget`'s signature
        """As `MoveTarget.normalize`: it stores everything."""
        return rows

    def write(self, table: Table, batches: Iterable[Sequence[Row]]) -> None:
        """As `MoveTarget.write`."""
        marks = ", ".join("?" for _ in table.columns)
        names = ", ".join(f'"{column.name}"' for column in table.columns)
        with self._transaction():
            self._connection.execute(f"DELETE FROM {table.name}")  # noqa: S608 - our own names
            for rows in batches:
                values = write_rows_for_sqlite(table, rows)
                self._connection.executemany(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", values)  # noqa: S608 - the same

    def set_last_numbers(self, numbers: Mapping[str, int]) -> None:
        """As `MoveTarget.set_last_numbers`; the other tables number rows after their largest number."""
        with self._transaction():
            for name, number in numbers.items():
                if metadata.tables[name].dialect_options["sqlite"]["autoincrement"]:
                    self._connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
                    self._connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, number))

    def finish(self) -> None:
        """As `MoveTarget.finish`."""
        with translate_errors(self._path):
            fsync_path(self._path)
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("UPDATE alembic_version SET version_num = ?", (REVISIONS[-1],))
            fsync_path(self._path)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with translate_errors(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.rollback()
                raise
            self._connection.commit()


def _require_empty(path: Path) -> None:
    """Check that nothing is lost when the file is replaced.

    Raises:
        TargetNotEmpty: something would be.
    """
    with translate_errors(path):
        if not path.exists() or path.stat().st_size == 0:
            return
    try:
        with translate_errors(path), closing(open_read_only(path)) as connection:
            read_revision(connection, path)
    except DatabaseUnfinished:
        return
    except StoreError:
        pass
    raise TargetNotEmpty(f"{path} exists already.", "Name a file that does not exist, or move this one away.")
