"""PostgreSQL restarts, fails over, comes back as it was, or stands behind the wrong pooler."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread

from tests.fleet.figures import FigureRecorder
from tests.fleet.fleet import Fleet, make_offices, poll_until, running_fleet
from tests.fleet.stories.conclusion import conclude, fleet_story
from tests.postgres_server import PostgresServer

pytestmark = fleet_story

HOSTS = "abc"
OFFICES = 24
ASKING_SECONDS = 5.0
"""From the return of the database to the first request."""
OUTAGE_SECONDS = 2.0
"""Until an operator promotes the standby."""
QUIET_SECONDS = 20.0
"""Longer than a host takes to find out what it is connected to."""


async def test_the_database_restarts_and_fails_over(figures: FigureRecorder) -> None:
    async with running_fleet(HOSTS, make_offices(OFFICES)) as fleet:
        await fleet.start(*HOSTS)
        for mode in ("fast", "immediate"):
            await anyio.to_thread.run_sync(fleet.server.restart, mode)
            await measure_return(fleet, figures, f"restart, {mode}")
        async with following(fleet.server, synchronous=True) as first:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(age_offices, fleet, 0)
                await anyio.sleep(1.0)
                await fail_over(fleet, fleet.server, first)
                await measure_return(fleet, figures, "promotion of a synchronous standby")
            await conclude(fleet, figures)
            await check_old_primary(fleet, first)
            await check_asynchronous_failover(fleet, figures, first)


async def check_old_primary(fleet: Fleet, primary: PostgresServer) -> None:
    """One host reaches the server that was the primary before: it writes nothing there."""
    old, host = fleet.server, fleet.hosts["a"]
    await anyio.to_thread.run_sync(old.start)
    await anyio.to_thread.run_sync(old.execute, "ALTER SYSTEM RESET synchronous_standby_names")
    await anyio.to_thread.run_sync(old.execute, "SELECT pg_reload_conf()")
    rows = "SELECT (SELECT max(number) FROM member), (SELECT max(id) FROM snapshot), (SELECT max(asked_at) FROM lease)"
    before = old.execute(rows)
    host.proxy.target = old.get_port()
    host.proxy.reset()
    await anyio.sleep(QUIET_SECONDS)
    assert old.execute(rows) == before
    await fleet.wait_until_settled("b", "c")
    host.proxy.target = primary.get_port()
    host.proxy.reset()
    await fleet.wait_until_settled(*HOSTS)
    await anyio.to_thread.run_sync(old.kill)


async def check_asynchronous_failover(fleet: Fleet, figures: FigureRecorder, primary: PostgresServer) -> None:
    """What an asynchronous standby has not got is lost, and read from the offices again."""
    async with following(primary, synchronous=False) as second:
        second.pause()
        offices = list_offices(fleet)[-4:]
        before = await count_snapshots(fleet)

        async def are_published() -> bool:
            return await count_snapshots(fleet) >= before + len(offices)

        for office in offices:
            await fleet.simulator.run_aging(office)
        await poll_until(are_published)
        await anyio.to_thread.run_sync(primary.kill)
        second.resume()
        await fail_over(fleet, None, second)
        await measure_return(fleet, figures, "promotion of an asynchronous standby")
        lost = before + len(offices) - await count_snapshots(fleet)
        figures.record("promotion of an asynchronous standby", "publications not yet there again", lost, "")
        await poll_until(are_published)
        await conclude(fleet, figures, may_lose_commits=True)


@asynccontextmanager
async def following(primary: PostgresServer, *, synchronous: bool) -> AsyncIterator[PostgresServer]:
    """A standby for the length of the block."""
    standby = primary.standby(synchronous=synchronous)
    follower = await anyio.to_thread.run_sync(standby.__enter__)
    try:
        yield follower
    finally:
        await anyio.to_thread.run_sync(standby.__exit__, None, None, None)


async def fail_over(fleet: Fleet, primary: PostgresServer | None, follower: PostgresServer) -> None:
    """Kill the primary, and lead all hosts to the standby, which is promoted a moment later."""
    if primary is not None:
        await anyio.to_thread.run_sync(primary.kill)
    for host in fleet.hosts.values():
        host.proxy.target = follower.get_port()
    await anyio.sleep(OUTAGE_SECONDS)
    await anyio.to_thread.run_sync(follower.promote)
    fleet.observer.url = follower.make_dsn()


async def measure_return(fleet: Fleet, figures: FigureRecorder, story: str) -> None:
    """From now, when the database is back, to the first request, and to the last host's."""
    returned = await fleet.simulator.read_seconds()
    await fleet.wait_until_settled(*HOSTS)
    firsts: dict[str, float] = {}
    for request in sorted(await fleet.simulator.list_requests(), key=lambda each: each.arrived_seconds):
        if request.arrived_seconds > returned:
            firsts.setdefault(request.client, request.arrived_seconds - returned)
    figures.record(story, "asking again", min(firsts.values()), limit=ASKING_SECONDS)
    figures.record(story, "asking again, last host", max(firsts.values()))
    assert min(firsts.values()) <= ASKING_SECONDS


async def age_offices(fleet: Fleet, first: int) -> None:
    """Run aging in some offices, one after the other."""
    for office in list_offices(fleet)[first : first + 8]:
        await fleet.simulator.run_aging(office)
        await anyio.sleep(0.3)


def list_offices(fleet: Fleet) -> list[str]:
    return sorted(name for kind, name in fleet.sample.leases if kind == "office")


async def count_snapshots(fleet: Fleet) -> int:
    return len(await fleet.observer.list_snapshots())
