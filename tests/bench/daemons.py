"""Whole daemons for the benches, over real sockets, with the throttle off."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio

from oddaemon.core.model import Cadence, OfficeCredentials, OfficeSpec, Reader
from oddaemon.daemon.daemon import Daemon
from oddaemon.settings import (
    ApiSettings,
    DaemonSettings,
    HttpSettings,
    MaintenanceSettings,
    OfficeSettings,
    Secret,
    Settings,
    StateSettings,
)
from oddaemon.telemetry.telemetry import Telemetry
from tests.bench.server import DEVELOPER_KEY, make_customer_key


def make_settings(
    base_url: str, office_ids: list[str], directory: Path, *, reader: Reader, cadence: Cadence, spacing: float
) -> Settings:
    """Settings of a daemon that is held back by nothing but itself."""
    offices = [
        OfficeSettings(
            spec=OfficeSpec(office_id, office_id, zone=UTC, reader=reader, cadence=cadence),
            credentials=OfficeCredentials(
                office_id=office_id,
                developer_key=Secret(DEVELOPER_KEY),
                customer_key=Secret(make_customer_key(office_id)),
                base_url=base_url,
                min_interval_seconds=spacing,
                remote=True,
            ),
            source=directory / "oddaemon.toml",
        )
        for office_id in office_ids
    ]
    return Settings(
        source=directory / "oddaemon.toml",
        api=ApiSettings(developer_key=Secret(DEVELOPER_KEY), max_in_flight=4096, max_requests_per_second=10_000),
        state=StateSettings(database_url=Secret(str(directory / "state.db"))),
        http=HttpSettings(listen="127.0.0.1:0"),
        daemon=DaemonSettings(),
        maintenance=MaintenanceSettings.make_disabled(),
        offices={each.spec.id: each for each in offices},
    )


class PublishedLog:
    """What a daemon says, as far as a bench wants to know."""

    def __init__(self) -> None:
        self.published: list[dict[str, Any]] = []
        self.changed = anyio.Event()

    def write(self, line: str) -> None:
        """Take a line of the log."""
        if '"snapshot_published"' in line:
            self.published.append(json.loads(line))
            self.changed.set()
            self.changed = anyio.Event()

    async def wait_for_snapshots(self, count: int) -> None:
        """Wait until this number of snapshots is published."""
        while len(self.published) < count:
            await self.changed.wait()


@asynccontextmanager
async def running(settings: Settings, *, listening: bool = False) -> AsyncIterator[tuple[Daemon, PublishedLog]]:
    """A daemon at work in this process."""
    published = PublishedLog()
    telemetry = Telemetry(write=published.write, now=_get_now, version="bench")
    daemon = Daemon(settings, telemetry, _get_now, listening=listening)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(daemon.run)
        yield daemon, published
        daemon.stop()


def _get_now() -> datetime:
    return datetime.now(UTC)
