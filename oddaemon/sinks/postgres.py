"""Tables in a consumer's PostgreSQL: one transaction a delivery, so whoever reads sees one snapshot or the next.

The snapshot goes by binary COPY into a staging table that lives and dies with the transaction; what became different is
found there, where both are. Before it is committed the office's balances must add up to the snapshot's totals. What the
server says is not shown: it may quote rows. Needs asyncpg, an extra of its own.
"""

import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit
from zlib import crc32

import anyio

from oddaemon.core.model import MONEY_COLUMNS, Balance
from oddaemon.sinks.payload import Payload, SinkRefused
from oddaemon.sinks.postgres_tables import ADOPT, CLEAR, COMPARE, FILL, MIGRATIONS, PROVE, RECORD, STAGE

if TYPE_CHECKING:
    import asyncpg

LOCK_SHARE = 0.5
"""Of the time-out: so long a lock is waited for, so that there is time to hear that it was in vain."""
_MISSING = (
    "PostgreSQL needs asyncpg, which is not installed. Install it with: pip install 'oddaemon[postgres]', then restart."
)
_CHANGED = (
    "its tables are not as we made them, so let no other program change them; once its schema is dropped or renamed, "
    "they are made anew"
)
_MEANINGS = {
    "28": "it does not let this user in, so look at name, password and pg_hba.conf",
    "3D": "it has no such database",
    "42501": "this user may not make or write the tables: grant it CREATE and TEMPORARY on the database, "
    "and let it own the schema and all that is in it",
    "53100": "its disk is full",
    "53300": "it has too many connections",
    "25006": "it is read-only, as a standby is",
    "23": "a constraint or a foreign key that we did not make stands against it",
    "P0": "a trigger that we did not make stands against it",
    "57P": "it is shutting down or starting",
    "55P03": "another session holds its tables locked",
    "57014": "the statement was cancelled, by somebody or by the statement_timeout of this user or database",
    "42704": "it does not know a setting that the DSN holds",
    "42P": _CHANGED,
    "42703": _CHANGED,
    "42804": _CHANGED,
    "42883": _CHANGED,
}
"""By SQLSTATE or its beginning, the longest that fits."""


@dataclass(frozen=True, slots=True)
class PostgresOptions:
    """Where the tables are."""

    dsn: str = field(repr=False)
    schema: str
    timeout_seconds: float


class Postgres:
    """Tables in one database."""

    def __init__(self, options: PostgresOptions) -> None:
        self._options = options
        self._connection: asyncpg.Connection[Any] | None = None
        self._schema = f'"{options.schema}"'
        """A checked name, which may be a word of SQL's own."""
        self._server = f"PostgreSQL at {_host(options.dsn) or 'its socket'}"

    async def deliver(self, payload: Payload, delivery_id: str) -> None:
        """Store the snapshot, unless it is there.

        Raises:
            SinkRefused: the database has not committed it, or not said so.
        """
        try:
            import asyncpg  # noqa: PLC0415 - an extra
        except ImportError:
            raise SinkRefused(_MISSING) from None
        is_well = False
        try:
            with anyio.fail_after(self._options.timeout_seconds) as scope:
                connection = await self._connected(asyncpg.connect)
                with _cut_when_lost(connection, scope):
                    await self._store(connection, payload, delivery_id)
            if scope.cancelled_caught:
                raise SinkRefused(f"{self._server} went away before it had committed.")
            is_well = True
        except TimeoutError:
            seconds = self._options.timeout_seconds
            raise SinkRefused(f"{self._server} was not done within {seconds:g} s.") from None
        except asyncpg.PostgresError as error:
            raise SinkRefused(f"{self._server} refused: {_meaning(error.sqlstate or '', error)}.") from error
        except asyncpg.ClientConfigurationError as error:
            raise SinkRefused(
                f"The DSN of {self._server} cannot be used: is every option in it right? With sslmode=verify-full or "
                "verify-ca it needs sslrootcert=/path/to/ca.pem, unless ~/.postgresql/root.crt is there."
            ) from error
        except asyncpg.TargetServerAttributeNotMatched as error:
            raise SinkRefused(f"{self._server} is not what target_session_attrs in its DSN asks for.") from error
        except (asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            raise SinkRefused(f"The connection to {self._server} broke.") from error
        except OSError as error:
            raise SinkRefused(_why_not(self._server, error)) from error
        finally:
            if not is_well:
                self._hang_up()

    async def aclose(self) -> None:
        """Hang up."""
        self._hang_up()

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _connected(self, connect: Callable[..., Any]) -> "asyncpg.Connection[Any]":
        if self._connection is None or self._connection.is_closed():
            # Poolers hand the same session to others: no statement is kept prepared in it.
            self._connection = await connect(self._options.dsn, statement_cache_size=0)
            await self._migrate(self._connection)
        return self._connection

    @asynccontextmanager
    async def _transaction(self, connection: "asyncpg.Connection[Any]") -> AsyncIterator[None]:
        """One that the server ends by itself, too: else one that we gave up would wait on, and hold its locks."""
        async with connection.transaction():
            milliseconds = str(max(1, int(self._options.timeout_seconds * 1000 * LOCK_SHARE)))
            for limit in ("lock_timeout", "idle_in_transaction_session_timeout"):
                await connection.execute("SELECT set_config($1, $2, true)", limit, milliseconds)
            yield

    async def _migrate(self, connection: "asyncpg.Connection[Any]") -> None:
        schema = self._schema
        async with self._transaction(connection):
            await connection.execute("SELECT pg_advisory_xact_lock($1)", crc32(self._options.schema.encode()))
            if await connection.fetchval("SELECT to_regnamespace($1) IS NULL", schema):
                await connection.execute(f"CREATE SCHEMA {schema}")
            await connection.execute(f"CREATE TABLE IF NOT EXISTS {schema}.version (revision integer NOT NULL)")
            found = await connection.fetchval(f"SELECT max(revision) FROM {schema}.version") or 0  # noqa: S608 - a checked name
            if found > len(MIGRATIONS):
                raise SinkRefused(
                    f"The tables at {self._server} are of revision {found}, made by a newer oddaemon; "
                    f"this one knows revisions up to {len(MIGRATIONS)}."
                )
            for revision, migration in enumerate(MIGRATIONS[found:], start=found + 1):
                await connection.execute(migration.format(schema=schema))
                await connection.execute(f"INSERT INTO {schema}.version VALUES ($1)", revision)  # noqa: S608 - the same

    async def _store(self, connection: "asyncpg.Connection[Any]", payload: Payload, delivery_id: str) -> None:
        office, head = payload.office_id, payload.snapshot

        def sql(text: str) -> str:
            return text.format(schema=self._schema)

        async with self._transaction(connection):
            await connection.execute(STAGE)
            await connection.copy_records_to_table(
                "staging", schema_name="pg_temp", records=payload.shown, columns=Balance._fields
            )
            about = (office, payload.office_name, head.id, head.aging_date, head.observed_at, head.published_at)
            done = await connection.execute(sql(RECORD), delivery_id, *about)
            if done.endswith(" 0"):
                return
            await connection.execute(sql(COMPARE), delivery_id, office, head.aging_date)
            await connection.execute(sql(ADOPT), office)
            await connection.execute(sql(CLEAR), delivery_id, office)
            await connection.execute(sql(FILL), delivery_id, office)
            self._prove(await connection.fetchrow(sql(PROVE), office), payload)

    def _prove(self, found: Any, payload: Payload) -> None:  # noqa: ANN401 - a record of asyncpg's
        totals = payload.snapshot.totals
        wanted = (totals.guarantors, *(Decimal(getattr(totals, name)) / 100 for name in MONEY_COLUMNS))
        if tuple(found) != wanted:
            raise SinkRefused(
                f"What {self._server} would hold does not add up to the snapshot, so nothing was committed: "
                "does a trigger or another program change its tables?"
            )


@contextmanager
def _cut_when_lost(connection: "asyncpg.Connection[Any]", scope: anyio.CancelScope) -> Iterator[None]:
    """While it copies, asyncpg does not notice that its connection is gone, and would wait for ever."""

    def lost(_connection: object) -> None:
        scope.cancel()

    connection.add_termination_listener(lost)
    try:
        yield
    finally:
        connection.remove_termination_listener(lost)


def _host(dsn: str) -> str:
    """Where it leads first; empty: a socket."""
    parts = urlsplit(dsn)
    named = parts.hostname or dict(parse_qsl(parts.query)).get("host", "")
    return "" if named.startswith(("/", "%2f")) else named


def _why_not(server: str, error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"The certificate of {server} cannot be trusted: {error.verify_message}."
    if isinstance(error, ssl.SSLError):
        return f"No safe connection to {server}: {error.reason or 'TLS failed'}."
    if "rejected SSL upgrade" in str(error):  # the driver has no kind of error for it
        return f"{server} does not speak TLS, which sslmode in its DSN asks for: set `ssl = on` there."
    if isinstance(error, FileNotFoundError | PermissionError):
        return f"{server} cannot be reached: its socket, or a file that its DSN names: {error.strerror}."
    return f"{server} cannot be reached, or went away: {error.strerror or 'connection lost'}."


def _meaning(sqlstate: str, error: Exception) -> str:
    for length in (5, 3, 2):
        if (meaning := _MEANINGS.get(sqlstate[:length])) is not None:
            return meaning
    return f"SQLSTATE {sqlstate or 'unknown'} ({type(error).__name__})"
