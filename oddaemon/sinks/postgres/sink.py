"""Delivers to tables in a consumer's PostgreSQL: one transaction a delivery, so a reader sees one snapshot or the next.

The snapshot goes by COPY into a staging table of the transaction, and the server finds the changes. Before the commit
the office's balances must add up to the snapshot's totals. Needs psycopg, an extra of its own.
"""

from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import anyio

from oddaemon.core.dsn import InvalidDsn, parse_dsn
from oddaemon.core.snapshot.payload import Payload
from oddaemon.sinks.payload import DeliveryFailed
from oddaemon.sinks.postgres.errors import describe_refusal, describe_sqlstate
from oddaemon.sinks.postgres.tables import Tables, TablesUnusable

if TYPE_CHECKING:
    import psycopg

    from oddaemon.sinks.postgres.session import PostgresSession

_PSYCOPG_MISSING = (
    "PostgreSQL needs psycopg, which is not installed. Install it with: pip install 'oddaemon[postgres]', then restart."
)


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
        self._session: PostgresSession | None = None
        self._tables = Tables(schema, timeout_seconds)
        self._server = f"PostgreSQL at {_get_host(dsn) or 'its socket'}"

    async def deliver(self, payload: Payload, delivery_id: str) -> None:
        """Store the snapshot, unless it is there already.

        Raises:
            DeliveryFailed: the database has not committed it, or not confirmed that.
        """
        try:
            import psycopg  # noqa: PLC0415 - an extra

            from oddaemon.sinks.postgres import session  # noqa: PLC0415 - the same
        except ImportError:
            raise DeliveryFailed(_PSYCOPG_MISSING) from None
        try:
            with anyio.fail_after(self._timeout_seconds):
                await self._store(session.PostgresSession, payload, delivery_id)
        except DeliveryFailed:
            raise
        except TimeoutError:
            raise DeliveryFailed(f"{self._server} timed out after {self._timeout_seconds:g} s.") from None
        except InvalidDsn as error:
            raise DeliveryFailed(f"The DSN of {self._server} is not valid: {error}.") from None
        except session.ReceivedTooMuch:
            raise DeliveryFailed(f"{self._server} sent more than a delivery needs, so it was cut off.") from None
        except session.NotConnected as error:
            raise DeliveryFailed(describe_refusal(self._server, str(error))) from None
        except TablesUnusable as error:
            raise DeliveryFailed(f"The tables at {self._server} cannot be used: {error}.") from None
        except psycopg.Error as error:
            raise DeliveryFailed(self._describe_error(error)) from None
        except Exception as error:  # noqa: BLE001 - whatever the driver makes of foreign bytes is this sink's refusal
            name = type(error).__name__
            raise DeliveryFailed(f"{self._server} sent something that cannot be understood ({name}).") from None

    async def aclose(self) -> None:
        """Close the connection."""
        if self._session is not None:
            self._session.cut()

    async def _store(self, make_session: "type[PostgresSession]", payload: Payload, delivery_id: str) -> None:
        if self._session is None or not self._session.is_usable:
            if self._session is not None:
                self._session.cut()
                await self._session.join()
            self._session = make_session(parse_dsn(self._dsn), self._tables.migrate)
        await self._session.run(lambda connection: self._tables.store(connection, payload, delivery_id))

    def _describe_error(self, error: "psycopg.Error") -> str:
        if error.sqlstate:
            return f"{self._server} reported an error: {describe_sqlstate(error.sqlstate, error)}."
        return f"The connection to {self._server} was lost before the commit."


def _get_host(dsn: str) -> str:
    """The first host; empty: a socket, or none."""
    with suppress(ValueError):
        parts = urlsplit(dsn)
        named = parts.hostname or dict(parse_qsl(parts.query)).get("host", "")
        return "" if named.startswith(("/", "@", "%2f")) else named
    return ""
