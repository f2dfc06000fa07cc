"""The jobs of `[maintenance]`; each returns its result as a sentence."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from oddaemon.engine.maintenance.scheduler import SHORT_GRACE, MaintenanceJob
from oddaemon.engine.offices.fleet_state import FleetState
from oddaemon.settings import MaintenanceSettings, Settings
from oddaemon.store.database import Database, Upkeep
from oddaemon.store.errors import StoreError
from oddaemon.store.opening import get_upkeep
from oddaemon.store.retention import prune
from oddaemon.telemetry.events import FleetDigest
from oddaemon.telemetry.events.base import Event


def build_jobs(
    settings: Settings,
    database: Database,
    fleet: FleetState,
    on_damage: Callable[[StoreError], None],
    emit: Callable[[Event], None],
) -> list[MaintenanceJob]:
    """All jobs that this kind of database has; those that are due at the same moment run in this order.

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
    upkeep = get_upkeep(database)
    found = [
        MaintenanceJob("digest", table.digest, partial(_emit_digest, fleet, emit), SHORT_GRACE, is_exclusive=False),
        MaintenanceJob("prune", table.prune, partial(_prune, database, fleet.now, retention)),
    ]
    if (work := upkeep.jobs.get("incremental_vacuum")) is not None:
        found.append(MaintenanceJob("incremental_vacuum", table.incremental_vacuum, work, SHORT_GRACE))
    if (work := upkeep.jobs.get("wal_checkpoint")) is not None:
        found.append(MaintenanceJob("wal_checkpoint", table.wal_checkpoint, work, SHORT_GRACE, is_retried=True))
    if (work := upkeep.jobs.get("integrity_check")) is not None:
        found.append(
            MaintenanceJob("integrity_check", table.integrity_check, partial(_check_integrity, work, on_damage))
        )
    if upkeep.can_back_up and table.backup_directory is not None:
        backup = partial(_back_up, upkeep, table.backup_directory, table.backup_keep, fleet.now)
        found.append(MaintenanceJob("backup", table.backup, backup))
    return found


async def _emit_digest(fleet: FleetState, emit: Callable[[Event], None]) -> str:
    event = FleetDigest.of_fleet(fleet.get_statuses(), fleet.now())
    emit(event)
    return f"{event.fresh} of {event.offices} offices are fresh."


async def _prune(database: Database, now: Callable[[], datetime], retention: timedelta) -> str:
    pruned = await prune(database, now() - retention)
    await get_upkeep(database).reclaim_pruned()
    return (
        f"Deleted, older than {retention.days} days: {pruned.snapshots} snapshots, {pruned.versions} versions of "
        f"balances, {pruned.backfilled_days} backfilled days, {pruned.journal_entries} journal entries."
    )


async def _check_integrity(check: Callable[[], Awaitable[str]], on_damage: Callable[[StoreError], None]) -> str:
    try:
        return await check()
    except StoreError as error:
        on_damage(error)
        raise


async def _back_up(upkeep: Upkeep, directory: Path, keep: int, now: Callable[[], datetime]) -> str:
    return await upkeep.back_up(directory, keep, now())
