"""Hosts that share one real PostgreSQL: who holds what, and what becomes of it when one of them goes."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import anyio
import pytest

from oddaemon.core.fleet.lease import Lease, LeaseKind, LeaseLost, Role
from oddaemon.core.fleet.placement import choose_host
from oddaemon.engine.fleet.fingerprints import ConfigFingerprints
from oddaemon.engine.fleet.remnants import Remnants
from oddaemon.opendental.rate_limiter import PermitRefused
from oddaemon.store.errors import DatabaseLost
from oddaemon.store.fleet import members
from oddaemon.store.fleet.commands import CommandAnswer, TakenCommand, find_answer
from oddaemon.store.fleet.members import NewMember
from oddaemon.store.offices import add
from oddaemon.telemetry.events import MemberGone, MembershipLost
from tests.engine.fleet.hosts import CAPS, Host, running_host, wait_until
from tests.store.postgresql.database import open_database
from tests.store.postgresql.engines import needs_postgresql

pytestmark = needs_postgresql
OFFICES = {f"office-{number:02}": "one" for number in range(30)}
CONFIG = ConfigFingerprints("shared", OFFICES, {"hook": "x"})


class Fleet:
    """Hosts by name, and the task group in which they run."""

    def __init__(self, dsn: str, stack: AsyncExitStack, tasks: anyio.abc.TaskGroup) -> None:
        self.dsn, self._stack, self._tasks = dsn, stack, tasks
        self.hosts: dict[str, Host] = {}

    async def start(self, name: str, config: ConfigFingerprints = CONFIG, remnants: Remnants | None = None) -> Host:
        opened = running_host(self.dsn, self._tasks, name, config, remnants=remnants)
        self.hosts[name] = host = await self._stack.enter_async_context(opened)
        return host

    async def wait_settled(self, *names: str) -> None:
        """Until these hosts hold everything, each a part."""
        hosts = [self.hosts[name] for name in names]

        def is_settled() -> bool:
            held = [office for host in hosts for office in host.offices]
            return sorted(held) == sorted(OFFICES) and all(host.offices for host in hosts)

        await wait_until(is_settled)


@pytest.fixture
async def fleet(postgresql: str) -> AsyncIterator[Fleet]:
    async with open_database(postgresql) as database:
        await add(database, {name: name for name in OFFICES})
    async with anyio.create_task_group() as tasks, AsyncExitStack() as stack:
        yield Fleet(postgresql, stack, tasks)
        tasks.cancel_scope.cancel()


async def test_hosts_share_what_there_is_and_the_caps(fleet: Fleet) -> None:
    hosts = [await fleet.start(name) for name in "abc"]
    await fleet.wait_settled("a", "b", "c")
    shared = [Lease(LeaseKind.SINK, "hook"), *(Lease(LeaseKind.ROLE, role) for role in Role)]

    def count_holders(lease: Lease) -> int:
        return sum(host.membership.holdings.holds(lease.kind, lease.name) for host in hosts)

    await wait_until(lambda: all(count_holders(lease) == 1 for lease in shared))
    await wait_until(lambda: sum(host.rate_limiter.max_in_flight for host in hosts) == CAPS.max_in_flight)
    await wait_until(lambda: all(host.followers[LeaseKind.OFFICE].running == host.offices for host in hosts))
    await wait_until(lambda: all(host.membership.view and not host.membership.view.unheld for host in hosts))


async def test_a_busy_office_does_not_keep_the_others_from_a_newcomer(fleet: Fleet) -> None:
    host = await fleet.start("a")
    await fleet.wait_settled("a")
    belongs = [name for name in OFFICES if choose_host(Lease(LeaseKind.OFFICE, name), "ab") == "b"]
    *busy, idle = belongs
    host.followers[LeaseKind.OFFICE].busy.update(busy)
    newcomer = await fleet.start("b")
    await wait_until(lambda: idle in newcomer.offices)
    assert not newcomer.offices & set(busy)


async def test_what_belongs_to_a_host_that_starts_now_is_left_to_it_for_a_look(fleet: Fleet) -> None:
    async with open_database(fleet.dsn, emptied=False) as database:
        newcomer = NewMember("z", "", 1, "1", "0004", "", "another session", "shared", OFFICES, {})
        await members.join(database.keeper, newcomer, lease_seconds=60)
        await database.execute_one("UPDATE member SET knows = 1000")
        host = await fleet.start("a")
        await wait_until(lambda: bool(host.offices))
        assert host.offices == {
            name for name in OFFICES if choose_host(Lease(LeaseKind.OFFICE, name), ["a", "z"]) == "a"
        }
        await fleet.wait_settled("a")


async def test_the_offices_of_a_host_that_does_nothing_more_go_elsewhere(fleet: Fleet) -> None:
    hosts = [await fleet.start(name) for name in "abc"]
    await fleet.wait_settled("a", "b", "c")
    generations = {
        name: lease.generation for name, lease in hosts[0].membership.holdings.held[LeaseKind.OFFICE].items()
    }
    hosts[0].freeze()
    await fleet.wait_settled("b", "c")
    found = [event for host in hosts[1:] for event in host.events if isinstance(event, MemberGone)]
    assert [event.host for event in found] == ["a"]
    for name, generation in generations.items():
        holder = next(host for host in hosts[1:] if name in host.offices)
        assert holder.membership.holdings.get_lease(LeaseKind.OFFICE, name).generation == generation + 1


async def test_one_that_was_found_gone_writes_nothing_and_asks_for_nothing(fleet: Fleet) -> None:
    first, _ = await fleet.start("a"), await fleet.start("b")
    await fleet.wait_settled("a", "b")
    name = min(first.offices)
    database = first.membership.holdings.get_database(LeaseKind.OFFICE, name)
    own, permit = first.membership.holdings.own_database, first.membership.holdings.make_permit(name, 0.0)
    first.freeze()
    await fleet.wait_settled("b")
    with pytest.raises((LeaseLost, DatabaseLost)):
        async with database.transaction():
            pytest.fail("it may not write")
    with pytest.raises((LeaseLost, DatabaseLost)):
        async with own.transaction():
            pytest.fail("it may not write")
    with pytest.raises(LeaseLost):
        await permit.open()


async def test_a_member_that_was_lost_joins_again_and_takes_its_own_at_once(fleet: Fleet) -> None:
    first = await fleet.start("a")
    await fleet.wait_settled("a")
    name = min(first.offices)
    permit = first.membership.holdings.make_permit(name, 0.0)
    await permit.open()
    first.membership.lose("The connection is gone.")
    await permit.close(None, is_cut=False)
    assert [type(event) for event in first.events].count(MembershipLost) == 1
    with anyio.fail_after(5):
        again = await fleet.start("a", remnants=first.remnants)
        await fleet.wait_settled("a")
    lease = again.membership.holdings.get_lease(LeaseKind.OFFICE, name)
    assert (lease.generation, lease.open_until) == (2, None)


async def test_a_request_is_permitted_once_at_a_time_and_waits_as_long_as_was_asked_for(fleet: Fleet) -> None:
    host = await fleet.start("a")
    await fleet.wait_settled("a")
    permit = host.membership.holdings.make_permit("office-00", 0.2)
    await permit.open()
    with pytest.raises(PermitRefused) as refused:
        await permit.open()
    assert 70 < refused.value.seconds <= 75
    await permit.close(30.0, is_cut=False)
    with pytest.raises(PermitRefused) as refused:
        await permit.open()
    assert 25 < refused.value.seconds <= 30


async def test_a_host_that_drains_gives_back_at_once(fleet: Fleet) -> None:
    first, _ = await fleet.start("a"), await fleet.start("b")
    await fleet.wait_settled("a", "b")
    busy = min(first.offices)
    first.followers[LeaseKind.OFFICE].busy.add(busy)
    with anyio.fail_after(3):
        await first.membership.begin_drain()
        assert not await first.membership.give_back_idle()
        assert first.offices == {busy}
        first.followers[LeaseKind.OFFICE].busy.clear()
        assert await first.membership.give_back_idle()
        await first.membership.leave()
        await fleet.wait_settled("b")


async def test_a_newcomer_takes_its_part_from_those_that_have_it(fleet: Fleet) -> None:
    await fleet.start("a")
    await fleet.wait_settled("a")
    await fleet.start("b")
    await fleet.wait_settled("a", "b")
    await wait_until(lambda: len(fleet.hosts["b"].offices) > 8)


async def test_an_office_with_other_settings_stays_with_those_that_it_had(fleet: Fleet) -> None:
    first, second = await fleet.start("a"), await fleet.start("b")
    await fleet.wait_settled("a", "b")
    theirs = sorted(second.offices)
    changed = ConfigFingerprints("shared", {**OFFICES, **dict.fromkeys(theirs, "two")}, CONFIG.sinks)
    await first.membership.save_config(changed)
    await wait_until(lambda: bool(first.membership.view and first.membership.view.differences))
    assert sorted(second.offices) == theirs
    assert not first.membership.has_agreement
    await second.membership.save_config(changed)
    await wait_until(lambda: first.membership.has_agreement and second.membership.has_agreement)
    assert second.membership.holdings.get_lease(LeaseKind.OFFICE, theirs[0]).fingerprint == "two"


async def test_a_command_given_on_one_host_is_carried_out_once_by_the_one_that_holds_the_office(fleet: Fleet) -> None:
    first, second = await fleet.start("a"), await fleet.start("b")
    await fleet.wait_settled("a", "b")
    name, obeyed = min(second.offices), list[tuple[str, str]]()

    async def obey(command: TakenCommand) -> CommandAnswer:
        obeyed.append((command.name, command.host))
        return CommandAnswer("Paused.", is_refused=False)

    second.exchange.handle("pause", obey)
    answer = await first.exchange.ask(name, "pause", 1000)
    assert answer == CommandAnswer("Paused.", is_refused=False)
    await second.exchange.serve()
    assert obeyed == [(name, "a")]


async def test_a_command_to_a_host_that_goes_is_carried_out_by_the_next(fleet: Fleet) -> None:
    first, second = await fleet.start("a"), await fleet.start("b")
    await fleet.wait_settled("a", "b")
    name, begun = min(second.offices), anyio.Event()

    async def begin(_command: TakenCommand) -> CommandAnswer:
        begun.set()
        await anyio.sleep_forever()
        raise AssertionError("it never ends")

    async def obey(command: TakenCommand) -> CommandAnswer:
        return CommandAnswer(f"Taken before: {command.was_taken}.", is_refused=False)

    first.exchange.handle("pause", obey)
    second.exchange.handle("pause", begin)
    assert await first.exchange.ask(name, "pause", None, seconds=0.5) is None
    with anyio.fail_after(5):
        await begun.wait()
    second.freeze()
    await fleet.wait_settled("a")
    turns = first.database.turns
    rows: list[CommandAnswer | None] = []
    with anyio.fail_after(10):
        while not rows or rows[-1] is None:
            rows.append(await find_answer(turns, 1))
            await anyio.sleep(0.05)
    assert rows[-1] == CommandAnswer("Taken before: True.", is_refused=False)


async def test_a_wait_that_an_office_asked_for_is_kept_by_the_host_that_takes_it_over(fleet: Fleet) -> None:
    first, second = await fleet.start("a"), await fleet.start("b")
    await fleet.wait_settled("a", "b")
    name = min(first.offices)
    permit = first.membership.holdings.make_permit(name, 0.2)
    await permit.open()
    permit.record_sent()
    await permit.close(60.0, is_cut=False)
    first.freeze()
    await fleet.wait_settled("b")
    with pytest.raises(PermitRefused) as refused:
        await second.membership.holdings.make_permit(name, 0.2).open()
    assert 30 < refused.value.seconds <= 60


async def test_a_request_that_may_be_under_way_is_waited_for_by_the_host_that_takes_over(fleet: Fleet) -> None:
    first, second = await fleet.start("a"), await fleet.start("b")
    await fleet.wait_settled("a", "b")
    name = min(first.offices)
    await first.membership.holdings.make_permit(name, 0.2).open()
    first.freeze()
    await fleet.wait_settled("b")
    with pytest.raises(PermitRefused) as refused:
        await second.membership.holdings.make_permit(name, 0.2).open()
    assert 50 < refused.value.seconds <= 75
