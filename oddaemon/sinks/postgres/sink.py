"""Delivers to tables in a consumer's PostgreSQL: one transaction a delivery, so a reader sees one snapshot or the next.

The snapshot goes by binary COPY into a staging table of the transaction, and the server finds the changes. Before the
commit the office's balances must add up to the snapshot's totals. The server's messages are not shown: they may quote
rows. Needs asyncpg, an extra of its own.
"""

import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit
from zlib import crc32

import anyio

from oddaemon.core.model import MONEY_COLUMNS, Balance
from oddaemon.core.snapshot.payload import Payload
from oddaemon.http_client.tls import describe_tls_error
from oddaemon.sinks.payload import DeliveryFailed, build_rows
from oddaemon.sinks.postgres.schema import (
    CREATE_STAGING,
    DELETE_CHANGED,
    INSERT_BALANCES,
    INSERT_CHANGES,
    INSERT_SNAPSHOT,
    MIGRATIONS,
    SUM_BALANCES,
    UPDATE_OPTIONAL_COLUMNS,
)

if TYPE_CHECKING:
    import asyncpg

LOCK_TIMEOUT_SHARE = 0.5
"""The share of the timeout to wait for a lock, which leaves time for the server's answer."""
_ASYNCPG_MISSING = (
    "PostgreSQL needs asyncpg, which is not installed. Install it with: pip install 'oddaemon[postgres]', then restart."
)
_TABLES_CHANGED = (
    "its tables were changed. Let no other program change them. If you drop or rename the schema, "
    "oddaemon creates them again"
)
_SQLSTATE_MEANINGS = {
    "28": "the login failed. Check the user, the password and pg_hba.conf",
    "3D": "the database does not exist",
    "42501": "this user may not create or write the tables. Grant it CREATE and TEMPORARY on the database, "
    "and make it the owner of the schema and everything in it",
    "53100": "its disk is full",
    "53300": "it has too many connections",
    "25006": "it is read-only, as a standby is",
    "23": "a constraint or foreign key that oddaemon did not create was violated",
    "P0": "a trigger that oddaemon did not create raised an error",
    "57P": "it is shutting down or starting",
    "55P03": "another session holds its tables locked",
    "57014": "the statement was cancelled, by an administrator or by the statement_timeout of this user or database",
    "42704": "the DSN contains an unknown setting",
    "42P": _TABLES_CHANGED,
    "42703": _TABLES_CHANGED,
    "42804": _TABLES_CHANGED,
    "42883": _TABLES_CHANGED,
}
"""By SQLSTATE or its prefix; the longest match counts."""


class Postgres:
    """Tables in one database.

    Args:
        dsn: Of the database; a secret.
        schema: Where the tables are.
        timeout_seconds: For one delivery.
    """

    def __init__(self, dsn: str, schema: str, timeout_seconds: float) -> None:
        self._dsn = dsn
        self._timeout_seconds = timeout_seconds
        self._connection: asyncpg.Connection[Any] | None = None
        self._lock_number = crc32(schema.encode())
        """Of the advisory lock around a migration."""
        self._schema = f'"{schema}"'
        """A validated name, quoted because it may be a keyword of SQL."""
        self._server = f"PostgreSQL at {_get_host(dsn) or 'its socket'}"

    async def deliver(self, payload: Payload, delivery_id: str) -> None:
        """Store the snapshot, unless it is there already.

        Raises:
            DeliveryFailed: the database has not committed it, or not confirmed that.
        """
        try:
            import asyncpg  # noqa: PLC0415 - an extra
        except ImportError:
            raise DeliveryFailed(_ASYNCPG_MISSING) from None
        is_done = False
        try:
            with anyio.fail_after(self._timeout_seconds) as scope:
                connection = await self._connect(asyncpg.connect)
                with _cancel_when_lost(connection, scope):
                    await self._store(connection, payload, delivery_id)
            if scope.cancelled_caught:
                raise DeliveryFailed(f"The connection to {self._server} was lost before the commit.")
            is_done = True
        except TimeoutError:
            seconds = self._timeout_seconds
            raise DeliveryFailed(f"{self._server} timed out after {seconds:g} s.") from None
        except asyncpg.PostgresError as error:
            raise DeliveryFailed(
                f"{self._server} reported an error: {_describe_sqlstate(error.sqlstate or '', error)}."
            ) from error
        except asyncpg.ClientConfigurationError as error:
            raise DeliveryFailed(
                f"The DSN of {self._server} is not valid. Check its options. sslmode=verify-full and verify-ca need "
                "sslrootcert=/path/to/ca.pem, unless ~/.postgresql/root.crt exists."
            ) from error
        except asyncpg.TargetServerAttributeNotMatched as error:
            raise DeliveryFailed(f"{self._server} does not match target_session_attrs in its DSN.") from error
        except (asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            raise DeliveryFailed(f"The connection to {self._server} was lost.") from error
        except OSError as error:
            raise DeliveryFailed(_describe_connection_error(self._server, error)) from error
        finally:
            if not is_done:
                self._disconnect()

    async def aclose(self) -> None:
        """Close the connection."""
        self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _connect(self, connect: Callable[..., Any]) -> "asyncpg.Connection[Any]":
        if self._connection is None or self._connection.is_closed():
            # A pooler shares sessions between clients, so no statement is kept prepared.
            self._connection = await connect(self._dsn, statement_cache_size=0)
            await self._migrate(self._connection)
        return self._connection

    @asynccontextmanager
    async def _transaction(self, connection: "asyncpg.Connection[Any]") -> AsyncIterator[None]:
        """A transaction with limits on the server, too: an abandoned one would keep waiting, and hold its locks."""
        async with connection.transaction():
            milliseconds = str(max(1, int(self._timeout_seconds * 1000 * LOCK_TIMEOUT_SHARE)))
            for limit in ("lock_timeout", "idle_in_transaction_session_timeout"):
                await connection.execute("SELECT set_config($1, $2, true)", limit, milliseconds)
            yield

    async def _migrate(self, connection: "asyncpg.Connection[Any]") -> None:
        schema = self._schema
        async with self._transaction(connection):
            await connection.execute("SELECT pg_advisory_xact_lock($1)", self._lock_number)
            if await connection.fetchval("SELECT to_regnamespace($1) IS NULL", schema):
                await connection.execute(f"CREATE SCHEMA {schema}")
            await connection.execute(f"CREATE TABLE IF NOT EXISTS {schema}.version (revision integer NOT NULL)")
            found = await connection.fetchval(f"SELECT max(revision) FROM {schema}.version") or 0  # noqa: S608 - a checked name
            if found > len(MIGRATIONS):
                raise DeliveryFailed(
                    f"The tables at {self._server} have revision {found}, made by a newer oddaemon; "
                    f"this version supports revisions up to {len(MIGRATIONS)}."
                )
            for revision, migration in enumerate(MIGRATIONS[found:], start=found + 1):
                await connection.execute(migration.format(schema=schema))
                await connection.execute(f"INSERT INTO {schema}.version VALUES ($1)", revision)  # noqa: S608 - the same

    async def _store(self, connection: "asyncpg.Connection[Any]", payload: Payload, delivery_id: str) -> None:
        office, snapshot = payload.office_id, payload.snapshot

        def format_sql(text: str) -> str:
            return text.format(schema=self._schema)

        async with self._transaction(connection):
            await connection.execute(CREATE_STAGING)
            await connection.copy_records_to_table(
                "staging", schema_name="pg_temp", records=build_rows(payload), columns=Balance._fields
            )
            header = (
                office,
                payload.office_name,
                snapshot.id,
                snapshot.aging_date,
                snapshot.observed_at,
                snapshot.published_at,
            )
            result = await connection.execute(format_sql(INSERT_SNAPSHOT), delivery_id, *header)
            if result.endswith(" 0"):
                return
            await connection.execute(format_sql(INSERT_CHANGES), delivery_id, office, snapshot.aging_date)
            await connection.execute(format_sql(UPDATE_OPTIONAL_COLUMNS), office)
            await connection.execute(format_sql(DELETE_CHANGED), delivery_id, office)
            await connection.execute(format_sql(INSERT_BALANCES), delivery_id, office)
            self._verify_totals(await connection.fetchrow(format_sql(SUM_BALANCES), office), payload)

    def _verify_totals(self, found: Any, payload: Payload) -> None:  # noqa: ANN401 - a record of asyncpg's
        totals = payload.snapshot.totals
        expected = (totals.guarantors, *(Decimal(getattr(totals, name)) / 100 for name in MONEY_COLUMNS))
        if tuple(found) != expected:
            raise DeliveryFailed(
                f"The balances at {self._server} do not add up to the snapshot, so nothing was committed. "
                "Check whether a trigger or another program changes the tables."
            )


@contextmanager
def _cancel_when_lost(connection: "asyncpg.Connection[Any]", scope: anyio.CancelScope) -> Iterator[None]:
    """Cancel the scope when the connection is lost: during COPY asyncpg does not notice it, and would wait."""

    def cancel(_connection: object) -> None:
        scope.cancel()

    connection.add_termination_listener(cancel)
    try:
        yield
    finally:
        connection.remove_termination_listener(cancel)


def _get_host(dsn: str) -> str:
    """The first host; empty: a socket."""
    parts = urlsplit(dsn)
    named = parts.hostname or dict(parse_qsl(parts.query)).get("host", "")
    return "" if named.startswith(("/", "%2f")) else named


def _describe_connection_error(server: str, error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return describe_tls_error(server, error)
    if "rejected SSL upgrade" in str(error):  # asyncpg has no class for it
        return f"{server} does not support TLS, which sslmode in the DSN requires. Set `ssl = on` on the server."
    if isinstance(error, FileNotFoundError | PermissionError):
        return f"{server} cannot be reached: {error.strerror}. Check its socket, and the files named in the DSN."
    return f"{server} cannot be reached: {error.strerror or 'connection lost'}."


def _describe_sqlstate(sqlstate: str, error: Exception) -> str:
    for length in (5, 3, 2):
        if (meaning := _SQLSTATE_MEANINGS.get(sqlstate[:length])) is not None:
            return meaning
    return f"SQLSTATE {sqlstate or 'unknown'} ({type(error).__name__})"
