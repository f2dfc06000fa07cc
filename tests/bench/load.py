"""Offices whose aging is due in the same minute, in one daemon, over real HTTP: does it hold the throttle's pace?

The limit is what the global cap lets through: the night's requests divided by the cap. The daemon is a process of its
own, and so is the other side, which judges every arrival without a tolerance.

python -m tests.bench.load OFFICES FIRST_PASS_SECONDS: one such night of another size
"""

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio

from oddaemon.core.model import Cadence, Reader
from oddaemon.daemon.process import tune_garbage_collector
from tests.bench.daemons import make_settings, running
from tests.bench.harness.figure import Figure, Measurement, Step, make_figure
from tests.bench.processes import read_peak_bytes

OFFICES, MANY_OFFICES, GUARANTORS = 2_000, 10_000, 100
REQUESTS_PER_SECOND = 100.0
IN_FLIGHT = 64
PROBE_SECONDS = 60.0
FIRST_PASS_SECONDS = 200.0
"""For a survey and a first snapshot of every office, before the night: 14,000 requests at the cap take 140 s."""
MANY_FIRST_PASS_SECONDS = 900.0
"""70,000 requests at the cap take 700 s."""
STALL_CHECK_SECONDS = 0.005


@dataclass(frozen=True)
class NightGoals:
    """What a night should keep.

    Attributes:
        pace: The multiple of what the cap allows.
        megabytes: Resident memory at its peak.
        stall: Milliseconds, at night.
        start_stall: Milliseconds, while the workers start.
    """

    pace: float
    megabytes: float
    stall: float
    start_stall: float


def measure() -> Measurement:
    """As many offices as most operators have, at most."""
    yield from _measure(OFFICES, FIRST_PASS_SECONDS, NightGoals(1.5, 300, 50, 100))


def measure_many() -> Measurement:
    """As many offices as Open Dental has customers."""
    yield from _measure(MANY_OFFICES, MANY_FIRST_PASS_SECONDS, NightGoals(1.05, 400, 100, 100))


def _measure(offices: int, first_pass_seconds: float, goals: NightGoals) -> Measurement:
    yield Step(f"making {offices:,} offices")
    server = [sys.executable, "-m", "tests.bench.load_server", *map(str, (offices, GUARANTORS, first_pass_seconds))]
    with (
        tempfile.TemporaryDirectory() as directory,
        subprocess.Popen(server, stdout=subprocess.PIPE, text=True) as other_side,
    ):
        assert other_side.stdout is not None
        try:
            server_info = json.loads(other_side.stdout.readline())
            address = f"http://127.0.0.1:{server_info['port']}"
            due = server_info["due"]
            yield Step(f"first pass, and the night in {due - time.time():.0f} s")
            arguments = (f"{address}/api/v1", directory, str(due), str(offices))
            command = [sys.executable, "-m", "tests.bench.load", *arguments]
            ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            agreed = f"max_in_flight={IN_FLIGHT}&max_requests_per_second={REQUESTS_PER_SECOND}"
            with urllib.request.urlopen(f"{address}/-/traffic?{agreed}&tolerance_seconds=0") as log:
                traffic = json.load(log)
        finally:
            other_side.kill()
    yield from _describe(offices, json.loads(ended.stdout), traffic, goals)


def _describe(offices: int, found: dict[str, float], traffic: dict[str, Any], goals: NightGoals) -> Measurement:
    limit = found["requests"] / REQUESTS_PER_SECOND
    what = f"{offices:,} offices, one night"
    yield make_figure(f"{what}: requests", found["requests"], "requests")
    yield make_figure(f"{what}: time", found["seconds"], "s")
    yield make_figure(
        f"{what}: as a multiple of the cap's {limit:.0f} s", found["seconds"] / limit, "x", goal=goals.pace
    )
    yield make_figure(f"{what}: largest stall of the event loop", 1000 * found["stall"], "ms", goal=goals.stall)
    start_stall = 1000 * found["start_stall"]
    yield make_figure(f"{what}: the same while the workers start", start_stall, "ms", goal=goals.start_stall)
    yield make_figure(f"{what}: peak resident memory", found["peak_bytes"] / 1e6, "MB", goal=goals.megabytes)
    violations = float(traffic["violations"])
    yield make_figure(f"{what}: impolite requests", violations, "requests", goal=0)
    for kind, count in traffic["violations_by_kind"].items():
        yield make_figure(f"{what}: impolite requests, {kind}", count, "requests")


async def _run_night(base_url: str, directory: str, due: float, offices: int) -> None:
    """Live until every office has its second snapshot; prints what was measured as JSON."""
    office_ids = [f"office-{number:04}" for number in range(offices)]
    cadence = Cadence(probe_seconds=PROBE_SECONDS)
    settings = make_settings(base_url, office_ids, Path(directory), reader=Reader.AUTO, cadence=cadence, spacing=1.0)
    paced = settings.api.model_copy(update={"max_in_flight": IN_FLIGHT, "max_requests_per_second": REQUESTS_PER_SECOND})
    stalls = [0.0]
    tune_garbage_collector()  # as the daemon does
    async with (
        running(replace(settings, api=paced), listening=True) as (daemon, published),
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(_watch_loop, stalls)
        await published.wait_for_snapshots(offices)
        assert time.time() < due, f"the first pass took {time.time() - due:.0f} s longer than was left for it"
        start_stall, stalls[0] = stalls[0], 0.0
        asked = sum(view.requests for view in daemon.fleet.offices.values())
        await published.wait_for_snapshots(2 * offices)
        seconds = time.time() - due
        requests = sum(view.requests for view in daemon.fleet.offices.values()) - asked
        tasks.cancel_scope.cancel()
    peak = {
        "seconds": seconds,
        "requests": requests,
        "stall": max(stalls),
        "start_stall": start_stall,
        "peak_bytes": read_peak_bytes(),
    }
    print(json.dumps(peak), flush=True)  # noqa: T201  the protocol of this process


async def _watch_loop(stalls: list[float]) -> None:
    """How much later than asked for the event loop came back, at worst."""
    while True:
        before = time.perf_counter()
        await anyio.sleep(STALL_CHECK_SECONDS)
        stalls[0] = max(stalls[0], time.perf_counter() - before - STALL_CHECK_SECONDS)


def main(offices: int, first_pass_seconds: float) -> None:
    """Print the figures of one night."""
    for found in _measure(offices, first_pass_seconds, NightGoals(1.05, 400, 100, 100)):
        if isinstance(found, Figure):
            print(f"{found.name}: {found.value:.4g} {found.unit}", flush=True)  # noqa: T201


if __name__ == "__main__":
    if len(sys.argv) == 3:
        main(int(sys.argv[1]), float(sys.argv[2]))
    else:
        anyio.run(_run_night, sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]))
