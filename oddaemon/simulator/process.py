"""One simulated world as a process: practices, headquarters on a port, and the control API beside it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import anyio

from oddaemon.simulator.api.messages import API_PREFIX
from oddaemon.simulator.faults.faults import FaultSchedule
from oddaemon.simulator.headquarters.headquarters import Headquarters
from oddaemon.simulator.model.world_clock import WorldClock
from oddaemon.simulator.plan.plan_file import SimulatorPlan
from oddaemon.simulator.practice.practice import Practice
from oddaemon.simulator.transport.control_api import ControlApi
from oddaemon.simulator.transport.server import serve

BUILD_SECONDS_PER_OFFICE = 0.01
BUILD_SECONDS_PER_FAMILY = 0.0001
"""Twice the real time of building a world. The world starts after this time, so that due times are right."""


async def run_simulator(
    plan: SimulatorPlan,
    listen: str,
    *,
    on_ready: Callable[[str], None],
    name_client: Callable[[int], str] = lambda _: "?",
) -> None:
    """Build the world, start it, serve until cancelled.

    Args:
        plan: The world.
        listen: `HOST:PORT` on loopback; port 0 selects a free one.
        on_ready: Called with the base URL (`http://HOST:PORT/api/v1`) when requests are answered. All seconds of the
            plan count from then, within the milliseconds that the call takes.
        name_client: Returns the name of the program behind a client's port, for the log of the traffic.

    Raises:
        OSError: The process cannot listen on the address.
        ValueError: `listen` is not `HOST:PORT`.
    """
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"Cannot listen on {listen!r}: write HOST:PORT, for example 127.0.0.1:0.")
    clock = WorldClock(plan.base or datetime.now(UTC))
    start = clock.now() + timedelta(seconds=0 if plan.base else _estimate_build_seconds(plan))
    practices = [Practice(office.make_spec(start), clock) for office in plan.offices]
    await clock.sleep_until(start)
    headquarters = build_headquarters(plan, clock, practices)
    async with anyio.create_task_group() as tasks:
        for practice in practices:
            tasks.start_soon(practice.run, name=f"practice {practice.spec.office_id}")
        tasks.start_soon(headquarters.run_uploads, name="uploads")
        server = partial(serve, ControlApi(headquarters), host.strip("[]"), int(port), name_client=name_client)
        bound_port = await tasks.start(server)
        on_ready(f"http://{host}:{bound_port}{API_PREFIX}")


def build_headquarters(plan: SimulatorPlan, clock: WorldClock, practices: list[Practice]) -> Headquarters:
    """Open the headquarters of a plan now; must be called on the running loop."""
    return Headquarters(
        clock,
        practices,
        [office.key for office in plan.offices],
        plan.options,
        FaultSchedule(plan.seed, plan.faults),
    )


def _estimate_build_seconds(plan: SimulatorPlan) -> float:
    families = sum(office.spec.guarantors + office.spec.settled for office in plan.offices)
    return len(plan.offices) * BUILD_SECONDS_PER_OFFICE + families * BUILD_SECONDS_PER_FAMILY
