"""Memory and CPU of a daemon that watches offices in which nothing is due, with its listener."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio

from oddaemon.core.model import Cadence, Reader
from oddaemon.daemon.process import tune_garbage_collector
from tests.bench.daemons import make_settings, running
from tests.bench.harness.figure import Measurement, Step, make_figure
from tests.bench.processes import bench_server, read_cpu_seconds, read_resident_bytes
from tests.bench.server import ServerSpec

BASE_OFFICES = 10
"""What a daemon of these needs is the base."""
OFFICES, MANY_OFFICES = 2_000, 10_000
PRACTICES = 100
"""Behind all of the offices: the daemon alone is measured."""
OBSERVED_SECONDS = 10.0
OBSERVATIONS = 3
SETTLED_SECONDS = 5.0


def measure() -> Measurement:
    """As many offices as most operators have, at most."""
    yield from _measure(OFFICES, goal_share=2.0)


def measure_many() -> Measurement:
    """As many offices as Open Dental has customers."""
    yield from _measure(MANY_OFFICES, goal_share=1.5)


def _measure(offices: int, goal_share: float) -> Measurement:
    yield Step(f"the base: {BASE_OFFICES} offices")
    with _idle_daemon(BASE_OFFICES) as daemon:
        base = read_resident_bytes(daemon) / 1e6
    yield Step(f"first night of {offices:,} offices")
    with _idle_daemon(offices) as daemon:
        shares = []
        for number in range(OBSERVATIONS):
            yield Step("observing", number, OBSERVATIONS)
            before = read_cpu_seconds(daemon)
            time.sleep(OBSERVED_SECONDS)  # the daemon under measure is another process
            shares.append(100 * (read_cpu_seconds(daemon) - before) / OBSERVED_SECONDS)
        megabytes = read_resident_bytes(daemon) / 1e6
    what = f"{offices:,} idle offices"
    yield make_figure(f"{what}: resident memory", megabytes, "MB")
    yield make_figure(f"{what}: memory above the base, a thousand", (megabytes - base) / offices * 1000, "MB", goal=12)
    yield make_figure(f"{what}: CPU of a core", shares, "%", goal=goal_share)


@contextmanager
def _idle_daemon(offices: int) -> Iterator[int]:
    """The process id of a daemon all of whose offices are fresh."""
    wanted = ServerSpec(offices, 10, practices=min(offices, PRACTICES))
    with bench_server(wanted) as base_url, tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "tests.bench.idle", base_url, directory, str(offices)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as daemon:
            assert daemon.stdout is not None
            try:
                assert daemon.stdout.readline() == "idle\n"
                yield daemon.pid
            finally:
                daemon.kill()


async def _run_daemon(base_url: str, directory: str, offices: int) -> None:
    """Says once every office is fresh and has nothing to do."""
    office_ids = [f"office-{number:04}" for number in range(offices)]
    settings = make_settings(base_url, office_ids, Path(directory), reader=Reader.AUTO, cadence=Cadence(), spacing=0.0)
    tune_garbage_collector()  # as the daemon does
    async with running(settings, listening=True) as (_, published):
        await published.wait_for_snapshots(offices)
        await anyio.sleep(SETTLED_SECONDS)
        print("idle", flush=True)  # noqa: T201  the protocol of this process
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(_run_daemon, sys.argv[1], sys.argv[2], int(sys.argv[3]))
