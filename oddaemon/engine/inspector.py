"""What the control socket shows: the fleet, one office with its journal, and how the daemon itself is."""

import os
from collections.abc import Callable
from enum import StrEnum
from typing import TypedDict

from oddaemon import __version__
from oddaemon.core.status import StatusDocument, instant, status_document
from oddaemon.engine.details import Background, OfficeDetails, office_details
from oddaemon.engine.fleet import Fleet
from oddaemon.engine.journal import Journal
from oddaemon.store import snapshots
from oddaemon.store.database import Database
from oddaemon.store.errors import StoreError
from oddaemon.web.app import Readiness


class Source(StrEnum):
    """Who told a document."""

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
    """Why it is not ready; empty if it is."""
    requests: int
    """Since it started."""
    requests_in_flight: int


class FleetDocument(StatusDocument):
    """The status document, with who told it."""

    source: str
    daemon: DaemonDocument | None
    """None: it is not running, or does not answer."""


class ToldDetails(OfficeDetails):
    """One office, with who told it."""

    source: str


class Inspector:
    """Looks at one daemon at work; made when it begins.

    Args:
        database: Where the snapshots and the journals are.
        fleet: How every office stands.
        journal: What happened to them.
        readiness: Whether the daemon does what it is there for.
    """

    def __init__(self, database: Database, fleet: Fleet, journal: Journal, readiness: Callable[[], Readiness]) -> None:
        self._database = database
        self._fleet = fleet
        self._journal = journal
        self._readiness = readiness
        self._started_at = fleet.now()

    async def fleet(self) -> FleetDocument:
        """Every office, and the daemon."""
        document = status_document(self._fleet.statuses(), self._fleet.now())
        return {**document, "source": Source.DAEMON.value, "daemon": self._daemon()}

    async def office(self, office_id: str, entries: int) -> ToldDetails | None:
        """One office with the last entries of its journal; None: there is none of this id.

        What a database that cannot be read would add is left out, rather than all.
        """
        view = self._fleet.views.get(office_id)
        if view is None:
            return None
        background = Background(view.office, view.state)
        try:
            snapshot = await snapshots.latest(self._database, office_id)
            journal = await self._journal.tail(self._database, office_id, entries)
        except StoreError:
            pass
        else:
            background = Background(view.office, view.state, snapshot, journal)
        return {**office_details(view.status(), background, self._fleet.now()), "source": Source.DAEMON.value}

    def _daemon(self) -> DaemonDocument:
        readiness = self._readiness()
        return {
            "version": __version__,
            "pid": os.getpid(),
            "started_at": instant(self._started_at),
            "ready": readiness.ready,
            "reason": readiness.reason,
            "requests": self._fleet.requests,
            "requests_in_flight": self._fleet.in_flight,
        }
