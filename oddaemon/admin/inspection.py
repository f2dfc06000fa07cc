"""Read-only documents of the control socket: the fleet, one office with its journal, and the daemon itself."""

import os
from collections.abc import Callable
from enum import StrEnum
from typing import TypedDict

from oddaemon import __version__
from oddaemon.admin.commands import reject_unknown_office
from oddaemon.admin.office_details import OfficeContext, OfficeDetails, build_office_details
from oddaemon.core.reporting.formatting import format_instant
from oddaemon.core.reporting.status_document import StatusDocument, make_status_document
from oddaemon.engine.journal.recorder import JournalRecorder
from oddaemon.engine.offices.fleet_state import FleetState
from oddaemon.engine.offices.readiness import Readiness
from oddaemon.store import snapshots
from oddaemon.store.database import Database
from oddaemon.store.errors import StoreError


class DataSource(StrEnum):
    """Where a document comes from."""

    DAEMON = "daemon"
    DATABASE = "database"
    """As the daemon last wrote it."""


class DaemonDocument(TypedDict):
    """The process itself."""

    version: str
    pid: int
    started_at: str
    ready: bool
    reason: str
    """Why it is not ready; "": it is."""
    requests: int
    """Since it started."""
    requests_in_flight: int


class FleetDocument(StatusDocument):
    """The status document and its source."""

    source: str
    daemon: DaemonDocument | None
    """None: it does not run, or does not answer."""


class OfficeDetailsDocument(OfficeDetails):
    """One office and the document's source."""

    source: str


class StatusService:
    """Makes the documents of a running daemon. Create it when the daemon starts.

    Args:
        database: Has the snapshots and the journal.
        fleet: The state of each office.
        journal: Reads the journal of an office.
        readiness: Whether the daemon is ready.
    """

    def __init__(
        self, database: Database, fleet: FleetState, journal: JournalRecorder, readiness: Callable[[], Readiness]
    ) -> None:
        self._database = database
        self._fleet = fleet
        self._journal = journal
        self._readiness = readiness
        self._started_at = fleet.now()

    async def get_fleet(self) -> FleetDocument:
        """All offices, and the daemon."""
        document = make_status_document(self._fleet.get_statuses(), self._fleet.now())
        return {**document, "source": DataSource.DAEMON.value, "daemon": self._build_daemon_document()}

    async def get_office(self, office_id: str, entries: int) -> OfficeDetailsDocument:
        """One office with the last `entries` of its journal. What an unreadable database would add is left out.

        Raises:
            CommandRejected: The daemon has no such office.
        """
        runtime = self._fleet.offices.get(office_id)
        if runtime is None:
            raise reject_unknown_office(office_id, self._fleet.offices)
        context = OfficeContext(runtime.spec, runtime.state)
        try:
            snapshot = await snapshots.get_latest(self._database, office_id)
            journal = await self._journal.read_tail(self._database, office_id, entries)
        except StoreError:
            pass
        else:
            context = OfficeContext(runtime.spec, runtime.state, snapshot, journal)
        details = build_office_details(runtime.to_status(), context, self._fleet.now())
        return {**details, "source": DataSource.DAEMON.value}

    def _build_daemon_document(self) -> DaemonDocument:
        readiness = self._readiness()
        return {
            "version": __version__,
            "pid": os.getpid(),
            "started_at": format_instant(self._started_at),
            "ready": readiness.ready,
            "reason": readiness.reason,
            "requests": self._fleet.requests,
            "requests_in_flight": self._fleet.in_flight,
        }
