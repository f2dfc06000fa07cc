"""Requests a second with 256 offices in flight, against a server that takes one second for each answer."""

import time
from datetime import UTC, datetime

import anyio

from oddaemon.core.model import OfficeCredentials
from oddaemon.core.secret import Secret
from oddaemon.daemon.process import tune_garbage_collector
from oddaemon.opendental.client import Api, Limits
from oddaemon.opendental.rate_limiter import RateLimiter
from oddaemon.telemetry.telemetry import Telemetry
from tests.bench.harness.figure import Better, Measurement, Step, make_figure
from tests.bench.processes import bench_server
from tests.bench.server import DEVELOPER_KEY, ServerSpec, make_customer_key

OFFICES = 256
SERVER_SECONDS = 1.0
ROUNDS = 20


def measure() -> Measurement:
    """The rate; one a second and office is possible."""
    tune_garbage_collector()  # as the daemon does
    with bench_server(ServerSpec(OFFICES, 10, SERVER_SECONDS)) as base_url:
        yield Step(f"{OFFICES * ROUNDS:,} requests")
        rate = anyio.run(_measure_rate, base_url)
    name = f"{OFFICES} offices, server takes {SERVER_SECONDS:g} s (possible: {OFFICES / SERVER_SECONDS:.0f})"
    yield make_figure(name, rate, "requests/s", Better.MORE, goal=240)


async def _measure_rate(base_url: str) -> float:
    """Each office asks ROUNDS times; the clients' connecting is part of the time."""
    telemetry = Telemetry(write=lambda _line: None, now=_get_now, version="bench")
    api = Api(RateLimiter(OFFICES, 1e6), Limits(10, 75, 2**20), telemetry.emit, _get_now)

    async def ask(office_id: str) -> None:
        access = OfficeCredentials(
            office_id,
            Secret(DEVELOPER_KEY),
            Secret(make_customer_key(office_id)),
            base_url,
            0.0,
            remote=True,
        )
        async with api.make_office_api(access).session() as session:
            for _ in range(ROUNDS):
                assert await session.get_preference("ProgramVersion")

    started = time.perf_counter()
    async with anyio.create_task_group() as tasks:
        for number in range(OFFICES):
            tasks.start_soon(ask, f"office-{number:04}")
    return OFFICES * ROUNDS / (time.perf_counter() - started)


def _get_now() -> datetime:
    return datetime.now(UTC)
