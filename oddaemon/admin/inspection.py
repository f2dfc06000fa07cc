"""Read-only documents of the control socket: the fleet, one office with its journal, and the daemon itself."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from oddaemon import __version__
from oddaemon.admin.commands import CommandRejected, RejectionKind, reject_unknown_office
from oddaemon.admin.office_details import DataSource, OfficeDetails, build_office_details
from oddaemon.core.reporting.fleet_document import FleetOverviewDocument, make_overview_document
from oddaemon.core.reporting.formatting import format_instant
from oddaemon.core.reporting.status_document import StatusDocument, make_status_document
from oddaemon.engine.journal.recorder import JournalRecorder
from oddaemon.engine.offices.fleet_state import FleetState, make_office_status
from oddaemon.engine.offices.readiness import Readiness
from oddaemon.store.database import Database
from oddaemon.store.errors import StoreError

NO_FLEET = "This daemon is no member of a fleet."
NO_FLEET_ADVICE = "Only daemons that share a PostgreSQL database form one: see docs/fleet.md."


class DaemonDocument(TypedDict):
    """The process itself."""

    version: str
    pid: int
    started_at: str
    ready: bool
    reason: str
    """Why it is not ready; "": it is."""
    configuration_rejected: str
    """Why the last reload was refused, so that the previous configuration is still active; "": it was not."""
    failed_jobs: list[str]
    """Jobs on the database (forget, prune, vacuum) whose last run since its start failed: a sentence for each."""
    requests: int
    """Since it started."""
    requests_in_flight: int


class FleetDocument(StatusDocument):
    """The status document and its source."""

    source: str
    daemon: DaemonDocument | None
    """None: it does not run, or does not answer."""


@dataclass(frozen=True, slots=True)
class StatusService:
    """Makes the documents of a running daemon."""

    database: Database
    """Has the journal."""
    fleet: FleetState
    journal: JournalRecorder
    readiness: Callable[[], Readiness]
    started_at: datetime
    configuration_rejected: Callable[[], str]
    """Why the last reload was refused."""
    failed_jobs: Callable[[], list[str]]
    """As `BackgroundJobs.list_failures`."""

    async def get_fleet(self) -> FleetDocument:
        """All offices, and the daemon."""
        document = make_status_document(self.fleet.get_statuses(), self.fleet.now(), self.fleet.overview)
        return {**document, "source": DataSource.DAEMON.value, "daemon": self._build_daemon_document()}

    def get_members(self) -> FleetOverviewDocument:
        """The hosts of the fleet.

        Raises:
            CommandRejected: This daemon is no member of one.
        """
        if self.fleet.overview is None:
            raise CommandRejected(RejectionKind.CONFLICT, NO_FLEET, NO_FLEET_ADVICE)
        return make_overview_document(self.fleet.overview)

    async def get_office(self, office_id: str, entries_max: int) -> OfficeDetails:
        """One office with the last entries of its journal; none where the database cannot be read.

        Raises:
            CommandRejected: The daemon has no such office.
        """
        runtime = self.fleet.offices.get(office_id)
        if runtime is None:
            raise reject_unknown_office(office_id, self.fleet.offices)
        try:
            entries = await self.journal.read_tail(self.database, office_id, entries_max)
        except StoreError:
            entries = []
        return build_office_details(
            make_office_status(runtime),
            self.fleet.now(),
            DataSource.DAEMON,
            spec=runtime.spec,
            state=runtime.state,
            snapshot=runtime.snapshot,
            journal=entries,
            error_text=runtime.error_text,
        )

    def _build_daemon_document(self) -> DaemonDocument:
        readiness = self.readiness()
        return {
            "version": __version__,
            "pid": os.getpid(),
            "started_at": format_instant(self.started_at),
            "ready": readiness.ready,
            "reason": readiness.reason,
            "configuration_rejected": self.configuration_rejected(),
            "failed_jobs": self.failed_jobs(),
            "requests": self.fleet.requests,
            "requests_in_flight": self.fleet.in_flight,
        }
