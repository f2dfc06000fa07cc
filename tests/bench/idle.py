"""Memory and CPU of a daemon that watches 2,000 offices in which nothing is due."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anyio

from oddaemon.core.model import Cadence, Reader
from tests.bench.daemons import make_settings, running
from tests.bench.processes import bench_server

OFFICES = 2_000
OBSERVED_SECONDS = 30.0
CLOCK_TICKS_PER_SECOND = 100


def measure() -> list[tuple[str, str, str]]:
    """Rows of the table: what, figure, goal."""
    with bench_server(OFFICES, 10) as base_url, tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "tests.bench.idle", base_url, directory]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as daemon:
            assert daemon.stdout is not None
            try:
                assert daemon.stdout.readline() == "idle\n"
                before = _get_cpu_seconds(daemon.pid)
                time.sleep(OBSERVED_SECONDS)  # the daemon under measure is another process
                share = (_get_cpu_seconds(daemon.pid) - before) / OBSERVED_SECONDS
                megabytes = _get_resident_bytes(daemon.pid) / 1e6
            finally:
                daemon.kill()
    return [
        ("resident memory, 2,000 idle offices", f"{megabytes:.0f} MB", "< 250 MB"),
        ("CPU of a core, 2,000 idle offices", f"{share:.1%}", "< 2 %"),
    ]


def _get_cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS_PER_SECOND


def _get_resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))


async def _run_daemon(base_url: str, directory: str) -> None:
    """A daemon with its listener, that says once every office is fresh and has nothing to do."""
    office_ids = [f"office-{number:04}" for number in range(OFFICES)]
    settings = make_settings(base_url, office_ids, Path(directory), reader=Reader.AUTO, cadence=Cadence(), spacing=0.0)
    async with running(settings, listening=True) as (_, published):
        await published.wait_for_snapshots(OFFICES)
        await anyio.sleep(5)
        print("idle", flush=True)  # noqa: T201  the protocol of this process
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(_run_daemon, sys.argv[1], sys.argv[2])
