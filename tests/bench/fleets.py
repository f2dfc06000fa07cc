"""Fleets on one PostgreSQL: what it costs to watch idle offices, and whether four hosts keep the pace of one.

Each host is a process of its own. PostgreSQL's figure is the processor time of all of its processes.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import psycopg

from oddaemon.core.model import Cadence, Reader
from oddaemon.daemon.process import tune_garbage_collector
from oddaemon.settings import FleetSettings, Secret, StateSettings
from tests.bench.daemons import make_settings, running
from tests.bench.harness.figure import Measurement, Skip, Step, make_figure
from tests.bench.load import FIRST_PASS_SECONDS, GUARANTORS, IN_FLIGHT, PROBE_SECONDS, REQUESTS_PER_SECOND
from tests.bench.processes import CLOCK_TICKS_PER_SECOND, bench_server
from tests.bench.server import ServerSpec
from tests.postgres_server import PostgresServer, find_missing_requirement, running_server

IDLE_OFFICES, IDLE_HOSTS, OBSERVED_SECONDS = 1_000, 4, 60.0
SETTLED_SECONDS = 30.0
NIGHT_OFFICES, NIGHT_HOSTS = 2_000, 4
FIRST_SECONDS_MAX = 600.0
NIGHT_SECONDS_MAX = 300.0


@dataclass(frozen=True)
class HostSpec:
    """What a host's process is started with, as JSON."""

    base_url: str
    directory: str
    dsn: str
    host: str
    offices: int
    probe_seconds: float
    is_paced: bool


def measure() -> Measurement:
    """Idle hosts, then a night of one host and of several."""
    if missing := find_missing_requirement():
        yield Skip("fleets", missing)
        return
    yield from _measure_idle()
    yield from _measure_night()


def _measure_idle() -> Measurement:
    yield Step(f"first night of {IDLE_OFFICES:,} offices")
    wanted = ServerSpec(IDLE_OFFICES, 10)
    with bench_server(wanted) as base_url, _running_fleet(IDLE_HOSTS, base_url, IDLE_OFFICES) as server:
        _wait_for_snapshots(server, IDLE_OFFICES, FIRST_SECONDS_MAX)
        time.sleep(SETTLED_SECONDS)  # the hosts are other processes
        yield Step("observing")
        before = _get_cpu_seconds(server)
        time.sleep(OBSERVED_SECONDS)
        share = 100 * (_get_cpu_seconds(server) - before) / OBSERVED_SECONDS
    what = f"PostgreSQL's CPU of a core, {IDLE_OFFICES:,} idle offices on {IDLE_HOSTS} hosts"
    yield make_figure(what, share, "%", goal=3)


def _measure_night() -> Measurement:
    what, seconds = f"{NIGHT_OFFICES:,} offices due in one minute", []
    for hosts in (1, NIGHT_HOSTS):
        yield Step(f"a night on {hosts} hosts")
        seconds.append(_time_night(hosts))
        yield make_figure(f"{what}: {hosts} hosts on PostgreSQL", seconds[-1], "s")
    one, several = seconds
    yield make_figure(f"{what}: several hosts as a multiple of one", several / one, "x", goal=1.1)


def _time_night(hosts: int) -> float:
    """Seconds from the minute in which all offices age to the last snapshot."""
    arguments = map(str, (NIGHT_OFFICES, GUARANTORS, FIRST_PASS_SECONDS))
    command = [sys.executable, "-m", "tests.bench.load_server", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other_side:
        assert other_side.stdout is not None
        try:
            found = json.loads(other_side.stdout.readline())
            base_url = f"http://127.0.0.1:{found['port']}/api/v1"
            with _running_fleet(hosts, base_url, NIGHT_OFFICES, is_paced=True) as server:
                _wait_for_snapshots(server, NIGHT_OFFICES, found["due"] - time.time())
                _wait_for_snapshots(server, 2 * NIGHT_OFFICES, found["due"] - time.time() + NIGHT_SECONDS_MAX)
                return time.time() - float(found["due"])
        finally:
            other_side.kill()


@contextmanager
def _running_fleet(hosts: int, base_url: str, offices: int, *, is_paced: bool = False) -> Iterator[PostgresServer]:
    """A PostgreSQL and hosts that use it, until the end of the block."""
    probe_seconds = PROBE_SECONDS if is_paced else Cadence().probe_seconds
    with ExitStack() as stack:
        server = stack.enter_context(running_server(settings={"max_connections": "60"}))
        for number in range(hosts):
            directory = stack.enter_context(tempfile.TemporaryDirectory())
            spec = HostSpec(base_url, directory, server.make_dsn(), f"host-{number}", offices, probe_seconds, is_paced)
            command = [sys.executable, "-m", "tests.bench.fleets", json.dumps(vars(spec))]
            process = stack.enter_context(subprocess.Popen(command))
            stack.callback(process.kill)
        yield server


def _wait_for_snapshots(server: PostgresServer, count: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    with psycopg.connect(server.make_dsn(), autocommit=True) as connection:
        while time.monotonic() < deadline:
            found = connection.execute("SELECT to_regclass('snapshot') IS NOT NULL").fetchone()
            if found == (True,):
                row = connection.execute("SELECT count(*) FROM snapshot").fetchone()
                if row is not None and row[0] >= count:
                    return
            time.sleep(0.2)
    raise TimeoutError(f"there are no {count:,} snapshots after {seconds:.0f} s")


def _get_cpu_seconds(server: PostgresServer) -> float:
    """Of the server's processes that live, and of those that have ended."""
    postmaster = int((server.data / "postmaster.pid").read_text(encoding="ascii").split()[0])
    fields = list(_list_stats(lambda pid, parent: postmaster in {pid, parent}))
    ended = sum(int(each[13]) + int(each[14]) for pid, each in fields if pid == postmaster)
    return (ended + sum(int(each[11]) + int(each[12]) for _, each in fields)) / CLOCK_TICKS_PER_SECOND


def _list_stats(is_wanted: Callable[[int, int], bool]) -> Iterator[tuple[int, Sequence[str]]]:
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            text = (directory / "stat").read_text(encoding="ascii", errors="replace")
        except OSError:
            continue  # it has ended
        fields = text.rpartition(")")[2].split()
        if is_wanted(int(directory.name), int(fields[1])):
            yield int(directory.name), fields


async def _run_host(spec: HostSpec) -> None:
    """A host, until it is killed."""
    office_ids = [f"office-{number:04}" for number in range(spec.offices)]
    cadence = Cadence(probe_seconds=spec.probe_seconds)
    spacing = 1.0 if spec.is_paced else 0.0
    settings = make_settings(
        spec.base_url, office_ids, Path(spec.directory), reader=Reader.AUTO, cadence=cadence, spacing=spacing
    )
    caps = {"max_in_flight": IN_FLIGHT, "max_requests_per_second": REQUESTS_PER_SECOND} if spec.is_paced else {}
    tune_garbage_collector()  # as the daemon does
    shared = replace(
        settings,
        api=settings.api.model_copy(update=caps),
        state=StateSettings(database_url=Secret(spec.dsn)),
        fleet=FleetSettings(host=spec.host),
    )
    async with running(shared, listening=True):
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(_run_host, HostSpec(**json.loads(sys.argv[1])))
