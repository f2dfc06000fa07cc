"""One simulated world as a process: practices, headquarters on a port, and the control API beside it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

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


async def run_simulator(plan: SimulatorPlan, *listen: str, on_ready: Callable[..., None]) -> None:
    """Build the world, start it, serve until cancelled.

    Args:
        plan: The world.
        listen: `HOST:PORT` on loopback; port 0 selects a free one. The log of the traffic says on which of several
            addresses a request arrived.
        on_ready: Called with the base URL of each address (`http://HOST:PORT/api/v1`) when requests are answered. All
            seconds of the plan count from then, within the milliseconds that the call takes.

    Raises:
        OSError: The process cannot listen on an address.
        ValueError: An address is not `HOST:PORT`.
    """
    addresses = [_parse_address(each) for each in listen]
    clock = WorldClock(plan.base or datetime.now(UTC))
    start = clock.now() + timedelta(seconds=0 if plan.base else _estimate_build_seconds(plan))
    practices = [Practice(office.make_spec(start), clock) for office in plan.offices]
    await clock.sleep_until(start)
    headquarters = build_headquarters(plan, clock, practices)
    async with anyio.create_task_group() as tasks:
        for practice in practices:
            tasks.start_soon(practice.run, name=f"practice {practice.spec.office_id}")
        tasks.start_soon(headquarters.run_uploads, name="uploads")
        handler = ControlApi(headquarters)
        ports = [await tasks.start(serve, handler, host.strip("[]"), port) for host, port in addresses]
        on_ready(*(f"http://{host}:{port}{API_PREFIX}" for (host, _), port in zip(addresses, ports, strict=True)))


def _parse_address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"Cannot listen on {text!r}: write HOST:PORT, for example 127.0.0.1:0.")
    return host, int(port)


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
