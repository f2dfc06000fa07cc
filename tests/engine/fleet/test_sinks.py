"""What a sink gets when it begins, and when an office is new to it, on a database of several hosts."""

import random

import anyio

from oddaemon.core.fleet.lease import LeaseKind
from oddaemon.core.fleet.member import Stage
from oddaemon.core.secret import Secret
from oddaemon.core.snapshot.payload import Payload
from oddaemon.engine.context import EngineContext
from oddaemon.engine.delivery.courier_pool import CourierPool
from oddaemon.engine.fleet.fingerprints import ConfigFingerprints
from oddaemon.engine.tasks import CrashBudget
from oddaemon.settings import SinkSettings
from oddaemon.settings.tables.sink import WebhookSettings
from oddaemon.store import outbox, snapshots
from oddaemon.store.fleet import leases, members
from oddaemon.store.fleet.fence import fence_lease
from oddaemon.store.fleet.members import NewMember
from oddaemon.store.fleet.sink_start import start_sink
from tests.engine.fleet.hosts import running_host, wait_until
from tests.store.configured import enqueue, register_offices
from tests.store.postgresql.database import open_database
from tests.store.postgresql.engines import needs_postgresql
from tests.store.samples import ELM, HARBOR, NOW, OFFICES, make_balances, make_snapshot, make_state

pytestmark = needs_postgresql
CONFIG = ConfigFingerprints("shared", {ELM: "1", HARBOR: "1"}, {"hook": "1"})


WAITING = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%FOR NO KEY UPDATE%'"


class SlowSink:
    """A receiver that never answers."""

    async def deliver(self, payload: Payload, delivery_id: str) -> None:  # noqa: ARG002 - as the protocol has it
        await anyio.sleep_forever()

    async def aclose(self) -> None:
        pass


def make_sink(_settings: SinkSettings) -> SlowSink:
    return SlowSink()


async def test_an_office_that_is_new_to_a_sink_begins_with_its_snapshot_once(postgresql: str) -> None:
    async with open_database(postgresql) as database:
        await register_offices(database, OFFICES)
        await snapshots.publish(database, ELM, make_snapshot(make_balances(2)), make_state(), NOW)
        for _ in range(2):
            await start_sink(database, "hook", [ELM, HARBOR], NOW)
        assert [row.office_id for row in await outbox.list_deliveries(database)] == [ELM]


async def test_a_sink_that_begins_waits_for_a_snapshot_that_is_being_published(postgresql: str) -> None:
    async with open_database(postgresql) as database, open_database(postgresql, emptied=False) as other:
        await register_offices(database, OFFICES)
        first = await snapshots.publish(database, ELM, make_snapshot(make_balances(2)), make_state(), NOW)
        number, _ = await members.join(database.turns, NewMember("a", "", 1, "1", "0004", "", "x"), 60.0)
        await members.renew(database.turns, number, Stage.WORKING, 0, 60.0)
        await leases.add(database.turns, LeaseKind.OFFICE, [ELM])
        (lease,) = await leases.take(database.turns, number, LeaseKind.OFFICE, {ELM: "f"})
        fenced = fence_lease(database, number, lease, lambda: None)
        async with anyio.create_task_group() as tasks, fenced.transaction() as connection:
            tasks.start_soon(start_sink, other, "hook", [ELM], NOW)
            with anyio.fail_after(10):
                while not await database.turns.execute(WAITING):  # noqa: ASYNC110 - it is the server that knows
                    await anyio.sleep(0.02)
            await enqueue(connection, 1, first.id, "hook", NOW)
        assert [row.office_id for row in await outbox.list_deliveries(database)] == [ELM]


async def test_a_reload_that_adds_an_office_to_a_sink_is_enough(postgresql: str) -> None:
    async with open_database(postgresql) as database:
        await register_offices(database, OFFICES)
        for office in (ELM, HARBOR):
            await snapshots.publish(database, office, make_snapshot(make_balances(2)), make_state(), NOW)
    settings = WebhookSettings(name="hook", kind="webhook", url=Secret("http://127.0.0.1:9/"), secret=Secret("unused"))
    async with anyio.create_task_group() as tasks, running_host(postgresql, tasks, "a", CONFIG) as host:
        holdings = host.membership.holdings
        own = holdings.own_database
        context = EngineContext(own, holdings, lambda: NOW, host.rate_limiter, random.Random(1), host.events.append)
        pool = CourierPool(tasks, context, make_sink, CrashBudget(1, 1.0))
        await wait_until(lambda: holdings.holds(LeaseKind.SINK, "hook"))
        for offices in ([ELM], [ELM, HARBOR]):
            pool._offices_by_sink = {"hook": offices}
            await pool.apply([settings], ())
            await pool.follow_leases()
            assert sorted(row.office_id for row in await outbox.list_deliveries(own)) == offices
        tasks.cancel_scope.cancel()
