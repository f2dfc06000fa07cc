"""Moves a database: from a file to a server, back, or to another one of its kind.

The source is only read, in one state, and no daemon works on it meanwhile. The target is marked as unfinished from its
first table to the last check, so that no daemon takes a part of the rows for all of them. What is there at the end is
compared with the source: the number of rows and a digest of each table, and then every control total.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sqlalchemy import Table

from oddaemon.store.database import ReadConnection
from oddaemon.store.errors import DatabaseDamaged, DatabaseUnusable, decoding_errors
from oddaemon.store.history.integrity import Verification, verify_offices
from oddaemon.store.move import sqlite
from oddaemon.store.move.rows import TABLES, Row, TableDigest, read_rows, write_count, write_selection
from oddaemon.store.move.target import MoveTarget
from oddaemon.store.opening import is_postgresql, requiring_driver
from oddaemon.store.schema import REVISIONS
from oddaemon.store.sqlite.location import parse_database_path
from oddaemon.store.sqlite.read_connection import SqliteReadConnection

ROWS_PER_BATCH = 10_000

ProgressCallback = Callable[[int, int], None]
"""Called with the rows that were copied or compared, and with all that there are to copy and to compare."""


@dataclass(frozen=True, slots=True)
class MovedTable:
    """A table that is the same in both databases."""

    rows: int
    digest: str
    """Of its rows in one form, in whatever order; hexadecimal."""


@dataclass(frozen=True, slots=True)
class MoveResult:
    """What was moved."""

    source: str
    """Which database it was, for people."""
    target: str
    tables: Mapping[str, MovedTable]
    verification: Verification
    """Of the target; it has no problems."""


def move_database(source_url: str, target_url: str, progress: ProgressCallback | None = None) -> MoveResult:
    """Copy everything to a new database, and compare the two.

    Args:
        source_url: a path or a URL. Nothing changes there.
        target_url: the same: a file that does not exist, or a database of a server without rows.
        progress: called with each batch of rows.

    Raises:
        DatabaseLocked: a daemon works on the source, or another move writes to the target.
        TargetNotEmpty: there is something in the target.
        StoreError: the source cannot be read, the target cannot be written, or the two differ at the end.
    """
    with _open_source(source_url) as source, source.hold_state():
        numbers = _read_last_numbers(source)
        total = 2 * sum(source.fetch(write_count(table), {})[0][0] for table in TABLES)
        counter = _Counter(progress, total)
        with _open_target(target_url) as target:
            tables = {table.name: _copy_table(source, target, table, counter) for table in TABLES}
            target.set_last_numbers(numbers)
            for table in TABLES:
                _compare_table(target, table, tables[table.name], counter)
            verification = _verify(target)
            target.finish()
            return MoveResult(source.where, target.where, tables, verification)


class _Counter:
    def __init__(self, progress: ProgressCallback | None, total: int) -> None:
        self._progress = progress
        self._done = 0
        self._total = total

    def add(self, rows: int) -> None:
        self._done += rows
        if self._progress is not None:
            self._progress(self._done, self._total)


def _copy_table(source: ReadConnection, target: MoveTarget, table: Table, counter: _Counter) -> MovedTable:
    digest = TableDigest()

    def read() -> Iterator[Sequence[Row]]:
        for batch in source.stream(write_selection(table), {}, ROWS_PER_BATCH):
            rows = target.normalize(table, read_rows(table, batch))
            digest.add(rows)
            yield rows
            counter.add(len(rows))

    with decoding_errors(source.where):
        target.write(table, read())
    return MovedTable(digest.rows, digest.digest)


def _compare_table(target: MoveTarget, table: Table, expected: MovedTable, counter: _Counter) -> None:
    digest = TableDigest()
    for batch in target.reading.stream(write_selection(table), {}, ROWS_PER_BATCH):
        digest.add(read_rows(table, batch))
        counter.add(len(batch))
    if (digest.rows, digest.digest) != (expected.rows, expected.digest):
        raise DatabaseUnusable(
            f"Table {table.name} of the database {target.where} has {digest.rows:,} rows that are not the "
            f"{expected.rows:,} of the source.",
            "Keep the previous database, and report this bug.",
        )


def _verify(target: MoveTarget) -> Verification:
    result = Verification(target.where, REVISIONS[-1])
    verify_offices(target.reading, result)
    if result.problems:
        raise DatabaseDamaged(
            target.where,
            f"{len(result.problems)} problems, the first: {result.problems[0].what}; they are those of the source, "
            "which `oddaemon state verify` shows",
        )
    return result


def _open_source(url: str) -> AbstractContextManager[ReadConnection]:
    if not is_postgresql(url):
        return sqlite.open_source(parse_database_path(url))
    with requiring_driver():
        from oddaemon.store.move import postgresql  # noqa: PLC0415 - psycopg is an extra
    return postgresql.open_source(url)


def _open_target(url: str) -> AbstractContextManager[MoveTarget]:
    if not is_postgresql(url):
        return sqlite.open_target(parse_database_path(url))
    with requiring_driver():
        from oddaemon.store.move import postgresql  # noqa: PLC0415 - psycopg is an extra
    return postgresql.open_target(url)


def _read_last_numbers(source: ReadConnection) -> Mapping[str, int]:
    if isinstance(source, SqliteReadConnection):
        return sqlite.read_last_numbers(source)
    from oddaemon.store.move import postgresql  # noqa: PLC0415 - psycopg is an extra

    return postgresql.read_last_numbers(source)
