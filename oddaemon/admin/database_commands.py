"""What can be ordered of the database's file as a whole: forget an office, prune, vacuum.

The last two are done by a command as well, where there is no daemon.

To forget an office is to have nobody left who writes of it, and then to remove it. So no configuration is put in force
meanwhile, and what a reload took out of it has ended before another order can be obeyed: its worker has, since a reload
waits for it; its orders for past days are given up here. A courier in the middle of a delivery finds no row to end.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import anyio.to_thread

from oddaemon.admin.background_jobs import BackgroundJobs
from oddaemon.admin.commands import CommandRejected, Document
from oddaemon.admin.database_routes import DatabaseHandlers
from oddaemon.admin.office_commands import CONFLICT, CommandService
from oddaemon.engine.backfill.service import BackfillService
from oddaemon.engine.config.active_config import ActiveConfig
from oddaemon.engine.offices.fleet_state import FleetState
from oddaemon.store import retention
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.copy import get_size_bytes
from oddaemon.store.sqlite.disk_space import format_size
from oddaemon.store.sqlite.maintenance import erase, vacuum
from oddaemon.telemetry.events import OfficeErased
from oddaemon.telemetry.events.base import Event


async def prune(database: SqliteDatabase, days: int, now: datetime) -> Document:
    """Forget what is older than so many days.

    Raises:
        StoreError: As `pruning.prune`.
    """
    pruned = await retention.prune(database, now - timedelta(days=days))
    outcome = (
        f"Older than {days} days and gone: {pruned.snapshots:,} snapshots, {pruned.versions:,} versions of balances, "
        f"{pruned.backfilled_days:,} past days, {pruned.journal_entries:,} lines of the journal."
    )
    return {"outcome": outcome}


async def vacuum_database(database: SqliteDatabase) -> Document:
    """Write the file anew.

    Raises:
        StoreError: As `maintenance.vacuum`.
    """
    size_before = await anyio.to_thread.run_sync(get_size_bytes, database.path)
    await vacuum.vacuum(database)
    size_after = await anyio.to_thread.run_sync(get_size_bytes, database.path)
    return {
        "outcome": f"{database.path} is written anew: {format_size(size_before)} before, {format_size(size_after)} now."
    }


@dataclass(frozen=True, slots=True)
class DatabaseCommands:
    """Takes the orders of one daemon."""

    commands: CommandService
    jobs: BackgroundJobs
    configuration: ActiveConfig
    backfill: BackfillService
    fleet: FleetState
    database: SqliteDatabase
    emit: Callable[[Event], None]

    @property
    def handlers(self) -> DatabaseHandlers:
        """All that can be ordered."""
        return DatabaseHandlers(self.forget, self.prune, self.vacuum, self.jobs.get_status)

    async def forget(self, office_id: str, uid: int | None) -> str:
        """Begin to remove everything that is stored of an office; what comes of it is its rows by table.

        Raises:
            OrderRefused: It is configured.
        """
        if office_id in self.fleet.offices:
            with self.commands.log_command("forget", office_id, uid):
                raise _make_configured_rejection(office_id)
        return await self.jobs.start("forget", office_id, uid, partial(self._erase, office_id))

    async def prune(self, days: int | None, uid: int | None) -> str:
        """Begin to prune; None: what is older than `[state] retain_days`."""
        older_than = days or self.configuration.settings.state.retain_days
        return await self.jobs.start("prune", "", uid, lambda: prune(self.database, older_than, self.fleet.now()))

    async def vacuum(self, uid: int | None) -> str:
        """Begin to write the file anew."""
        return await self.jobs.start("vacuum", "", uid, partial(vacuum_database, self.database))

    async def _erase(self, office_id: str) -> Document:
        async with self.configuration.hold_settings() as settings:
            if any(each.office.id == office_id for each in settings.offices):
                raise _make_configured_rejection(office_id)
            await self.backfill.remove_office(office_id)
            rows = await erase.erase_office(self.database, office_id)
        count = sum(rows.values())
        self.emit(OfficeErased(office_id, count))
        return {"outcome": f"{office_id} is forgotten: {count:,} rows.", "rows": rows}


def _make_configured_rejection(office_id: str) -> CommandRejected:
    return CommandRejected(
        CONFLICT,
        f"{office_id} is in the configuration in force.",
        "Take it out of its file, then `oddaemon reload`; an office that is only switched off would be read again.",
    )
