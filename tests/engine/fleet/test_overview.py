"""What is read of a fleet on one real PostgreSQL, by its hosts and by a command that only reads."""

import anyio

from oddaemon.core.fleet.member import Departure
from oddaemon.core.fleet.overview import Replication
from oddaemon.core.reporting.fleet_document import make_overview_document
from oddaemon.engine.fleet.fingerprints import ConfigFingerprints
from oddaemon.store.fleet.overview import read_overview
from oddaemon.store.offices import add
from oddaemon.store.opening import open_for_reading
from tests.engine.fleet.hosts import running_host, wait_until
from tests.store.postgresql.database import open_database
from tests.store.postgresql.engines import needs_postgresql

pytestmark = needs_postgresql
OFFICES = {"ash": "1", "elm": "1", "fir": "1", "oak": "1"}
CONFIG = ConfigFingerprints("shared", OFFICES, {})
WITHOUT_ELM = ConfigFingerprints("shared", {name: "1" for name in OFFICES if name != "elm"}, {})


async def test_a_reader_sees_who_holds_what_and_how_the_hosts_differ(postgresql: str) -> None:
    async with open_database(postgresql) as database:
        await add(database, {name: name for name in OFFICES})
    async with anyio.create_task_group() as tasks, open_for_reading(postgresql) as reader:
        assert (await read_overview(reader)).members == ()
        async with running_host(postgresql, tasks, "a", CONFIG) as a:
            async with running_host(postgresql, tasks, "b", WITHOUT_ELM) as b:
                # What is b's by its hash, a may have held first.
                await wait_until(lambda: bool(b.offices) and len(a.offices) + len(b.offices) == len(OFFICES))
                overview = await read_overview(reader, "a", a.membership.number)
                assert {office: holder.host for office, holder in overview.holders.items()} == {
                    **dict.fromkeys(a.offices, "a"),
                    **dict.fromkeys(b.offices, "b"),
                }
                assert [(each.host, each.offices) for each in overview.members] == [
                    ("a", len(a.offices)),
                    ("b", len(b.offices)),
                ]
                assert overview.me is not None
                assert overview.me.number == a.membership.number
                assert [(each.host, each.lacks) for each in overview.differences] == [("b", ("elm",))]
                assert overview.replication == Replication()
                await b.membership.leave()
            overview = await read_overview(reader)
            assert [(each.host, each.departure) for each in overview.gone] == [("b", Departure.DRAINED)]
            assert (overview.lost_hosts, overview.differences) == ((), ())
            a.freeze()
        tasks.cancel_scope.cancel()


async def test_a_host_that_does_not_renew_is_lost_and_its_offices_are_unheld(postgresql: str) -> None:
    async with open_database(postgresql) as database:
        await add(database, {name: name for name in OFFICES})
    async with anyio.create_task_group() as tasks, open_database(postgresql, emptied=False) as database:
        async with running_host(postgresql, tasks, "a", CONFIG) as a:
            await wait_until(lambda: len(a.offices) == len(OFFICES))
            a.freeze()
            await database.execute_one("UPDATE member SET stage = 'gone', gone_at = now(), gone_why = 'expired'")
            overview = await read_overview(database)
            assert (overview.lost_hosts, overview.members, dict(overview.holders)) == (("a",), (), {})
            document = make_overview_document(overview)
            assert (document["lost_hosts"], document["gone"][0]["departure"]) == (["a"], "expired")
        tasks.cancel_scope.cancel()
