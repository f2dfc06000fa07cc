"""A daemon's socket over the sample fleet: inspection is the daemon's own, but no worker runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import anyio.abc
from anyio.from_thread import start_blocking_portal

from oddaemon.admin.app import serve_control
from oddaemon.admin.inspection import StatusService
from oddaemon.core.model import OfficeSpec
from oddaemon.core.reporting.office_runtime import OfficeRuntime
from oddaemon.engine.journal.recorder import JournalRecorder
from oddaemon.engine.offices.fleet_state import FleetState
from oddaemon.engine.offices.readiness import Readiness
from oddaemon.store import offices
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.telemetry.events import RequestFinished, RequestStarted
from oddaemon.telemetry.events.base import Event
from oddaemon.telemetry.telemetry import Telemetry
from tests.cli.fake_control_socket import FakeCommands
from tests.web.admin_app import make_admin_app

UNKNOWN_OFFICE = "new-oak"
"""Configured, but not watched by the daemon."""


class InspectedDaemon:
    """What happens at the daemon while it answers."""

    def __init__(self) -> None:
        self.telemetry = Telemetry(write=lambda _: None, now=_get_now, version="test")
        self.fleet = FleetState(_get_now)
        self.readiness = Readiness(ready=True)
        self.rejection = ""
        self.failed_jobs: list[str] = []

    def emit_events(self, *events: Event) -> None:
        for event in events:
            self.fleet.observe(event)
            self.telemetry.emit(event)


@contextmanager
def inspected_daemon(directory: Path) -> Iterator[InspectedDaemon]:
    """Serve the control socket beside `state.db` in this directory within the block."""
    daemon = InspectedDaemon()
    with start_blocking_portal() as portal:
        serving, _ = portal.start_task(_serve, daemon, directory)
        try:
            yield daemon
        finally:
            serving.cancel()


async def _serve(daemon: InspectedDaemon, directory: Path, *, task_status: anyio.abc.TaskStatus[None]) -> None:
    async with SqliteDatabase.open(str(directory / "state.db")) as database:
        for row in await offices.list_all(database):
            if row.state is not None:
                labels = (("group", "coast"),) if row.id == "hill-street" else ()
                office = OfficeSpec(row.id, row.name, labels=labels)
                daemon.fleet.offices[row.id] = OfficeRuntime(office, row.state, row.state.standing.since, row.snapshot)
        journal = JournalRecorder(daemon.telemetry, _get_now, retained_max=100, write_seconds=3600.0)
        status = StatusService(
            database,
            daemon.fleet,
            journal,
            lambda: daemon.readiness,
            daemon.fleet.now(),
            lambda: daemon.rejection,
            lambda: daemon.failed_jobs,
        )
        app = make_admin_app(
            commands=FakeCommands(), status=status, telemetry=daemon.telemetry, office_metrics=daemon.fleet.get_statuses
        )
        await serve_control(directory / "state.db.sock", app, task_status=task_status)


def make_request_events(office: str) -> tuple[RequestStarted, RequestFinished]:
    """One that is answered."""
    return RequestStarted(office, "preferences"), RequestFinished(office, "preferences", "ok", 200, 0.25, 0.0, 640)


def _get_now() -> datetime:
    return datetime.now(UTC)
