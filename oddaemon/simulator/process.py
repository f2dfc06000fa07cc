"""One simulated world as a process: practices that live, headquarters on a port, the control desk beside it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import anyio

from oddaemon.simulator.api import API_PREFIX
from oddaemon.simulator.clock import WorldClock
from oddaemon.simulator.control import ControlDesk
from oddaemon.simulator.faults import FaultBoard
from oddaemon.simulator.headquarters import Headquarters
from oddaemon.simulator.planfile import Plan
from oddaemon.simulator.practice import Practice
from oddaemon.simulator.server import serve

BUILD_SECONDS_PER_OFFICE = 0.01
BUILD_SECONDS_PER_FAMILY = 0.0001
"""Twice the real time that building takes; the world starts after it, so that due times hold."""


async def run_simulator(plan: Plan, listen: str, *, ready: Callable[[str], None]) -> None:
    """Build the world, start it, serve until cancelled.

    Args:
        plan: the world.
        listen: `HOST:PORT`, on loopback; port 0 for any free one.
        ready: told the base URL (`http://HOST:PORT/api/v1`) once requests are answered. All seconds of the plan count
            from then, give or take the milliseconds that the call takes.

    Raises:
        OSError: the address cannot be listened on.
        ValueError: `listen` is no `HOST:PORT`.
    """
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"Cannot listen on {listen!r}: write HOST:PORT, for example 127.0.0.1:0.")
    clock = WorldClock(plan.base or datetime.now(UTC))
    start = clock.now() + timedelta(seconds=0 if plan.base else _build_seconds(plan))
    practices = [Practice(office.spec_from(start), clock) for office in plan.offices]
    await clock.sleep_until(start)
    headquarters = build_headquarters(plan, clock, practices)
    async with anyio.create_task_group() as tasks:
        for practice in practices:
            tasks.start_soon(practice.live, name=f"practice {practice.spec.office_id}")
        tasks.start_soon(headquarters.run_errands, name="uploads")
        bound_port = await tasks.start(serve, ControlDesk(headquarters), host.strip("[]"), int(port))
        ready(f"http://{host}:{bound_port}{API_PREFIX}")


def build_headquarters(plan: Plan, clock: WorldClock, practices: list[Practice]) -> Headquarters:
    """The headquarters of a plan, open from now on; must be called on the running loop."""
    return Headquarters(
        clock,
        practices,
        [office.key for office in plan.offices],
        plan.options,
        FaultBoard(plan.seed, plan.planted),
    )


def _build_seconds(plan: Plan) -> float:
    families = sum(office.spec.guarantors + office.spec.settled for office in plan.offices)
    return len(plan.offices) * BUILD_SECONDS_PER_OFFICE + families * BUILD_SECONDS_PER_FAMILY
