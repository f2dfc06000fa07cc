"""Processes of the benches, started and ended, and what the kernel says about them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.server import ServerSpec

CLOCK_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@contextmanager
def bench_server(wanted: ServerSpec) -> Iterator[str]:
    """The base URL of a fresh server."""
    command = [sys.executable, "-m", "tests.bench.server", json.dumps(vars(wanted))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            port = json.loads(process.stdout.readline())["port"]
            yield f"http://127.0.0.1:{port}/api/v1"
        finally:
            process.kill()


def read_cpu_seconds(pid: int) -> float:
    """Processor time of all threads of a process so far, in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS_PER_SECOND


def read_resident_bytes(pid: int | str) -> int:
    """The memory that a process has now."""
    return _read_status_bytes(pid, "VmRSS")


def read_peak_bytes(pid: int | str = "self") -> int:
    """The most memory that a process has had."""
    return _read_status_bytes(pid, "VmHWM")


def _read_status_bytes(pid: int | str, name: str) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(name))
