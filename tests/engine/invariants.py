"""What holds after any night, whatever went wrong in it: nothing false, no rate exceeded, no task or secret leaked."""

import json
import re

from oddaemon.core.model import PublishedSnapshot, Reader
from oddaemon.simulator.practice.aging_run import AgingOutcome
from oddaemon.simulator.practice.practice import Practice
from oddaemon.store import journal, snapshots
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.engine.world import World


async def assert_invariants(world: World, *, crashes: bool) -> None:
    """Hold a night that is over against the promises.

    Args:
        world: The night.
        crashes: Whether a worker was meant to crash.
    """
    assert world.find_violations() == []
    assert world.leaked_tasks == []
    assert "oddaemon_requests_in_flight 0.0" in world.render_metrics()
    assert crashes or not [line for line in world.lines if line["event"] == "worker_crashed"]
    async with SqliteDatabase.open_for_reading(world.settings.state.database_url.reveal()) as database:
        _assert_no_secrets(world, await _read_journals(world, database))
        for office in world.settings.offices.values():
            await _assert_true(world, database, office.spec.id)


async def _assert_true(world: World, database: SqliteDatabase, office_id: str) -> None:
    """Every snapshot that was ever published was the office's table at one instant after the run that it names."""
    for snapshot in await snapshots.list_latest(database, office_id, limit=1000):
        stored = await snapshots.load_balances(database, office_id, snapshot.id)
        if snapshot.reader is Reader.REPORT:
            reported = [tuple(each) for each in world.reported[snapshot.id]]
            assert [tuple(each) for each in stored] == reported, f"{office_id}: snapshot {snapshot.id} is no report"
        else:
            assert world.was_true(stored, office_id), f"{office_id}: snapshot {snapshot.id} was never true"
        _assert_from_last_run(world.get_practice(office_id), snapshot)


def _assert_from_last_run(practice: Practice, snapshot: PublishedSnapshot) -> None:
    """No run was in progress, and the last one to complete is the one that the snapshot names."""
    observed_at = snapshot.observed_at
    assert not [
        run for run in practice.aging.runs if run.finished_at and run.started_at < observed_at < run.finished_at
    ]
    completed = [run for run in practice.aging.runs if run.outcome is AgingOutcome.COMPLETED and run.finished_at]
    before = [run for run in completed if run.finished_at and run.finished_at <= observed_at]
    if before:
        assert snapshot.aging_date == before[-1].aging_date


async def _read_journals(world: World, database: SqliteDatabase) -> str:
    """All that was kept of what happened to the offices."""
    ids = [office.spec.id for office in world.settings.offices.values()]
    return "\n".join([str(await journal.list_latest(database, office_id, 1000)) for office_id in ids])


def _assert_no_secrets(world: World, journals: str) -> None:
    """Keys are in no line; nor is anything that could be a balance or a row of them."""
    output = "\n".join((*(json.dumps(line) for line in world.lines), world.render_metrics(), journals))
    assert "planted-" not in output
    assert re.search(r"\d+,-?\d+,-?\d+,-?\d+", output) is None
