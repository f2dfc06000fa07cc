"""Looks after the database when `[maintenance]` says so.

The scheduler only pokes: the work runs here, one job after another, in the daemon's own task group, so that stopping
the daemon stops it too.
"""

from collections.abc import Awaitable, Callable, Mapping

import anyio
from anyio.streams.memory import MemoryObjectSendStream
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger

from oddaemon.store.database import Database
from oddaemon.store.errors import DatabaseDamaged, StoreError
from oddaemon.store.maintenance import integrity_check, wal_checkpoint
from oddaemon.telemetry.event import Event
from oddaemon.telemetry.events import MaintenanceFinished


async def keep_house(
    database: Database,
    crons: Mapping[str, str],
    failed: Callable[[StoreError], None],
    emit: Callable[[Event], None],
) -> None:
    """Run the jobs at their times, until cancelled.

    Args:
        database: What is looked after.
        crons: A five-field cron expression for each job by name; empty: never.
        failed: Told of a database that is found to be damaged.
        emit: Takes the events.
    """
    jobs = {"wal_checkpoint": _checkpoint, "integrity_check": _check}
    due = {name: cron for name, cron in crons.items() if cron}
    if not due:
        return
    poke, poked = anyio.create_memory_object_stream[str](len(jobs))
    scheduler = AsyncIOScheduler()
    for name, cron in due.items():
        scheduler.add_job(_poke, CronTrigger.from_crontab(cron), (poke, name), misfire_grace_time=None, coalesce=True)
    scheduler.start()
    try:
        async with poke, poked:
            async for name in poked:
                await _run(name, jobs[name], database, failed, emit)
    finally:
        scheduler.shutdown(wait=False)


async def _poke(stream: MemoryObjectSendStream[str], name: str) -> None:
    """A job that is already waiting need not wait twice."""
    try:
        stream.send_nowait(name)
    except anyio.WouldBlock:
        return


async def _run(
    name: str,
    job: Callable[[Database], Awaitable[str]],
    database: Database,
    failed: Callable[[StoreError], None],
    emit: Callable[[Event], None],
) -> None:
    started = anyio.current_time()
    try:
        result = await job(database)
    except StoreError as error:
        result = str(error)
        failed(error)
    emit(MaintenanceFinished(name, anyio.current_time() - started, result))


async def _checkpoint(database: Database) -> str:
    whole = await wal_checkpoint(database)
    return "The write-ahead log was emptied." if whole else "A reader held the write-ahead log; it stays for now."


async def _check(database: Database) -> str:
    problems = await integrity_check(database)
    if problems:
        raise DatabaseDamaged(database.path, "; ".join(problems))
    return "The database is sound."
