"""A loop on virtual time waits for a real server, and jumps over everything else."""

import asyncio

import anyio
import pytest

from oddaemon.simulator.virtual_time import VirtualLoop
from oddaemon.store import offices, snapshots
from oddaemon.store.postgresql.connection import PostgresDatabase
from oddaemon.store.postgresql.statement_connection import StatementConnection
from tests.store.configured import register_offices
from tests.store.postgresql.database import empty_database
from tests.store.postgresql.engines import needs_postgresql
from tests.store.samples import ELM, NOW, OFFICES, make_balances, make_snapshot, make_state


def make_loop() -> asyncio.AbstractEventLoop:
    loop = VirtualLoop()
    loop.track_calls(lambda: StatementConnection.calls_in_flight)
    return loop


pytestmark = [*needs_postgresql, pytest.mark.event_loop(factory=make_loop)]


async def test_hours_pass_between_calls_and_not_while_one_waits(postgresql: str) -> None:
    await asyncio.to_thread(asyncio.run, empty_database(postgresql))
    began = anyio.current_time()
    async with PostgresDatabase.open(postgresql) as database:
        await register_offices(database, OFFICES)
        await snapshots.publish(database, ELM, make_snapshot(make_balances(20)), make_state(), NOW)
        assert anyio.current_time() == began, "no call takes virtual time"
        await anyio.sleep(3600)
        assert not await database.keeper.wait_notification(600)
        assert len(await offices.list_all(database)) == 2
    assert anyio.current_time() - began == pytest.approx(4200)
    assert StatementConnection.calls_in_flight == 0
