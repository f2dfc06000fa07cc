"""The transactions of a delivery. They run in the thread of a session; an error closes the connection."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zlib import crc32

from oddaemon.core.model import MONEY_COLUMNS, Balance
from oddaemon.core.snapshot.payload import Payload
from oddaemon.sinks.formats.columns import Row
from oddaemon.sinks.payload import build_rows
from oddaemon.sinks.postgres.schema import (
    COPY_STAGING,
    CREATE_STAGING,
    DELETE_CHANGED,
    FILL_OPTIONAL_COLUMNS,
    INSERT_BALANCES,
    INSERT_CHANGES,
    INSERT_SNAPSHOT,
    IS_ROW_SECURITY_ACTIVE,
    MIGRATIONS,
    SET_LIMITS,
    SUM_BALANCES,
    UPDATE_OPTIONAL_COLUMNS,
)

if TYPE_CHECKING:
    from psycopg import Connection, Cursor

LOCK_TIMEOUT_SHARE = 0.5
"""The share of the timeout to wait for a lock, which leaves time for the server's answer."""
_BLOCK_ROWS = 1000
_ROW_FORMAT = "\t".join(["%d"] * len(Balance._fields)) + "\n"
_ROW_SECURITY = (
    "row-level security hides rows from this user or refuses them. "
    "Exempt the user (ALTER ROLE ... BYPASSRLS), or disable row-level security on the tables of oddaemon"
)


class TablesUnusable(Exception):
    """The tables are not what they should be; nothing was committed."""


class Tables:
    """The tables in one schema.

    Args:
        schema: A validated name.
        timeout_seconds: For one delivery.
    """

    def __init__(self, schema: str, timeout_seconds: float) -> None:
        self._name = schema
        self._schema = f'"{schema}"'
        """Quoted, because it may be a keyword of SQL."""
        self._lock_number = crc32(schema.encode())
        """Of the advisory lock around a migration."""
        self._lock_milliseconds = str(max(1, int(timeout_seconds * 1000 * LOCK_TIMEOUT_SHARE)))

    def migrate(self, connection: "Connection[Any]") -> None:
        """Make the tables, or bring them up to date.

        Raises:
            TablesUnusable: They cannot be used as they are.
            psycopg.Error: The server refuses, or is gone.
        """
        self._run_transaction(connection, self._migrate)

    def store(self, connection: "Connection[Any]", payload: Payload, delivery_id: str) -> None:
        """Store one delivery, unless it is there already. Raises what `migrate` does."""
        self._run_transaction(connection, lambda cursor: self._store(cursor, payload, delivery_id))

    def _run_transaction(self, connection: "Connection[Any]", work: "Callable[[Cursor[Any]], None]") -> None:
        """A transaction with limits on the server, too: an abandoned one would keep waiting, and hold its locks."""
        from psycopg import IntegrityError, InterfaceError, ProgrammingError  # noqa: PLC0415 - an extra

        with connection.cursor() as cursor:
            try:
                cursor.execute("BEGIN")
                cursor.execute(SET_LIMITS, [self._lock_milliseconds])
                work(cursor)
                cursor.execute("COMMIT")
            except (TablesUnusable, IntegrityError, ProgrammingError):
                # A hidden row looks like one that is missing, in as many ways as there are statements.
                cursor.execute("ROLLBACK")
                if cursor.execute(IS_ROW_SECURITY_ACTIVE, [self._name]).fetchone() == (True,):
                    raise TablesUnusable(_ROW_SECURITY) from None
                raise
            if cursor.statusmessage != "COMMIT":
                raise InterfaceError("not committed")

    def _migrate(self, cursor: "Cursor[Any]") -> None:
        schema = self._schema
        cursor.execute("SELECT pg_advisory_xact_lock($1)", [self._lock_number])
        if cursor.execute("SELECT to_regnamespace($1) IS NULL", [schema]).fetchone() == (True,):
            cursor.execute(f"CREATE SCHEMA {schema}")
        cursor.execute(f"CREATE TABLE IF NOT EXISTS {schema}.version (revision integer NOT NULL)")
        row = cursor.execute(f"SELECT coalesce(max(revision), 0) FROM {schema}.version").fetchone()  # noqa: S608 - a checked name
        found = row[0] if row else None
        if not isinstance(found, int) or not 0 <= found <= len(MIGRATIONS):
            raise TablesUnusable(
                f"their revision was made by a newer oddaemon; this version supports revisions up to {len(MIGRATIONS)}"
            )
        for revision, migration in enumerate(MIGRATIONS[found:], start=found + 1):
            cursor.execute(migration.format(schema=schema))
            cursor.execute(f"INSERT INTO {schema}.version VALUES ($1)", [revision])  # noqa: S608 - the same

    def _store(self, cursor: "Cursor[Any]", payload: Payload, delivery_id: str) -> None:
        office, snapshot = payload.office_id, payload.snapshot

        def execute(text: str, *parameters: object) -> "Cursor[Any]":
            return cursor.execute(text.format(schema=self._schema), parameters)

        execute(CREATE_STAGING)
        with cursor.copy(COPY_STAGING) as copy:
            for block in _format_rows(payload):
                copy.write(block)
        execute(
            INSERT_SNAPSHOT,
            delivery_id,
            office,
            payload.office_name,
            snapshot.id,
            snapshot.aging_date,
            snapshot.observed_at,
            snapshot.published_at,
        )
        if cursor.rowcount == 0:
            return
        execute(INSERT_CHANGES, delivery_id, office, snapshot.aging_date)
        execute(UPDATE_OPTIONAL_COLUMNS if payload.missing_columns else FILL_OPTIONAL_COLUMNS, office)
        execute(DELETE_CHANGED, delivery_id, office)
        execute(INSERT_BALANCES, delivery_id, office)
        totals = snapshot.totals
        expected = (1, totals.guarantors, *(Decimal(getattr(totals, name)) / 100 for name in MONEY_COLUMNS))
        if execute(SUM_BALANCES, office, delivery_id, totals.guarantors).fetchone() != expected:
            raise TablesUnusable(
                "the balances do not add up to the snapshot, so nothing was committed. "
                "Check whether a trigger or another program changes the tables"
            )


def _format_rows(payload: Payload) -> Iterator[str]:
    """The lines of COPY in its text format: integers and nulls, which nothing has to be escaped in."""
    rows = build_rows(payload)
    format_row = _format_row_with_nulls if payload.missing_columns else _format_row
    for start in range(0, len(rows), _BLOCK_ROWS):
        yield "".join(map(format_row, rows[start : start + _BLOCK_ROWS]))


def _format_row(row: Row) -> str:
    return _ROW_FORMAT % tuple(row)


def _format_row_with_nulls(row: Row) -> str:
    return "\t".join(["\\N" if value is None else str(value) for value in row]) + "\n"
