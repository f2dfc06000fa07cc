"""The proof of a lease before each write, on one real PostgreSQL and without the processes that it guards against."""

from collections.abc import AsyncIterator

import pytest

from oddaemon.core.fleet.lease import Lease, LeaseKind, LeaseLost
from oddaemon.core.fleet.member import Departure, Stage
from oddaemon.store import offices
from oddaemon.store.fleet import leases, members
from oddaemon.store.fleet.fence import fence_lease, fence_member
from oddaemon.store.fleet.members import NewMember
from oddaemon.store.postgresql.connection import PostgresDatabase
from tests.store.configured import register_offices
from tests.store.postgresql.database import open_database
from tests.store.postgresql.engines import needs_postgresql
from tests.store.samples import ELM, OFFICES, make_state

pytestmark = needs_postgresql


def stay() -> None:
    """This daemon knows of nothing."""


async def join(database: PostgresDatabase, host: str) -> int:
    number, _ = await members.join(database.turns, NewMember(host, "", 1, "1", "0004", "", f"of {host}"), 60.0)
    assert await members.renew(database.turns, number, Stage.WORKING, 0, 60.0)
    return number


async def take(database: PostgresDatabase, number: int) -> list[Lease]:
    return await leases.take(database.turns, number, LeaseKind.OFFICE, {ELM: "f"})


@pytest.fixture
async def database(postgresql: str) -> AsyncIterator[PostgresDatabase]:
    async with open_database(postgresql) as database:
        await register_offices(database, OFFICES)
        await leases.add(database.turns, LeaseKind.OFFICE, [ELM])
        yield database


async def test_a_write_under_a_lease_that_another_member_has_taken_changes_nothing(database: PostgresDatabase) -> None:
    first, second = await join(database, "a"), await join(database, "b")
    (lease,) = await take(database, first)
    fenced = fence_lease(database, first, lease, stay)
    await offices.save_state(fenced, ELM, make_state(1))
    await members.leave(database.turns, first, Departure.EXPIRED)
    (taken,) = await take(database, second)
    with pytest.raises(LeaseLost):
        await offices.save_state(fenced, ELM, make_state(2))
    assert await offices.load_state(database, ELM) == make_state(1)
    await offices.save_state(fence_lease(database, second, taken, stay), ELM, make_state(3))


async def test_a_write_under_an_old_generation_of_one_s_own_lease_changes_nothing(database: PostgresDatabase) -> None:
    number = await join(database, "a")
    (old,) = await take(database, number)
    assert await leases.give_back(database.turns, number, LeaseKind.OFFICE, [ELM]) == [ELM]
    (new,) = await take(database, number)
    assert new.generation == old.generation + 1
    with pytest.raises(LeaseLost):
        await offices.save_state(fence_lease(database, number, old, stay), ELM, make_state(1))
    assert not await leases.give_permit(database.turns, number, old, 0.0)
    assert await leases.give_permit(database.turns, number, new, 0.0)


async def test_a_lease_is_not_taken_while_its_holder_writes(database: PostgresDatabase) -> None:
    first, second = await join(database, "a"), await join(database, "b")
    (lease,) = await take(database, first)
    await members.leave(database.turns, first, Departure.EXPIRED)
    async with fence_lease(database, first, lease, stay).transaction():
        assert await take(database, second) == []
    assert [each.holder for each in await take(database, second)] == [second]


async def test_a_member_that_is_gone_or_late_writes_nothing_of_its_own(database: PostgresDatabase) -> None:
    gone, late = await join(database, "a"), await join(database, "b")
    await members.leave(database.turns, gone, Departure.EXPIRED)
    await database.execute_one(f"UPDATE member SET expires_at = clock_timestamp() WHERE number = {late}")
    for number in (gone, late):
        with pytest.raises(LeaseLost):
            await offices.save_state(fence_member(database, number, stay), ELM, make_state(1))
        assert await members.renew(database.turns, number, Stage.WORKING, 0, 60.0) is None
