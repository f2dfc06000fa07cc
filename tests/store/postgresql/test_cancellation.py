import random

import anyio
import anyio.lowlevel
import pytest

from oddaemon.core.model import Balance
from oddaemon.core.snapshot.balance_rows import BalanceRows
from oddaemon.store import offices, open_pulls, snapshots
from oddaemon.store.database import Transaction
from oddaemon.store.postgresql.statement_connection import StatementConnection
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.store.configured import write_state
from tests.store.postgresql.engines import AnyDatabase
from tests.store.samples import ELM, HARBOR, NOW, make_checkpoint, make_snapshot, make_state

CANCELLATIONS = 300
GUARANTORS = 20


def make_generation(number: int) -> tuple[Balance, ...]:
    """A snapshot whose every row says which one it is."""
    return tuple(Balance(pat_num, 0, *[number] * 7) for pat_num in range(1, GUARANTORS + 1))


async def test_random_cancellations_leave_nothing_half_written_and_no_writer_locked_out(
    database: AnyDatabase,
) -> None:
    draw = random.Random(CANCELLATIONS)
    uncut_seconds = float("inf")
    for _ in range(5):  # the least of several: one that others on the machine have slowed down is seldom cut
        began = anyio.current_time()
        await _stage_and_publish(database, 0)
        uncut_seconds = min(uncut_seconds, anyio.current_time() - began)
    cancelled = number = 0
    while cancelled < CANCELLATIONS:
        number += 1
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(offices.save_state, database, HARBOR, make_state(attempts=number))
            with anyio.move_on_after(draw.random() * uncut_seconds) as scope:
                await _stage_and_publish(database, number)
            cancelled += scope.cancelled_caught
        with anyio.fail_after(120):
            await _assert_consistent(database)
    assert SqliteDatabase.calls_in_flight == StatementConnection.calls_in_flight == 0
    await _stage_and_publish(database, number + 1)
    assert await snapshots.load_balances(database, ELM) == list(make_generation(number + 1))


async def _stage_and_publish(database: AnyDatabase, number: int) -> None:
    rows = make_generation(number)
    await open_pulls.begin(database, ELM, (), make_checkpoint(0, number))
    await open_pulls.add_page(database, ELM, rows[:10], make_checkpoint(10, number))
    await open_pulls.add_page(database, ELM, rows[10:], make_checkpoint(20, number))
    await snapshots.publish(database, ELM, make_snapshot(rows), make_state(attempts=number), NOW)


async def _assert_consistent(database: AnyDatabase) -> None:
    stored = await offices.load_state(database, ELM)
    assert stored is not None
    assert await snapshots.load_balances(database, ELM) == list(make_generation(stored.attempts))
    staged = await open_pulls.load(database, ELM)
    if staged is not None:
        assert staged.balances == BalanceRows.of(
            make_generation(staged.checkpoint.requests)[: staged.checkpoint.last_pat_num]
        )
        assert staged.checkpoint.requests > stored.attempts


async def test_waiting_for_ones_turn_can_be_cancelled(database: AnyDatabase) -> None:
    async with database.transaction():
        with anyio.move_on_after(0.001) as scope:
            await _save_in_another_task(database)
    assert scope.cancelled_caught
    await offices.save_state(database, ELM, make_state())


async def test_from_begin_to_commit_nothing_can_be_cancelled(database: AnyDatabase) -> None:
    with anyio.CancelScope() as scope:
        async with database.transaction() as connection:
            scope.cancel()
            await anyio.lowlevel.checkpoint()
            await write_state(connection, ELM, make_state(attempts=7))
    assert await offices.load_state(database, ELM) == make_state(attempts=7)


async def test_a_function_that_raises_leaves_nothing(database: AnyDatabase) -> None:
    def write_and_fail(transaction: Transaction) -> None:
        offices.write_state(transaction, ELM, make_state(attempts=7))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.run(write_and_fail)
    assert await offices.load_state(database, ELM) is None
    await database.run(lambda transaction: offices.write_state(transaction, ELM, make_state(attempts=8)))
    assert await offices.load_state(database, ELM) == make_state(attempts=8)


async def _save_in_another_task(database: AnyDatabase) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(offices.save_state, database, ELM, make_state())
