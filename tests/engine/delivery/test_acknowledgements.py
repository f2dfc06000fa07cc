"""What a sink acknowledged is recorded, several in a commit, and none before its own."""

import random
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import anyio
import pytest

from oddaemon.core.delivery import DeliveryAttempt
from oddaemon.core.model import OfficeSpec
from oddaemon.engine.context import EngineContext
from oddaemon.engine.delivery.acknowledgements import Acknowledgements
from oddaemon.engine.fleet.holder import SoleHolder
from oddaemon.opendental.rate_limiter import RateLimiter
from oddaemon.store import outbox, snapshots
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.store.configured import register_offices
from tests.store.samples import NOW, make_balances, make_snapshot, make_state

OFFICES = ["ash", "elm", "oak", "yew"]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    async with SqliteDatabase.open(str(tmp_path / "state.db")) as database:
        await register_offices(database, [OfficeSpec(each, each) for each in OFFICES])
        for each in OFFICES:
            await snapshots.publish(database, each, make_snapshot(make_balances(3)), make_state(), NOW, sinks=("push",))
        yield database


def make_acknowledgements(database: SqliteDatabase) -> Acknowledgements:
    instants: Iterator[datetime] = (NOW + timedelta(seconds=each) for each in count())
    context = EngineContext(
        database, SoleHolder(database), instants.__next__, RateLimiter(1, 1.0), random.Random(1), lambda _: None
    )
    return Acknowledgements(context, "push")


async def load_attempts(database: SqliteDatabase) -> list[DeliveryAttempt]:
    return await outbox.load_next(database, "push", count=len(OFFICES))


async def test_those_that_end_during_a_commit_share_the_next_one(database: SqliteDatabase) -> None:
    acknowledgements = make_acknowledgements(database)
    async with anyio.create_task_group() as tasks, database.transaction():
        for attempt in await load_attempts(database):
            tasks.start_soon(acknowledgements.record, attempt)
            await anyio.wait_all_tasks_blocked()
        assert len(await load_attempts(database)) == len(OFFICES), "nothing counts as done before its commit"
    ended = sorted(each.ended_at - NOW for each in await outbox.list_deliveries(database) if each.ended_at)
    assert [each.seconds for each in ended] == [0, 1, 1, 1]


async def test_one_that_is_cancelled_before_its_commit_stays_due(database: SqliteDatabase) -> None:
    acknowledgements = make_acknowledgements(database)
    first, cancelled, *others = await load_attempts(database)
    scope = anyio.CancelScope()

    async def record_and_be_cancelled() -> None:
        with scope:
            await acknowledgements.record(cancelled)

    async with anyio.create_task_group() as tasks, database.transaction():
        tasks.start_soon(acknowledgements.record, first)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(record_and_be_cancelled)
        await anyio.wait_all_tasks_blocked()
        scope.cancel()
        for attempt in others:
            tasks.start_soon(acknowledgements.record, attempt)
        await anyio.wait_all_tasks_blocked()
    assert [each.delivery for each in await load_attempts(database)] == [cancelled.delivery]


async def test_a_commit_that_fails_leaves_the_others_to_try_for_themselves(database: SqliteDatabase) -> None:
    acknowledgements = make_acknowledgements(database)
    first, *others = await load_attempts(database)
    scope = anyio.CancelScope()

    async def record_and_be_cancelled() -> None:
        with scope:
            await acknowledgements.record(first)

    async with anyio.create_task_group() as tasks, database.transaction():
        tasks.start_soon(record_and_be_cancelled)
        await anyio.wait_all_tasks_blocked()
        for attempt in others:
            tasks.start_soon(acknowledgements.record, attempt)
        await anyio.wait_all_tasks_blocked()
        scope.cancel()
        await anyio.wait_all_tasks_blocked()
    assert [each.delivery for each in await load_attempts(database)] == [first.delivery]
