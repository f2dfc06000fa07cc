"""What one verified snapshot of 4,000 guarantors costs, from the connection to the commit.

Requests and bytes do not depend on the machine, and processor time depends little on what else it does.
"""

from collections.abc import Sequence
from functools import partial

import anyio

from oddaemon.core.model import Reader
from oddaemon.daemon.process import tune_garbage_collector
from tests.bench.harness.figure import Measurement, Step, make_figure
from tests.bench.harness.rounds import interleave
from tests.bench.processes import bench_server
from tests.bench.reading.nights import NightCost, run_two_nights
from tests.bench.reading.relay import metered
from tests.bench.server import ServerSpec

OFFICES = 8
GUARANTORS = 4_000
ROUNDS = 9
READERS = (Reader.STATEMENT, Reader.PAGES)
BYTES_TOLERANCE = 0.01
"""The offices are the same on every day, but for their dates, and what has aged by then."""
NIGHTS = ("first night", "ordinary night")
REQUESTS = {Reader.STATEMENT: 1, Reader.PAGES: 42}
ORDINARY_CPU_MILLISECONDS, ORDINARY_STRETCH_MILLISECONDS = 8.0, 3.0
"""Goals of a statement in an ordinary night."""


def measure() -> Measurement:
    """Counts first, which are soon known; then times, both readers interleaved."""
    office_ids = [f"office-{number:04}" for number in range(OFFICES)]
    tune_garbage_collector()  # as the daemon does
    with bench_server(ServerSpec(OFFICES, GUARANTORS, has_second_night=True)) as base_url:
        for reader in READERS:
            yield Step(f"requests and bytes, {reader.value}")
            yield from _count(base_url, office_ids, reader)
        variants = {each.value: partial(anyio.run, run_two_nights, base_url, office_ids, each) for each in READERS}
        nights = yield from interleave(variants, ROUNDS, warm_ups=1)
    for reader in READERS:
        for night, name in enumerate(NIGHTS):
            costs = [each[night] for each in nights[reader.value]]
            yield from _describe_times(f"{reader.value}, {name}", costs, has_goals=(reader, night) == (READERS[0], 1))


def _count(base_url: str, office_ids: Sequence[str], reader: Reader) -> Measurement:
    nights = anyio.run(_run_metered, base_url, office_ids, reader)
    for name, night in zip(NIGHTS, nights, strict=True):
        what, requests = f"{reader.value}, {name}", night.requests / OFFICES
        yield make_figure(f"{what}: requests", requests, "requests", goal=REQUESTS[reader], is_exact=True)
        yield make_figure(
            f"{what}: sent", night.bytes_sent / OFFICES, "bytes", is_exact=True, tolerance=BYTES_TOLERANCE
        )
        yield make_figure(
            f"{what}: received", night.bytes_received / OFFICES, "bytes", is_exact=True, tolerance=BYTES_TOLERANCE
        )


async def _run_metered(base_url: str, office_ids: Sequence[str], reader: Reader) -> tuple[NightCost, NightCost]:
    async with metered(base_url) as (address, meter):
        return await run_two_nights(address, office_ids, reader, meter)


def _describe_times(what: str, costs: Sequence[NightCost], *, has_goals: bool) -> Measurement:
    main = [1000 * each.main_cpu_seconds / OFFICES for each in costs]
    everything = [1000 * each.cpu_seconds / OFFICES for each in costs]
    stretch = [1000 * each.stretch_seconds for each in costs]
    main_goal, stretch_goal = (ORDINARY_CPU_MILLISECONDS, ORDINARY_STRETCH_MILLISECONDS) if has_goals else (None, None)
    yield make_figure(f"{what}: CPU of the main thread", main, "ms", goal=main_goal)
    yield make_figure(f"{what}: CPU of all threads", everything, "ms")
    yield make_figure(f"{what}: longest stretch on the event loop", stretch, "ms", goal=stretch_goal)
