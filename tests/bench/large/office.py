"""One office of 150,000 guarantors in 200 clinics, with sparse patient numbers: read, verified and published.

In a process of its own, because its peak of memory counts. The server answers from memory when it is measured.
"""

import gc
import json
import subprocess
import sys
import time

import anyio

from oddaemon.core.model import Reader
from oddaemon.daemon.process import tune_garbage_collector
from tests.bench.harness.figure import Measurement, Step, make_figure
from tests.bench.processes import bench_server, read_peak_bytes, read_resident_bytes
from tests.bench.reading.nights import run_two_nights
from tests.bench.server import ServerSpec

GUARANTORS, CLINICS = 150_000, 200
SMALL_GUARANTORS = 100
ROUNDS = 3
STALL_CHECK_SECONDS = 0.002


def measure() -> Measurement:
    """The first night and an ordinary one, by statements."""
    nights = []
    for guarantors, rounds in ((SMALL_GUARANTORS, 1), (GUARANTORS, ROUNDS)):
        yield Step(f"making an office of {guarantors:,} guarantors")
        wanted = ServerSpec(1, guarantors, pat_nums="sparse", clinics=CLINICS, has_second_night=True)
        with bench_server(wanted) as base_url:
            for number in range(rounds):
                yield Step(f"reading {guarantors:,} guarantors", number, rounds)
                nights.append(_run(base_url))
    base, *found = nights
    what = f"{GUARANTORS:,} guarantors"
    for name in ("first", "ordinary"):
        requests = found[0][f"{name}_requests"]
        yield make_figure(f"{what}, {name} night: requests", requests, "requests", goal=20, is_exact=True)
        # In the first round the server executes SQL, which takes it minutes.
        yield make_figure(f"{what}, {name} night", [each[f"{name}_seconds"] for each in found[1:]], "s")
        stretches = [1000 * each[f"{name}_stretch"] for each in found]
        yield make_figure(f"{what}, {name} night: longest stretch on the event loop", stretches, "ms", goal=100)
    stalls = [1000 * each["stall"] for each in found]
    yield make_figure(f"{what}, both nights: largest stall of the event loop", stalls, "ms", goal=100)
    above = [(each["peak_bytes"] - base["resident_bytes"]) / 1e6 for each in found]
    yield make_figure(f"{what}, both nights: memory above the base", above, "MB", goal=250)


def _run(base_url: str) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.large.office", base_url]
    found: dict[str, float] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return found


async def _measure_here(base_url: str) -> dict[str, float]:
    """Prints what two nights took, as JSON."""
    stall = 0.0

    async def watch_loop() -> None:
        nonlocal stall
        while True:
            slept_at = time.perf_counter()
            await anyio.sleep(STALL_CHECK_SECONDS)
            stall = max(stall, time.perf_counter() - slept_at - STALL_CHECK_SECONDS)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch_loop)
        nights = await run_two_nights(base_url, ["office-0000"], Reader.STATEMENT)
        tasks.cancel_scope.cancel()
    found = {"stall": stall, "peak_bytes": float(read_peak_bytes())}
    for name, night in zip(("first", "ordinary"), nights, strict=True):
        found |= {
            f"{name}_requests": night.requests,
            f"{name}_seconds": night.seconds,
            f"{name}_stretch": night.stretch_seconds,
        }
    return found


if __name__ == "__main__":
    tune_garbage_collector()  # as the daemon does
    result = anyio.run(_measure_here, sys.argv[1])
    gc.collect()
    result["resident_bytes"] = float(read_resident_bytes("self"))
    sys.stdout.write(json.dumps(result))
