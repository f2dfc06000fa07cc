"""What a database on a server needs beside reading and writing rows: little, as the server has its own upkeep."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path

import anyio
from sqlalchemy import text

from oddaemon.store import schema
from oddaemon.store.dialect import make_statement
from oddaemon.store.errors import DatabaseUnusable, OfficeUnknown, StoreError
from oddaemon.store.offices import delete_office, delete_office_rows
from oddaemon.store.postgresql.connection import PostgresDatabase
from oddaemon.store.postgresql.errors import READ_ONLY

STUCK_SECONDS = 15.0
"""A write that takes longer waits for a server that does not answer: one that waits for a lock has failed by then."""
MAINTENANCE_SECONDS = 4 * 3600.0
"""For a vacuum of a large fleet."""
_ERASE_SECONDS = 45
"""For a statement that deletes one of an office's tables."""

_OFFICE_KEY = make_statement("SELECT key FROM office WHERE id = :office")
_COUNTS = make_statement(
    "SELECT version_num, (SELECT count(*) FROM office), (SELECT count(*) FROM snapshot),"
    " (SELECT count(*) FROM journal), pg_database_size(current_database()), version(), pg_is_in_recovery(),"
    " current_setting('synchronous_standby_names'), current_setting('synchronous_commit') FROM alembic_version"
)
_STANDBYS = make_statement(
    "SELECT coalesce(state, 'unknown'), coalesce(sync_state, 'unknown'), extract(epoch FROM replay_lag)::float8"
    " FROM pg_stat_replication ORDER BY pid"
)
_STANDBY_FIELDS = ("state", "sync_state", "replay_lag_seconds")


class PostgresUpkeep:
    """As `Upkeep`.

    Args:
        database: Open for writing; for `read_info`, for reading.
    """

    slow_advice = "Check the load and the disk of the database server, and the network to it."
    can_back_up = False

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    @property
    def jobs(self) -> Mapping[str, Callable[[], Awaitable[str]]]:
        """As `Upkeep.jobs`: none. Autovacuum, checkpoints and checksums are the server's own."""
        return {}

    async def require_healthy(self) -> None:
        """As `Upkeep.require_healthy`: the server answers, can be written, and no write is stuck."""
        database = self._database
        with database.report_errors():
            if database.writing_since is not None and anyio.current_time() - database.writing_since > STUCK_SECONDS:
                raise DatabaseUnusable(
                    f"A write to the database {database.where} has been waiting for more than {STUCK_SECONDS:g} s.",
                    self.slow_advice,
                    is_transient=True,
                )
        (is_standby,) = await database.fetch("SELECT pg_is_in_recovery()", None, lambda row: bool(row[0]))
        if is_standby:
            with database.report_errors():
                raise READ_ONLY.make_loss(database.where)

    async def try_writing(self) -> None:
        """As `Upkeep.try_writing`: one row, to the value that it has."""
        await self._database.execute_one("UPDATE compatibility SET serves_from = serves_from")

    def get_log_bytes(self) -> int | None:
        """As `Upkeep.get_log_bytes`: the server's administrator watches it."""
        return None

    async def reclaim_pruned(self) -> None:
        """As `Upkeep.reclaim_pruned`: autovacuum would wait for more dead rows than a night's pruning leaves."""
        await self._execute_long("VACUUM (ANALYZE) balance")

    async def vacuum(self) -> str:
        """As `Upkeep.vacuum`: a plain one, during which everything goes on."""
        tables = ", ".join(table.name for table in schema.metadata.sorted_tables)
        await self._execute_long(f"VACUUM (ANALYZE) {tables}")
        return (
            f"Vacuumed the tables of {self._database.where}: their free space is used again. Only VACUUM FULL gives it "
            "back to the disk; it locks the tables meanwhile, so run it while no daemon runs."
        )

    async def back_up(self, directory: Path, keep: int, now: datetime) -> str:  # noqa: ARG002 - as `Upkeep.back_up`
        """As `Upkeep.back_up`, which a server has its own tools for.

        Raises:
            StoreError: always.
        """
        raise StoreError(
            f"The database {self._database.where} is on a server, and oddaemon does not back it up.",
            "Use the server's own tools: continuous archiving with pg_basebackup, or pg_dump --format=custom.",
        )

    async def erase_office(self, office_id: str) -> dict[str, int]:
        """As `Upkeep.erase_office`: its rows in one transaction, then their space.

        Bytes of the rows remain in the write-ahead log, on standbys and in backups until those are recycled, which
        cannot be seen from here.
        """
        database = self._database
        found = await database.fetch(_OFFICE_KEY, {"office": office_id}, lambda row: int(row[0]))
        if not found:
            raise OfficeUnknown(office_id)
        (key,) = found
        async with database.transaction() as connection:
            await connection.execute(text(f"SET LOCAL statement_timeout = '{_ERASE_SECONDS}s'"))
            rows = await delete_office_rows(connection, key)
            for table in (schema.lease, schema.command):
                is_of_office = (table.c.kind == "office") & (table.c.name == office_id)
                rows[table.name] = (await connection.execute(table.delete().where(is_of_office))).rowcount
            await delete_office(connection, key)
        await self._execute_long(f"VACUUM {', '.join(+rows)}" if +rows else "VACUUM office")
        return {**+rows, "office": 1}

    async def read_info(self) -> dict[str, object]:
        """As `Upkeep.read_info`: of standbys only what the server shows this user."""
        (
            (revision, offices, snapshots, journal_entries, size, version, is_standby, names, commit),
        ) = await self._database.fetch(_COUNTS, None, tuple)
        standbys = await self._database.fetch(_STANDBYS, None, tuple)
        return {
            "where": self._database.where,
            "server": version,
            "size_bytes": size,
            "is_standby": is_standby,
            "timeline": self._database.timeline,
            "synchronous_standby_names": names,
            "synchronous_commit": commit,
            "standbys": [dict(zip(_STANDBY_FIELDS, standby, strict=True)) for standby in standbys],
            "revision": str(revision),
            "offices": offices,
            "snapshots": snapshots,
            "journal_entries": journal_entries,
        }

    async def _execute_long(self, statement: str) -> None:
        with self._database.report_errors():
            async with self._database.open_maintenance_connection() as connection:
                await connection.execute_long(statement, MAINTENANCE_SECONDS)
