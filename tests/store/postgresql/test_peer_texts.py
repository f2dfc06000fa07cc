"""What a peer wrote is stored by every database: PostgreSQL refuses a text with a NUL."""

from dataclasses import replace
from datetime import date

from oddaemon.core.backfill.job import BackfillTarget, JobState
from oddaemon.core.delivery import DeliveryState, FailedAttempt, SinkState
from oddaemon.core.model import OfficeSpec
from oddaemon.store import backfill_jobs, maintenance_runs, offices, outbox, snapshots
from oddaemon.store.maintenance_runs import JobRun
from tests.store.configured import reconcile_sinks, register_offices
from tests.store.postgresql.engines import AnyDatabase
from tests.store.samples import ELM, NOW, make_balances, make_snapshot, make_state

WRITTEN, STORED = "It said \0.", "It said \ufffd."


async def test_a_name_and_a_reason(database: AnyDatabase) -> None:
    await register_offices(database, [OfficeSpec(ELM, WRITTEN)])
    state = make_state()
    state = replace(state, standing=replace(state.standing, reason=WRITTEN))
    await offices.save_state(database, ELM, state)
    elm, _ = await offices.list_all(database)
    assert (elm.name, elm.state) == (STORED, state)
    assert await database.execute_one(f"SELECT reason FROM office WHERE id = '{ELM}'") == [(STORED,)]


async def test_the_error_of_a_delivery(database: AnyDatabase) -> None:
    await reconcile_sinks(database, {"lake": [ELM]}, NOW)
    await snapshots.publish(database, ELM, make_snapshot(make_balances(1)), make_state(), NOW, sinks=["lake"])
    (attempt,) = await outbox.load_next(database, "lake")
    failed = FailedAttempt(DeliveryState.DEAD, attempt.delivery, SinkState())
    await outbox.record_failure(database, "lake", failed, WRITTEN, NOW)
    assert [row.error for row in await outbox.list_deliveries(database)] == [STORED]


async def test_why_a_backfill_failed(database: AnyDatabase) -> None:
    job = await backfill_jobs.get_or_create(database, BackfillTarget(ELM, date(2025, 12, 31)), NOW)
    await backfill_jobs.save(database, replace(job, state=JobState.FAILED, why=WRITTEN))
    assert [each.why for each in await backfill_jobs.list_jobs(database)] == [STORED]


async def test_the_result_of_a_maintenance_job(database: AnyDatabase) -> None:
    await maintenance_runs.save_run(database, "prune", JobRun(NOW, NOW, "Done."))
    await maintenance_runs.save_run(database, "prune", JobRun(NOW, None, WRITTEN))
    assert await maintenance_runs.load_runs(database) == {"prune": JobRun(NOW, NOW, STORED)}
