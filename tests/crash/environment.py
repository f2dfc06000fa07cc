"""The environment of a scenario: headquarters on a port behind an interceptor, and a configuration for it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import anyio
import anyio.abc

from oddaemon.settings import MAINTENANCE_JOBS
from oddaemon.simulator.api.messages import API_PREFIX
from oddaemon.simulator.faults.faults import FaultSchedule
from oddaemon.simulator.headquarters.headquarters import Headquarters
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from oddaemon.simulator.model.world_clock import WorldClock
from oddaemon.simulator.plan.daemon_config import render_toml
from oddaemon.simulator.practice.practice import Practice
from oddaemon.simulator.transport.server import serve
from tests.crash.change_signal import ChangeSignal
from tests.crash.daemon_process import DAEMON, DaemonProcess, daemon_process
from tests.crash.request_interceptor import RequestInterceptor
from tests.crash.scenarios import Scenario

OPTIONS = HeadquartersOptions(base_seconds=0.002, query_seconds=0.002)
SETTINGS: dict[str, dict[str, Any]] = {
    "api": {"developer_key": OPTIONS.developer_key, "max_requests_per_second": 10_000},
    "state": {"database": "oddaemon.db"},
    "http": {"listen": "127.0.0.1:0"},
    "log": {"format": "json"},
    "maintenance": dict.fromkeys(MAINTENANCE_JOBS, ""),
    "cadence": {
        "probe_seconds": 0.1,
        "late_probe_seconds": 0.1,
        "idle_probe_seconds": 0.2,
        "blocked_probe_seconds": 0.2,
        "backoff_base_seconds": 0.05,
        "backoff_max_seconds": 0.5,
    },
}
"""A night in a second."""


@dataclass
class Environment:
    """One world and one database.

    Attributes:
        scenario: The scenario.
        headquarters: The simulated headquarters.
        interceptor: The proxy in front of it.
        changes: Signalled at every change.
        tasks: Runs the background tasks.
        base_url: The URL of headquarters.
        directory: Holds the daemon's configuration and its database.
    """

    scenario: Scenario
    headquarters: Headquarters
    interceptor: RequestInterceptor
    changes: ChangeSignal
    tasks: anyio.abc.TaskGroup
    base_url: str
    directory: Path

    @property
    def config(self) -> Path:
        """The daemon's one file."""
        return self.directory / "oddaemon.toml"

    @property
    def database(self) -> Path:
        """What must survive."""
        return self.directory / "oddaemon.db"

    @property
    def today(self) -> date:
        """The date of an aging that runs now."""
        return datetime.now(ZoneInfo(self.scenario.offices[0].spec.zone)).date()

    def configure(self, *office_ids: str, **more: dict[str, Any]) -> None:
        """Write the daemon's configuration.

        Args:
            office_ids: The offices in it; none: all.
            more: Additional settings, by table.
        """
        tables = {name: {**SETTINGS.get(name, {}), **more.get(name, {})} for name in {**SETTINGS, **more}}
        tables["api"]["base_url"] = self.base_url
        offices = [office.make_table() for office in self.scenario.offices if not office_ids or office.id in office_ids]
        self.config.touch(mode=0o600)
        self.config.write_text(render_toml({**tables, "office": offices}).lstrip(), encoding="utf-8")

    @asynccontextmanager
    async def running_daemon(self, program: Sequence[str] = DAEMON) -> AsyncIterator[DaemonProcess]:
        """A daemon on this configuration for the length of the block."""
        async with daemon_process(self.config, self.changes, self.tasks, program) as daemon:
            yield daemon

    async def run_aging(self) -> None:
        """Run aging in every office to its end, also if the client disconnects meanwhile."""
        over = anyio.Event()

        async def run_all() -> None:
            async with anyio.create_task_group() as runs:
                for practice in self.headquarters.practices.values():
                    runs.start_soon(practice.aging.run)
            over.set()

        self.tasks.start_soon(run_all, name="aging")
        await over.wait()


@asynccontextmanager
async def crash_environment(scenario: Scenario, directory: Path) -> AsyncIterator[Environment]:
    """The environment for the length of the block, with its configuration and without a daemon."""
    clock = WorldClock(datetime.now(UTC))
    practices = [Practice(office.spec, clock) for office in scenario.offices]
    keys = [office.key for office in scenario.offices]
    headquarters = Headquarters(clock, practices, keys, OPTIONS, FaultSchedule(faults=scenario.faults))
    async with anyio.create_task_group() as tasks:
        changes = ChangeSignal()
        interceptor = RequestInterceptor(headquarters, changes, tasks)
        port = await tasks.start(serve, interceptor)
        base_url = f"http://127.0.0.1:{port}{API_PREFIX}"
        environment = Environment(scenario, headquarters, interceptor, changes, tasks, base_url, directory)
        environment.configure()
        yield environment
        tasks.cancel_scope.cancel()
