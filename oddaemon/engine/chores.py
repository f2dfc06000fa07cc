"""What the housekeeper does at its times: the jobs of `[maintenance]`, each a sentence on what came of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from oddaemon.core.digest import digest
from oddaemon.engine.fleet import Fleet
from oddaemon.engine.housekeeper import SOON, Job
from oddaemon.settings import Maintenance, Settings
from oddaemon.store import maintenance, pruning
from oddaemon.store.database import Database
from oddaemon.store.errors import DatabaseDamaged, StoreError
from oddaemon.store.room import size_text
from oddaemon.telemetry.event import Event
from oddaemon.telemetry.events import FleetDigest


@dataclass(frozen=True, slots=True)
class Household:
    """What the jobs work with."""

    database: Database
    fleet: Fleet
    damaged: Callable[[StoreError], None]
    """Told of a database that is found to be damaged."""
    emit: Callable[[Event], None]


def jobs(settings: Settings, house: Household) -> list[Job]:
    """All jobs; those that are due at the same moment are done in this order.

    A night's backup, pruning and check are made up for, however late. Folding back the log and vacuuming come again
    soon enough, and a digest of the morning is no use in the evening.
    """
    when: Maintenance = settings.maintenance
    retained = timedelta(days=settings.state.retain_days)
    found = [
        Job("digest", when.digest, partial(_digest, house), SOON, alone=False),
        Job("prune", when.prune, partial(_prune, house, retained)),
        Job("incremental_vacuum", when.incremental_vacuum, partial(_vacuum, house), SOON),
        Job("wal_checkpoint", when.wal_checkpoint, partial(_checkpoint, house), SOON),
        Job("integrity_check", when.integrity_check, partial(_check, house)),
    ]
    if when.backup_directory is not None:
        backing_up = partial(_back_up, house, when.backup_directory, when.backup_keep)
        found.append(Job("backup", when.backup, backing_up))
    return found


async def _digest(house: Household) -> str:
    now: datetime = house.fleet.now()
    told = FleetDigest.of(digest(house.fleet.statuses(), now))
    house.emit(told)
    return f"{told.fresh} of {told.offices} offices are fresh."


async def _prune(house: Household, retained: timedelta) -> str:
    gone = await pruning.prune(house.database, house.fleet.now() - retained)
    return (
        f"{gone.snapshots} snapshots, {gone.versions} versions of balances, {gone.past_days} past days and "
        f"{gone.journal_lines} lines of the journal were older than {retained.days} days and are gone."
    )


async def _vacuum(house: Household) -> str:
    done = await maintenance.incremental_vacuum(house.database)
    return f"{size_text(done.given_back_bytes)} were given back, {size_text(done.spare_bytes)} are kept for what comes."


async def _checkpoint(house: Household) -> str:
    whole = await maintenance.wal_checkpoint(house.database)
    return "The write-ahead log was emptied." if whole else "A reader held the write-ahead log; it stays for now."


async def _check(house: Household) -> str:
    try:
        problems = await maintenance.integrity_check(house.database)
        if problems:
            raise DatabaseDamaged(house.database.path, "; ".join(problems))
    except StoreError as error:
        house.damaged(error)
        raise
    return "The database is sound."


async def _back_up(house: Household, directory: Path, keep: int) -> str:
    done = await maintenance.rotate_backups(house.database, directory, keep, house.fleet.now())
    made = f"{done.made.path}: {size_text(done.made.size_bytes)}, checked"
    return f"{made}; {done.kept} kept, {len(done.removed)} removed."
