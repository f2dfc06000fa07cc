"""One host of a fleet: its files, its daemon, and its own way to the database."""

import json
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE
from typing import Any

import anyio
import anyio.abc
import httpx

from oddaemon.settings import MAINTENANCE_JOBS
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from oddaemon.simulator.plan.daemon_config import render_toml
from tests.crash.change_signal import ChangeSignal
from tests.crash.daemon_process import DAEMON, ENVIRONMENT, ROOT, DaemonProcess, daemon_process
from tests.fleet.network.proxy import DatabaseProxy

SETTINGS: dict[str, dict[str, Any]] = {
    "api": {
        "developer_key": HeadquartersOptions().developer_key,
        "max_in_flight": 32,
        "max_requests_per_second": 40.0,
    },
    "http": {"listen": "127.0.0.1:0"},
    "log": {"format": "json"},
    "maintenance": dict.fromkeys(MAINTENANCE_JOBS, ""),
    "cadence": {
        "probe_seconds": 1.0,
        "late_probe_seconds": 1.0,
        "idle_probe_seconds": 4.0,
        "blocked_probe_seconds": 4.0,
        "backoff_base_seconds": 0.5,
        "backoff_max_seconds": 2.0,
    },
}
"""Each office is asked every few seconds, so a take-over is measured to that."""


@dataclass
class FleetHost:
    """A host.

    Attributes:
        name: Its name in the fleet.
        directory: Its files.
        proxy: Its way to the database.
        base_url: The address of headquarters.
        offices: The `[[office]]` tables of its configuration; a test may change them and write them again.
        sinks: Its `[[sink]]` tables.
        settings: What differs from `SETTINGS`, by table.
        daemon: Its process, once it was started.
    """

    name: str
    directory: Path
    proxy: DatabaseProxy
    base_url: str
    changes: ChangeSignal
    tasks: anyio.abc.TaskGroup
    stack: AsyncExitStack
    offices: Sequence[Mapping[str, Any]] = ()
    sinks: Sequence[Mapping[str, Any]] = ()
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    daemon: DaemonProcess | None = None
    lives: list[DaemonProcess] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return self.directory / "oddaemon.toml"

    @property
    def socket(self) -> Path:
        return self.directory / "control.sock"

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The log of all its daemons."""
        return [line for life in self.lives for line in life.lines]

    @property
    def tables(self) -> dict[str, dict[str, Any]]:
        """Its configuration, without offices and sinks."""
        tables: dict[str, dict[str, Any]] = {
            **SETTINGS,
            "state": {"database": f"postgresql://postgres@{self.proxy.address}:{self.proxy.port}/postgres"},
            "fleet": {"host": self.name},
            "http": {**SETTINGS["http"], "control_socket": str(self.socket)},
        }
        for name, table in self.settings.items():
            tables[name] = {**tables.get(name, {}), **table}
        tables["api"] = {**tables["api"], "base_url": self.base_url}
        return tables

    def configure(self) -> None:
        """Write its configuration."""
        self.directory.mkdir(exist_ok=True)
        self.config.touch(mode=0o600)
        text = render_toml({**self.tables, "office": list(self.offices), "sink": list(self.sinks)})
        self.config.write_text(text.lstrip(), encoding="utf-8")

    async def start(self, program: Sequence[str] = DAEMON, wrapper: Sequence[str] = ()) -> DaemonProcess:
        """Start a daemon here; one that still runs is killed at the end of the test."""
        self.configure()
        process = daemon_process(self.config, self.changes, self.tasks, program, wrapper)
        self.daemon = await self.stack.enter_async_context(process)
        self.lives.append(self.daemon)
        return self.daemon

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to its daemon."""
        assert self.daemon is not None, "it was never started"
        self.daemon.send_signal(number)

    async def end(self) -> int:
        """Stop its daemon in good order; gives the exit status."""
        assert self.daemon is not None, "it was never started"
        self.daemon.send_signal(signal.SIGTERM)
        return await self.daemon.wait_for_exit()

    async def order(self, office: str, verb: str) -> tuple[int, str]:
        """Give an order to the daemon here, which need not hold the office; gives the status and the body."""
        transport = httpx.AsyncHTTPTransport(uds=str(self.socket))
        async with httpx.AsyncClient(transport=transport, timeout=60) as client:
            response = await client.post(f"http://localhost/offices/{office}/{verb}")
        return response.status_code, response.text

    async def run_command(self, *arguments: str) -> tuple[int, Any]:
        """Run `oddaemon ... --json` here; gives its exit status and its document, or its texts if it has none."""
        command = [sys.executable, "-m", "oddaemon", *arguments, "--config", str(self.config), "--json"]
        done = await anyio.run_process(command, cwd=ROOT, env=ENVIRONMENT, check=False, stderr=PIPE)
        try:
            return done.returncode, json.loads(done.stdout)
        except ValueError:
            return done.returncode, (done.stdout + done.stderr).decode(errors="replace")
