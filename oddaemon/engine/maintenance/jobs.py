"""The jobs of `[maintenance]`; each returns its result as a sentence."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from oddaemon.engine.maintenance.scheduler import SHORT_GRACE, MaintenanceJob
from oddaemon.engine.offices.fleet_state import FleetState
from oddaemon.settings import MaintenanceSettings, Settings
from oddaemon.store.errors import DatabaseDamaged, StoreError
from oddaemon.store.retention import prune
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.disk_space import format_size
from oddaemon.store.sqlite.maintenance import vacuum
from oddaemon.telemetry.events import FleetDigest
from oddaemon.telemetry.events.base import Event


def build_jobs(
    settings: Settings,
    database: SqliteDatabase,
    fleet: FleetState,
    on_damage: Callable[[StoreError], None],
    emit: Callable[[Event], None],
) -> list[MaintenanceJob]:
    """All jobs; those that are due at the same moment run in this order.

    A missed backup, pruning or integrity check runs however late. The others are skipped if they are more than an hour
    late: the next checkpoint or vacuum comes soon, and a morning's digest is of no use in the evening.

    Args:
        settings: Validated settings.
        database: What they maintain.
        fleet: The state of each office, and the wall clock.
        on_damage: Called when the database is found damaged.
        emit: Takes the events.
    """
    table: MaintenanceSettings = settings.maintenance
    retention = timedelta(days=settings.state.retain_days)
    found = [
        MaintenanceJob("digest", table.digest, partial(_emit_digest, fleet, emit), SHORT_GRACE, is_exclusive=False),
        MaintenanceJob("prune", table.prune, partial(_prune, database, fleet.now, retention)),
        MaintenanceJob("incremental_vacuum", table.incremental_vacuum, partial(_vacuum, database), SHORT_GRACE),
        MaintenanceJob(
            "wal_checkpoint", table.wal_checkpoint, partial(_checkpoint, database), SHORT_GRACE, is_retried=True
        ),
        MaintenanceJob("integrity_check", table.integrity_check, partial(_check_integrity, database, on_damage)),
    ]
    if table.backup_directory is not None:
        backup = partial(_back_up, database, fleet.now, table.backup_directory, table.backup_keep)
        found.append(MaintenanceJob("backup", table.backup, backup))
    return found


async def _emit_digest(fleet: FleetState, emit: Callable[[Event], None]) -> str:
    event = FleetDigest.of_fleet(fleet.get_statuses(), fleet.now())
    emit(event)
    return f"{event.fresh} of {event.offices} offices are fresh."


async def _prune(database: SqliteDatabase, now: Callable[[], datetime], retention: timedelta) -> str:
    pruned = await prune(database, now() - retention)
    return (
        f"Deleted, older than {retention.days} days: {pruned.snapshots} snapshots, {pruned.versions} versions of "
        f"balances, {pruned.backfilled_days} backfilled days, {pruned.journal_entries} journal entries."
    )


async def _vacuum(database: SqliteDatabase) -> str:
    result = await vacuum.run_incremental_vacuum(database)
    return f"Freed {format_size(result.freed_bytes)}; kept {format_size(result.spare_bytes)} for new data."


async def _checkpoint(database: SqliteDatabase) -> str:
    await vacuum.truncate_wal(database)
    return "The write-ahead log was emptied."


async def _check_integrity(database: SqliteDatabase, on_damage: Callable[[StoreError], None]) -> str:
    try:
        problems = await vacuum.check_integrity(database)
        if problems:
            raise DatabaseDamaged(database.path, "; ".join(problems))
    except StoreError as error:
        on_damage(error)
        raise
    return "The database is intact."


async def _back_up(database: SqliteDatabase, now: Callable[[], datetime], directory: Path, count: int) -> str:
    result = await vacuum.rotate_backups(database, directory, count, now())
    made = f"{result.backup.path}: {format_size(result.backup.size_bytes)}, checked"
    return f"{made}; {result.retained} kept, {len(result.removed)} removed."
