import random

import anyio
import anyio.lowlevel

from oddaemon.core.model import Balance, index_balances
from oddaemon.store import offices, open_pulls, snapshots
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.store.samples import ELM, HARBOR, NOW, checkpoint, snapshot, state

CANCELLATIONS = 300
GUARANTORS = 20


def generation(number: int) -> tuple[Balance, ...]:
    """A snapshot whose every row says which one it is."""
    return tuple(Balance(pat_num, 0, *[number] * 7) for pat_num in range(1, GUARANTORS + 1))


async def test_random_cancellations_leave_nothing_half_written_and_nobody_locked_out(database: SqliteDatabase) -> None:
    draw = random.Random(CANCELLATIONS)
    began = anyio.current_time()
    await _stage_and_publish(database, 0)
    uncut_seconds = anyio.current_time() - began
    cancelled = number = 0
    while cancelled < CANCELLATIONS:
        number += 1
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(offices.save_state, database, HARBOR, state(attempts=number))
            with anyio.move_on_after(draw.random() * uncut_seconds) as scope:
                await _stage_and_publish(database, number)
            cancelled += scope.cancelled_caught
        with anyio.fail_after(120):
            await _must_be_whole(database)
    assert SqliteDatabase.calls_in_flight == 0
    await _stage_and_publish(database, number + 1)
    assert await snapshots.load_balances(database, ELM) == list(generation(number + 1))


async def _stage_and_publish(database: SqliteDatabase, number: int) -> None:
    rows = generation(number)
    await open_pulls.begin(database, ELM, (), checkpoint(0, number))
    await open_pulls.add_page(database, ELM, rows[:10], checkpoint(10, number))
    await open_pulls.add_page(database, ELM, rows[10:], checkpoint(20, number))
    await snapshots.publish(database, ELM, snapshot(rows), state(attempts=number), NOW)


async def _must_be_whole(database: SqliteDatabase) -> None:
    stored = await offices.load_state(database, ELM)
    assert stored is not None
    assert await snapshots.load_balances(database, ELM) == list(generation(stored.attempts))
    staged = await open_pulls.load(database, ELM)
    if staged is not None:
        assert staged.balances == index_balances(
            generation(staged.checkpoint.requests)[: staged.checkpoint.last_pat_num]
        )
        assert staged.checkpoint.requests > stored.attempts


async def test_waiting_for_ones_turn_can_be_cancelled(database: SqliteDatabase) -> None:
    async with database.transaction():
        with anyio.move_on_after(0.001) as scope:
            await _save_in_another_task(database)
    assert scope.cancelled_caught
    await offices.save_state(database, ELM, state())


async def test_from_begin_to_commit_nothing_can_be_cancelled(database: SqliteDatabase) -> None:
    with anyio.CancelScope() as scope:
        async with database.transaction() as connection:
            scope.cancel()
            await anyio.lowlevel.checkpoint()
            await offices.write_state(connection, ELM, state(attempts=7))
    assert await offices.load_state(database, ELM) == state(attempts=7)


async def _save_in_another_task(database: SqliteDatabase) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(offices.save_state, database, ELM, state())
