"""2,000 offices whose aging is due in the same minute, in one daemon, over real HTTP: does it hold the throttle's pace?

The limit is what the global cap lets through: the night's requests divided by the cap. The daemon is a process of its
own, and so is the other side.
"""

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio

from oddaemon.core.model import Cadence, Reader
from oddaemon.daemon.process import tune_garbage_collector
from tests.bench.daemons import make_settings, running

OFFICES, GUARANTORS = 2_000, 100
REQUESTS_PER_SECOND = 100.0
IN_FLIGHT = 64
PROBE_SECONDS = 60.0
FIRST_PASS_SECONDS = 200.0
"""For a survey and a first snapshot of every office, before the night: 14,000 requests at the cap take 140 s."""
STALL_CHECK_SECONDS = 0.005
TOLERANCE_SECONDS = 0.25
"""What two processes on two shared cores may add between a request's leaving and its being seen."""


def measure() -> list[tuple[str, str, str]]:
    """Rows of the table: what, figure, goal."""
    server = [sys.executable, "-m", "tests.bench.load_server", *map(str, (OFFICES, GUARANTORS, FIRST_PASS_SECONDS))]
    with (
        tempfile.TemporaryDirectory() as directory,
        subprocess.Popen(server, stdout=subprocess.PIPE, text=True) as other_side,
    ):
        assert other_side.stdout is not None
        try:
            server_info = json.loads(other_side.stdout.readline())
            address = f"http://127.0.0.1:{server_info['port']}"
            command = [
                sys.executable,
                "-m",
                "tests.bench.load",
                f"{address}/api/v1",
                directory,
                str(server_info["due"]),
            ]
            ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found = json.loads(ended.stdout)
            agreed = f"max_in_flight={IN_FLIGHT}&max_requests_per_second={REQUESTS_PER_SECOND}"
            with urllib.request.urlopen(f"{address}/-/traffic?{agreed}&tolerance_seconds={TOLERANCE_SECONDS}") as log:
                traffic = json.load(log)
        finally:
            other_side.kill()
    return _make_rows(found, traffic)


def _make_rows(found: dict[str, float], traffic: dict[str, Any]) -> list[tuple[str, str, str]]:
    limit = found["requests"] / REQUESTS_PER_SECOND
    what = f"2,000 offices, one night: {found['requests']:,.0f} requests, {limit:.0f} s at the cap"
    return [
        (what, f"{found['seconds']:.0f} s = {found['seconds'] / limit:.2f} x", "< 1.5 x"),
        ("largest stall of the event loop that night", f"{found['stall'] * 1000:.0f} ms", "< 100 ms"),
        ("the same while 2,000 workers start", f"{found['start_stall'] * 1000:.0f} ms", ""),
        ("peak resident memory", f"{found['peak_bytes'] / 1e6:.0f} MB", ""),
        (f"impolite requests of {traffic['requests']:,}", _format_violations(traffic), "0"),
    ]  # fmt: skip


def _format_violations(traffic: dict[str, Any]) -> str:
    kinds = ", ".join(f"{kind} {count}" for kind, count in traffic["violations_by_kind"].items())
    return f"{traffic['violations']} {kinds}".strip()


async def _run_night(base_url: str, directory: str, due: float) -> None:
    """Live until every office has its second snapshot; prints what was measured as JSON."""
    office_ids = [f"office-{number:04}" for number in range(OFFICES)]
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
        await published.wait_for_snapshots(OFFICES)
        assert time.time() < due, f"the first pass took {time.time() - due:.0f} s longer than was left for it"
        start_stall, stalls[0] = stalls[0], 0.0
        asked = sum(view.requests for view in daemon.fleet.offices.values())
        await published.wait_for_snapshots(2 * OFFICES)
        seconds = time.time() - due
        requests = sum(view.requests for view in daemon.fleet.offices.values()) - asked
        tasks.cancel_scope.cancel()
    peak = {
        "seconds": seconds,
        "requests": requests,
        "stall": max(stalls),
        "start_stall": start_stall,
        "peak_bytes": _get_peak_bytes(),
    }
    print(json.dumps(peak), flush=True)  # noqa: T201  the protocol of this process


async def _watch_loop(stalls: list[float]) -> None:
    """How much later than asked for the event loop came back, at worst."""
    while True:
        before = time.perf_counter()
        await anyio.sleep(STALL_CHECK_SECONDS)
        stalls[0] = max(stalls[0], time.perf_counter() - before - STALL_CHECK_SECONDS)


def _get_peak_bytes() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


if __name__ == "__main__":
    if len(sys.argv) == 1:
        for line in measure():
            print(*line, sep="\t")  # noqa: T201
    else:
        anyio.run(_run_night, sys.argv[1], sys.argv[2], float(sys.argv[3]))
