"""10,000 offices in 10,000 files, and headquarters that cannot be reached: what an operator waits for.

The daemon is the real process, with its log in a file. A command's time has that of Python's start in it.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from oddaemon.cli.sources.daemon_client import request
from tests.bench.harness.figure import Figure, Measurement, Step, make_figure
from tests.bench.processes import read_cpu_seconds, read_peak_bytes, read_resident_bytes
from tests.ports import reserved_port

OFFICES = 10_000
ROUNDS = 5
COMMAND_ROUNDS = 3
READY_SECONDS_MAX = 90.0
OUTAGE_SECONDS = 30.0
"""For which the outage's log is counted."""
COMMAND = [sys.executable, "-m", "oddaemon"]


@dataclass(frozen=True, slots=True)
class _RunningDaemon:
    pid: int
    config: Path
    control_socket: Path
    url: str
    log: Path
    ready_seconds: float
    ready_cpu_seconds: float


def measure() -> Measurement:
    """The start, then what is asked of the running daemon."""
    with tempfile.TemporaryDirectory(prefix="bench") as name, reserved_port() as closed, reserved_port() as listen:
        directory = Path(name)
        yield Step(f"writing {OFFICES:,} files")
        config = _write_configuration(directory, closed, listen)
        yield from _measure_command("check", config, 4.0)
        yield Step("starting the daemon")
        with _running_daemon(config, listen) as daemon:
            what = f"{OFFICES:,} files"
            yield make_figure(f"{what}: start to READY", daemon.ready_seconds, "s", goal=6)
            yield make_figure(f"{what}: CPU of the start to READY", daemon.ready_cpu_seconds, "s")
            yield from _measure_running(daemon)


def _measure_running(daemon: _RunningDaemon) -> Measurement:
    yield Step(f"{OUTAGE_SECONDS:.0f} s of an outage")
    time.sleep(OUTAGE_SECONDS)  # the daemon under measure is another process
    lines = daemon.log.read_bytes().count(b"\n")
    what = f"{OFFICES:,} offices"
    yield make_figure(f"{what}: lines of the log after {OUTAGE_SECONDS:.0f} s of an outage", lines, "lines", goal=100)
    yield make_figure(f"{what}: resident memory", read_resident_bytes(daemon.pid) / 1e6, "MB", goal=400)
    yield from _measure_command("status", daemon.config, 1.5)
    yield from _time_rounds("page", lambda: _fetch(f"{daemon.url}/"), 0.5)
    yield make_figure("page: size", _fetch(f"{daemon.url}/"), "bytes", goal=500_000)
    yield from _time_rounds("scrape", lambda: _fetch(f"{daemon.url}/metrics"), 0.4)
    yield from _time_rounds("reload of one changed file", lambda: _reload(daemon), 0.5)
    yield make_figure(f"{what}: peak resident memory", read_peak_bytes(daemon.pid) / 1e6, "MB")


def _write_configuration(directory: Path, closed_port: int, listen_port: int) -> Path:
    offices = directory / "offices.d"
    offices.mkdir()
    for number in range(OFFICES):
        _write_office(offices / f"office-{number:05}.toml", number, "Dental")
    config = directory / "oddaemon.toml"
    _write(
        config,
        f'[api]\nbase_url = "http://127.0.0.1:{closed_port}/api/v1"\ndeveloper_key = "bench"\n'
        f'[state]\ndatabase = "state.db"\n[http]\nlisten = "127.0.0.1:{listen_port}"\n'
        '[offices]\ndirectory = "offices.d"\n[daemon]\nwatch = false\n',
    )
    return config


def _write_office(path: Path, number: int, name: str) -> None:
    _write(
        path,
        f'[[office]]\nid = "office-{number:05}"\nname = "{name} {number}"\ncustomer_key = "key-{number}"\n'
        'timezone = "America/Chicago"\n',
    )


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def _running_daemon(config: Path, listen_port: int) -> Iterator[_RunningDaemon]:
    directory = config.parent
    log = directory / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, log.open("wb") as output:
        manager.bind(str(directory / "notify"))
        manager.settimeout(READY_SECONDS_MAX)
        environment = os.environ | {"NOTIFY_SOCKET": str(directory / "notify")}
        began = time.perf_counter()
        command = [*COMMAND, "run", "--config", str(config)]
        with subprocess.Popen(command, stdout=output, stderr=output, env=environment) as process:
            try:
                while b"READY=1" not in manager.recv(4096):
                    pass
                ready = time.perf_counter() - began, read_cpu_seconds(process.pid)
                url = f"http://127.0.0.1:{listen_port}"
                yield _RunningDaemon(process.pid, config, directory / "state.db.sock", url, log, *ready)
            finally:
                process.send_signal(signal.SIGKILL)


def _measure_command(command: str, config: Path, goal: float) -> Measurement:
    yield from _time_rounds(
        f"oddaemon {command}",
        lambda: subprocess.run([*COMMAND, command, "--config", str(config)], stdout=subprocess.DEVNULL, check=False),
        goal,
        COMMAND_ROUNDS,
    )


def _time_rounds(name: str, action: Callable[[], object], goal: float, rounds: int = ROUNDS) -> Iterator[Figure | Step]:
    seconds = []
    for number in range(rounds):
        yield Step(name, number, rounds)
        began = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - began)
    yield make_figure(f"{OFFICES:,} offices: {name}", seconds, "s", goal=goal)


def _fetch(url: str) -> int:
    """The size of what comes, in bytes."""
    with urllib.request.urlopen(url, timeout=60) as response:
        return len(response.read())


def _reload(daemon: _RunningDaemon) -> None:
    _write_office(daemon.config.parent / "offices.d" / "office-00007.toml", 7, f"Renamed {time.perf_counter_ns()}")
    assert request(daemon.control_socket, "POST", "/reload").status == 200
