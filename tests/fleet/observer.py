"""Watches a fleet's tables from outside: a sample every moment, and a trigger that sees each write of an office."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import psycopg

from tests.fleet.evidence import (
    CommandRow,
    DeliveryRow,
    LeaseRow,
    LockWait,
    MemberRow,
    OfficeWrite,
    Sample,
    SnapshotRow,
)

SAMPLE_SECONDS = 0.25
RECONNECT_SECONDS = 0.2
_MEMBERS = "SELECT number, host, stage, network, expires_at, settings, offices, session FROM member"
_LEASES = "SELECT kind, name, holder, generation, asked_at, open_until, not_before FROM lease"
_WAITS = """
SELECT waiting.application_name, extract(epoch FROM clock_timestamp() - pg_locks.waitstart)::float,
       array(SELECT application_name FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids(waiting.pid)))
  FROM pg_locks JOIN pg_stat_activity AS waiting USING (pid)
 WHERE NOT granted AND waitstart IS NOT NULL"""
_WRITES = """
CREATE SCHEMA IF NOT EXISTS seen;
CREATE TABLE IF NOT EXISTS seen.write
    (at timestamptz, tab text, office text, session text, holder bigint, sink_holder bigint);
CREATE OR REPLACE FUNCTION seen.record() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    row_of_office bigint;
    name_of_sink text;
BEGIN
    IF TG_TABLE_NAME = 'office' THEN row_of_office := NEW.key; ELSE row_of_office := NEW.office; END IF;
    IF TG_TABLE_NAME = 'delivery' THEN name_of_sink := NEW.sink; END IF;
    INSERT INTO seen.write
    SELECT clock_timestamp(), TG_TABLE_NAME, office.id, current_setting('application_name'), lease.holder,
           (SELECT holder FROM public.lease WHERE kind = 'sink' AND name = name_of_sink)
      FROM public.office LEFT JOIN public.lease ON lease.kind = 'office' AND lease.name = office.id
     WHERE office.key = row_of_office;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER seen_state AFTER UPDATE ON office FOR EACH ROW
  WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION seen.record();
CREATE OR REPLACE TRIGGER seen_snapshot AFTER INSERT ON snapshot FOR EACH ROW EXECUTE FUNCTION seen.record();
CREATE OR REPLACE TRIGGER seen_page AFTER INSERT ON pull_page FOR EACH ROW EXECUTE FUNCTION seen.record();
CREATE OR REPLACE TRIGGER seen_delivery AFTER INSERT ON delivery FOR EACH ROW EXECUTE FUNCTION seen.record();
"""


class TableObserver:
    """Samples the tables until it is cancelled, as long as there is a server.

    Attributes:
        url: Of the server; another one after a failover.
        samples: In order.
        on_sample: Called after each.
    """

    def __init__(self, url: str, on_sample: Callable[[], None]) -> None:
        self.url = url
        self.samples: list[Sample] = []
        self.on_sample = on_sample
        self._sessions: dict[str, int] = {}

    async def run(self, seconds: float = SAMPLE_SECONDS) -> None:
        """Sample every so often; through an outage of the server, too."""
        while True:
            with suppress(psycopg.Error):
                async with _connect(self.url) as connection:
                    while True:
                        self.samples.append(await self._read_sample(connection))
                        self.on_sample()
                        await anyio.sleep(seconds)
            await anyio.sleep(RECONNECT_SECONDS)

    async def watch_writes(self) -> None:
        """Have a trigger record each write of an office from now on."""
        async with _connect(self.url) as connection:
            await connection.execute(_WRITES)

    async def fetch(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of one statement."""
        async with _connect(self.url) as connection:
            cursor = await connection.execute(statement, values)
            return await cursor.fetchall() if cursor.description else []

    async def list_writes(self) -> list[OfficeWrite]:
        """What the trigger saw."""
        rows = await self.fetch("SELECT tab, office, at, session, holder, sink_holder FROM seen.write ORDER BY at")
        return [
            OfficeWrite(tab, office, at, self._find_member(name), holder, sink_holder)
            for tab, office, at, name, holder, sink_holder in rows
        ]

    async def list_snapshots(self) -> list[SnapshotRow]:
        rows = await self.fetch(
            "SELECT snapshot.id, office.id, observed_at FROM snapshot JOIN office ON office.key = snapshot.office"
        )
        return [SnapshotRow(*row) for row in rows]

    async def list_deliveries(self) -> list[DeliveryRow]:
        rows = await self.fetch(
            "SELECT number, delivery_id, sink, office.id, snapshot, delivery.state"
            " FROM delivery JOIN office ON office.key = delivery.office"
        )
        return [DeliveryRow(*row) for row in rows]

    async def list_commands(self) -> list[CommandRow]:
        rows = await self.fetch(
            "SELECT number, kind, name, verb, taken_by, answered_at, outcome, is_refused FROM command ORDER BY number"
        )
        return [CommandRow(*row) for row in rows]

    async def _read_sample(self, connection: psycopg.AsyncConnection) -> Sample:
        """One instant: all statements see the same rows."""
        async with connection.transaction():
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            members = await _fetch(connection, _MEMBERS)
            self._sessions.update({row[-1]: row[0] for row in members})
            leases = await _fetch(connection, _LEASES)
            wanted = await _fetch(connection, "SELECT id FROM office WHERE wanted")
            sinks = await _fetch(connection, "SELECT name FROM sink")
            deliveries = await _fetch(connection, "SELECT number FROM delivery")
            waits = await _fetch(connection, _WAITS)
            ((at,),) = await _fetch(connection, "SELECT clock_timestamp()")
        return Sample(
            at,
            {row[0]: MemberRow(*row[:-1]) for row in members},
            {(row[0], row[1]): LeaseRow(*row) for row in leases},
            wanted=frozenset(name for (name,) in wanted),
            sinks=frozenset(name for (name,) in sinks),
            deliveries=frozenset(number for (number,) in deliveries),
            waits=tuple(self._make_wait(*row) for row in waits),
        )

    def _make_wait(self, name: str, seconds: float, blockers: Sequence[str]) -> LockWait:
        blocked_by = tuple(self._find_member(blocker) or 0 for blocker in blockers)
        return LockWait(self._find_member(name) or 0, seconds, blocked_by)

    def _find_member(self, name: str) -> int | None:
        """The member whose connection has this name: the row has the beginning that all of its connections share."""
        return find_session(self._sessions, name)


def find_session(sessions: Mapping[str, int], name: str) -> int | None:
    """The member with the longest session that the name of a connection begins with."""
    found = [session for session in sessions if session and name.startswith(session)]
    return sessions[max(found, key=len)] if found else None


@asynccontextmanager
async def _connect(url: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """A connection that is closed however the block ends: psycopg's own way would wait, and may be cancelled."""
    connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
    try:
        yield connection
    finally:
        await connection.close()


async def _fetch(connection: psycopg.AsyncConnection, statement: str) -> list[tuple[Any, ...]]:
    return await (await connection.execute(statement)).fetchall()
