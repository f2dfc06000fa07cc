"""Opens connections to PostgreSQL: where to, as whom, with which settings, and to a server that can be used."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import anyio
import psycopg
from psycopg.conninfo import make_conninfo

from oddaemon.core.dsn import Dsn, InvalidDsn, parse_dsn
from oddaemon.postgres_client.parameters import build_parameters, find_unreadable_file, hide_environment
from oddaemon.postgres_client.refusals import Refusal
from oddaemon.store.errors import DatabaseUnusable
from oddaemon.store.postgresql.errors import FAULT_BY_REFUSAL, READ_ONLY, translate_refusals
from oddaemon.store.postgresql.statement_connection import Executor, StatementConnection

CONNECT_SECONDS = 3
"""For one host. A take-over must not wait long for a server that is gone."""
OPEN_SECONDS = 30.0
"""For all hosts and all of their addresses."""
_ROUNDS = 10
"""How often each connection is asked for its session: beside other clients a pooler may give the same one twice."""
VERSION_MIN = 14
"""The oldest PostgreSQL that its developers still maintain."""

_NETWORK_PARAMETERS = {
    "connect_timeout": str(CONNECT_SECONDS),
    "keepalives": "1",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "2",
    # Milliseconds in which the other side must acknowledge what was sent.
    "tcp_user_timeout": "5000",
}

SESSION_SETTINGS: Mapping[str, str] = {
    "statement_timeout": "10s",
    "lock_timeout": "2s",
    # A host that stops inside of a transaction must not lock the others out.
    "idle_in_transaction_session_timeout": "5s",
    "TimeZone": "UTC",
    "DateStyle": "ISO",
    "client_min_messages": "warning",
    "default_transaction_isolation": "read committed",
    # Compiling a statement takes longer than any of them.
    "jit": "off",
    # A policy would hide rows without a word.
    "row_security": "off",
}
_PLANNED_FOR_ITS_VALUES = {"plan_cache_mode": "force_custom_plan"}
"""A plan for any values compares each row with each item of a list: 25 ms instead of 3 to end 320 of 4,000 versions."""
WRITER_SETTINGS = {"statement_timeout": "30s", **_PLANNED_FOR_ITS_VALUES}
MAINTENANCE_SETTINGS = {"statement_timeout": "0"}
READER_SETTINGS = {
    "default_transaction_isolation": "repeatable read",
    "default_transaction_read_only": "on",
    **_PLANNED_FOR_ITS_VALUES,
}


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a server says of itself."""

    version: int
    """Its major version."""
    encoding: str
    """Of the database."""
    is_standby: bool
    is_read_only: bool
    """Whether transactions are read-only by default."""
    timeline: int
    """Rises with each promotion; 0 on a standby."""
    schema: str | None
    """Where tables are created; None: nowhere."""
    started_at: datetime
    """When the server was started: two servers differ in it."""


_FACTS = (
    "SELECT current_setting('server_version_num')::int / 10000, current_setting('server_encoding'), "
    "pg_is_in_recovery(), current_setting('transaction_read_only') = 'on', "
    "CASE WHEN pg_is_in_recovery() THEN '00000000' ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END, "
    "current_schema(), pg_postmaster_start_time()"
)


def parse_url(url: str) -> Dsn:
    """The DSN of `[state] database`.

    Raises:
        DatabaseUnusable: it is none. The message has no part of it.
    """
    try:
        return parse_dsn(url)
    except InvalidDsn as error:
        advice = f"{error.hint[:1].upper()}{error.hint[1:]}." if error.hint else "Correct it."
        raise DatabaseUnusable(f"The database's URL is not valid: {error}.", advice) from None


def build_conninfo(dsn: Dsn, application_name: str, *, is_for_writing: bool) -> str:
    """All of libpq's parameters, as it reads them. A server that is not next door must prove who it is."""
    defaults = {**_NETWORK_PARAMETERS, "application_name": application_name}
    if not dsn.is_local:
        defaults["sslmode"] = "verify-full"
    if is_for_writing and len(dsn.hosts) > 1:
        defaults["target_session_attrs"] = "read-write"
    return make_conninfo("", **build_parameters(dsn, defaults))


@asynccontextmanager
async def open_connection(
    dsn: Dsn, application_name: str, settings: Mapping[str, str], *, is_for_writing: bool = True
) -> AsyncIterator[StatementConnection]:
    """A connection with these settings beside `SESSION_SETTINGS`, closed at the end of the block.

    Raises:
        DatabaseUnusable: there is none; the message says why and what to do.
    """
    connect = partial(_connect, dsn, application_name, is_for_writing=is_for_writing)
    connection = StatementConnection(await connect(), dsn.where)
    try:
        if await has_pooler(connection, connection.driver.info.backend_pid):
            other = StatementConnection(await connect(), dsn.where)
            try:
                await require_own_sessions([connection, other])
            finally:
                await other.aclose()
        await connection.execute(write_settings({**SESSION_SETTINGS, **settings}))
        yield connection
    finally:
        await connection.aclose()


def write_settings(settings: Mapping[str, str]) -> str:
    """The statements that set them, for one round trip."""
    return "; ".join(f"SET {name} = '{value}'" for name, value in settings.items())


def require_readable_files(dsn: Dsn) -> None:
    """Check the files that a URL names.

    Raises:
        DatabaseUnusable: one cannot be read.
    """
    if find_unreadable_file(dsn):
        raise FAULT_BY_REFUSAL[Refusal.UNREADABLE_FILE].make_refusal(dsn.where)


async def read_facts(connection: Executor) -> ServerFacts:
    """What the server says of itself."""
    ((version, encoding, is_standby, is_read_only, timeline, *rest),) = await connection.execute(_FACTS)
    return ServerFacts(version, encoding, is_standby, is_read_only, int(timeline, 16), *rest)


def require_usable(facts: ServerFacts, where: str, *, is_for_writing: bool) -> None:
    """Check that a database can be used as it is meant.

    Raises:
        DatabaseUnusable: it cannot.
    """
    if facts.version < VERSION_MIN:
        raise DatabaseUnusable(
            f"The database {where} is of PostgreSQL {facts.version}; oddaemon needs PostgreSQL {VERSION_MIN} or later.",
            "Upgrade the server.",
        )
    if facts.encoding != "UTF8":
        raise DatabaseUnusable(
            f"The database {where} is encoded in {facts.encoding}; oddaemon needs UTF8.",
            "Create a database WITH ENCODING 'UTF8' TEMPLATE template0.",
        )
    if is_for_writing and (facts.is_standby or facts.is_read_only):
        raise READ_ONLY.make_refusal(where)
    if facts.schema is None:
        raise DatabaseUnusable(
            f"The database {where} has no schema that its user may use.",
            "Make oddaemon's user the owner of the database, or correct search_path.",
            is_transient=True,
        )


async def require_one_server(connections: Sequence[Executor]) -> None:
    """Check that all connections lead to the same server: during a failover two may call themselves the primary.

    Raises:
        DatabaseUnusable: they do not.
    """
    found = [await read_facts(connection) for connection in connections]
    if len({(facts.started_at, facts.timeline) for facts in found}) > 1:
        raise DatabaseUnusable(
            f"The connections to the database {connections[0].where} reached different servers.",
            "A failover may be under way. If this stays so, let the URL lead to one server that can be written.",
            is_transient=True,
        )


async def has_pooler(connection: Executor, backend_pid: int) -> bool:
    """Whether another program than the server accepted the connection.

    Args:
        connection: as it was opened: in a shared session a setting would be another client's, too.
        backend_pid: of the session, as it was said when the connection was opened.
    """
    return await _ask_pid(connection) != backend_pid


async def require_own_sessions(connections: Sequence[Executor]) -> None:
    """Check that each connection has a session of the server by itself, which no pooler gives to others meanwhile.

    Raises:
        DatabaseUnusable: a pooler does.
    """
    where = connections[0].where
    rounds = [[await _ask_pid(connection, number) for connection in connections] for number in range(_ROUNDS)]
    if len(set(rounds[0])) != len(connections) or any(each != rounds[0] for each in rounds):
        raise DatabaseUnusable(
            f"The database {where} is behind a pooler that shares sessions between clients.",
            "Connect to the server itself, or set pool_mode = session for this database (PgBouncer).",
        )


async def _ask_pid(connection: Executor, number: int = 0) -> int:
    # Never the same text often: the driver would prepare it, which fails in a session that is shared.
    ((pid, _),) = await connection.execute(f"SELECT pg_backend_pid(), {number}")
    return int(pid)


async def _connect(dsn: Dsn, application_name: str, *, is_for_writing: bool) -> psycopg.AsyncConnection[Any]:
    require_readable_files(dsn)
    hide_environment()
    conninfo = build_conninfo(dsn, application_name, is_for_writing=is_for_writing)
    StatementConnection.calls_in_flight += 1
    try:
        with anyio.fail_after(OPEN_SECONDS), translate_refusals(dsn.where):
            return await psycopg.AsyncConnection.connect(conninfo, autocommit=True)
    except TimeoutError:
        raise FAULT_BY_REFUSAL[Refusal.UNREACHABLE].make_refusal(dsn.where) from None
    finally:
        StatementConnection.calls_in_flight -= 1
