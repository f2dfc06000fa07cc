"""The same work leaves the same rows in SQLite and in PostgreSQL."""

from datetime import date, timedelta
from pathlib import Path

from sqlalchemy import select

from oddaemon.core.backfill.job import BackfillResult, BackfillTarget
from oddaemon.core.delivery import DeliveryState, FailedAttempt, SinkState
from oddaemon.core.snapshot.aging_report import ReportCursor
from oddaemon.core.snapshot.verify import compute_totals
from oddaemon.store import (
    backfill_jobs,
    backfilled_days,
    journal,
    maintenance_runs,
    offices,
    open_pulls,
    outbox,
    payloads,
    retention,
    snapshots,
)
from oddaemon.store.database import Database
from oddaemon.store.journal import JournalEntry
from oddaemon.store.maintenance_runs import JobRun
from oddaemon.store.postgresql.connection import PostgresDatabase
from oddaemon.store.schema import delivery, metadata
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.store.configured import reconcile_sinks, register_offices
from tests.store.filled_database import make_true_snapshot
from tests.store.postgresql.engines import on_postgresql
from tests.store.samples import ELM, HARBOR, NOW, OFFICES, make_balances, make_checkpoint, make_state

TARGET = BackfillTarget(ELM, date(2025, 12, 31))
LATER = NOW + timedelta(days=9)
LARGE = make_balances(600)
"""More than one statement of SQLite's inserts."""


async def work(database: Database) -> list[object]:
    """A little of everything; what was read meanwhile."""
    await register_offices(database, OFFICES)
    await reconcile_sinks(database, {"lake": [ELM, HARBOR], "hook": [ELM]}, NOW)
    for day in range(1, 6):
        rows = [row._replace(bal_total=row.bal_total + (row.pat_num * day) % 3) for row in LARGE[day * 7 :]]
        at = NOW + timedelta(days=day)
        published = await snapshots.publish(
            database, ELM, make_true_snapshot(rows, day), make_state(), at, late_at=at, sinks=["lake", "hook"]
        )
    read: list[object] = []
    while attempts := await outbox.load_next(database, "lake", [HARBOR]):
        (attempt,) = attempts
        read.append(await payloads.load_payload(database, attempt.delivery, attempt.previous_snapshot_id))
        await outbox.mark_done(database, "lake", attempts, NOW)
    (first,) = await outbox.load_next(database, "hook")
    failed = FailedAttempt(DeliveryState.DUE, first.delivery, SinkState(3, NOW + timedelta(minutes=1)))
    await outbox.record_failure(database, "hook", failed, "No.", NOW)
    await open_pulls.begin(database, HARBOR, LARGE[:5], make_checkpoint(112))
    job = await backfill_jobs.get_or_create(database, TARGET, LATER)
    await backfill_jobs.add_page(database, job.number, LARGE[:9], ReportCursor(), "all:")
    read.append(await backfill_jobs.load_counts(database))
    result = BackfillResult(LARGE, compute_totals(LARGE), 7)
    assert await backfilled_days.publish(database, job, result, LATER)
    entries = [JournalEntry(ELM, LATER + timedelta(seconds=number), "info", "x", {"n": number}) for number in range(9)]
    await journal.append(database, entries, entries_max=5)
    await maintenance_runs.save_run(database, "prune", JobRun(NOW, NOW, "Done."))
    read.append(await retention.prune(database, NOW + timedelta(days=2)))
    read += [await snapshots.load_balances(database, ELM, published.id), await offices.list_all(database)]
    read += [await backfilled_days.load_outcomes(database), await outbox.load_sink_states(database)]
    return read


async def dump(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """Every row but for the ids of deliveries, which are random."""
    dumped = {}
    for table in metadata.sorted_tables:
        columns = [column for column in table.columns if column is not delivery.c.delivery_id]
        dumped[table.name] = await database.select(select(*columns).order_by(*table.primary_key), tuple)
    return dumped


@on_postgresql
async def test_the_same_work_leaves_the_same_rows(database: PostgresDatabase, path: Path) -> None:
    async with SqliteDatabase.open(str(path)) as other:
        expected, expected_rows = await work(other), await dump(other)
    assert await work(database) == expected
    assert await dump(database) == expected_rows
    assert {name for name, rows in expected_rows.items() if not rows} == {"backfill_page", "member", "lease", "command"}
