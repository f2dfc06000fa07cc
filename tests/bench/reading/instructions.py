"""Instructions of one verified snapshot, counted by valgrind: hardly any noise, whatever else the machine does.

All threads count. Only the second of two pairs of nights is counted, so that imports and first uses are not.
python -m tests.bench.reading.instructions URL READER DIRECTORY is the process under valgrind.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import anyio

from oddaemon.core.model import Reader
from oddaemon.daemon.process import tune_garbage_collector
from tests.bench.harness.figure import Measurement, Skip, Step, make_figure
from tests.bench.processes import bench_server
from tests.bench.reading.nights import run_two_nights
from tests.bench.server import ServerSpec

GUARANTORS = 4_000
TOLERANCE = 0.01
"""Two counts of the same program differ by 0.3 %: the event loop wakes more or less often."""
_COLLECTED = re.compile(r"Collected : (\d+)")
_OFFICE_IDS = ["office-0000"]


def measure() -> Measurement:
    """Both nights together, by reader. It is slow: valgrind executes all imports, too."""
    if shutil.which("valgrind") is None or shutil.which("callgrind_control") is None:
        yield Skip("instructions", "no valgrind here (Debian: apt-get install valgrind)")
        return
    with bench_server(ServerSpec(1, GUARANTORS, has_second_night=True)) as base_url:
        for reader in (Reader.STATEMENT, Reader.PAGES):
            yield Step(reader.value)
            millions = _count_instructions(base_url, reader) / 1e6
            name = f"{reader.value}, a first and an ordinary night of {GUARANTORS:,} guarantors"
            yield make_figure(name, millions, "M instructions", is_exact=True, tolerance=TOLERANCE)


def _count_instructions(base_url: str, reader: Reader) -> int:
    with tempfile.TemporaryDirectory() as directory:
        command = [
            "valgrind",
            "--tool=callgrind",
            "--instr-atstart=no",
            f"--callgrind-out-file={Path(directory, 'out')}",
            f"--vgdb-prefix={Path(directory, 'vgdb')}",
            *(sys.executable, "-m", "tests.bench.reading.instructions", base_url, reader.value, directory),
        ]
        environment = os.environ | {"PYTHONHASHSEED": "0"}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found = _COLLECTED.search(done.stderr)
    assert found is not None, done.stderr
    return int(found[1])


def _run_counted(base_url: str, reader: Reader, directory: str) -> None:
    tune_garbage_collector()  # as the daemon does
    anyio.run(run_two_nights, base_url, _OFFICE_IDS, reader)

    @contextmanager
    def counting() -> Iterator[None]:
        _switch_counting("on", directory)
        yield
        _switch_counting("off", directory)

    anyio.run(partial(run_two_nights, base_url, _OFFICE_IDS, reader, counting=counting))


def _switch_counting(state: str, directory: str) -> None:
    prefix = f"--vgdb-prefix={Path(directory, 'vgdb')}"
    subprocess.run(["callgrind_control", prefix, "-i", state, str(os.getpid())], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    _run_counted(sys.argv[1], Reader(sys.argv[2]), sys.argv[3])
