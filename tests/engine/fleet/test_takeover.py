"""An office that comes from another host and goes to another one: it is worked for with what was stored last."""

from dataclasses import replace
from pathlib import Path

import anyio

from oddaemon.core.model import Condition
from oddaemon.core.office.completion import Completion
from oddaemon.engine.fleet.holder import SoleHolder
from oddaemon.store import offices
from tests.engine.night import SMILE, night


class HostOfFleet(SoleHolder):
    """One host of a fleet, which holds what a test says."""

    is_shared = True
    held = frozenset[str]()

    def holds(self, kind: object, name: str) -> bool:  # noqa: ARG002 - as the protocol has it
        return name in self.held


async def test_a_worker_begins_with_what_the_last_holder_of_its_office_stored(tmp_path: Path) -> None:
    async with night(tmp_path, [SMILE]) as world:
        await world.wait_for_condition(Condition.FRESH)
        registry = world.services.registry
        holder = HostOfFleet(registry._database)
        registry._context = replace(registry._context, holder=holder)
        for seconds in (100.0, 200.0):
            holder.held = frozenset()
            await registry.follow_leases()
            assert registry.get_worker("smile") is None
            state = await offices.load_state(registry._database, "smile")
            assert state is not None
            elsewhere = (Completion(seconds),)
            await offices.save_state(registry._database, "smile", replace(state, completions=elsewhere))
            holder.held = frozenset({"smile"})
            await registry.follow_leases()
            await anyio.sleep(5)
            assert registry.get_worker("smile") is not None
            stored = await offices.load_state(registry._database, "smile")
            assert stored is not None
            assert stored.completions == world.daemon.fleet.offices["smile"].state.completions == elsewhere


async def test_what_was_read_of_an_office_that_was_lost_at_once_is_forgotten(tmp_path: Path) -> None:
    async with night(tmp_path, [SMILE]) as world:
        await world.wait_for_condition(Condition.FRESH)
        registry = world.services.registry
        holder = HostOfFleet(registry._database)
        registry._context = replace(registry._context, holder=holder)
        await registry.follow_leases()
        holder.held = frozenset({"smile"})
        async with anyio.create_task_group() as tasks, registry._apply_lock:
            tasks.start_soon(registry.follow_leases)
            await anyio.sleep(1)
            assert list(registry._just_read) == ["smile"]
            holder.held = frozenset()  # between the reading and the start
        assert registry._just_read == {}
