"""What the control socket shows: the fleet, one office with its journal, and how the daemon itself is.

What can be looked at on the control socket: the fleet, one office with its journal, the metrics.

Nothing here changes anything. Documents are taken on the event loop; turning them into text happens in a thread.
"""

import json
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import TypedDict

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from oddaemon import __version__
from oddaemon.admin.office_details import OfficeContext, OfficeDetails, build_office_details
from oddaemon.core.reporting.status_document import StatusDocument, format_instant, make_status_document
from oddaemon.engine.journal.recorder import JournalRecorder
from oddaemon.engine.offices.fleet_state import FleetState
from oddaemon.store import snapshots
from oddaemon.store.database import Database
from oddaemon.store.errors import StoreError
from oddaemon.telemetry.metrics.office import OfficeMetricsSource
from oddaemon.telemetry.telemetry import Telemetry
from oddaemon.web.app import Readiness


class DataSource(StrEnum):
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


class OfficeDetailsDocument(OfficeDetails):
    """One office, with who told it."""

    source: str


class StatusService:
    """Looks at one daemon at work; made when it begins.

    Args:
        database: Where the snapshots and the journals are.
        fleet: How every office stands.
        journal: What happened to them.
        readiness: Whether the daemon does what it is there for.
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
        """Every office, and the daemon."""
        document = make_status_document(self._fleet.get_summaries(), self._fleet.now())
        return {**document, "source": DataSource.DAEMON.value, "daemon": self._describe_daemon()}

    async def get_office(self, office_id: str, entries: int) -> OfficeDetailsDocument | None:
        """One office with the last entries of its journal; None: there is none of this id.

        What a database that cannot be read would add is left out, rather than all.
        """
        runtime = self._fleet.offices.get(office_id)
        if runtime is None:
            return None
        context = OfficeContext(runtime.office, runtime.state)
        try:
            snapshot = await snapshots.get_latest(self._database, office_id)
            journal = await self._journal.read_tail(self._database, office_id, entries)
        except StoreError:
            pass
        else:
            context = OfficeContext(runtime.office, runtime.state, snapshot, journal)
        return {
            **build_office_details(runtime.to_summary(), context, self._fleet.now()),
            "source": DataSource.DAEMON.value,
        }

    def _describe_daemon(self) -> DaemonDocument:
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


JOURNAL_ENTRIES = 20
JOURNAL_ENTRIES_MAX = 10_000

Document = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class StatusHandlers:
    """Who knows what is asked for."""

    get_fleet: Callable[[], Awaitable[Document]]
    get_office: Callable[[str, int], Awaitable[Document | None]]
    """An office's id, and how many entries of its journal; None: there is none."""


def make_inspection_routes(
    handlers: StatusHandlers, telemetry: Telemetry, office_metrics: OfficeMetricsSource
) -> list[Route]:
    """`GET /status`, `GET /offices/ID?journal=N` and `GET /metrics`.

    Args:
        handlers: Makes the documents.
        telemetry: Renders the metrics, and redacts what the documents quote of other sides' messages.
        office_metrics: The figures of every office.
    """

    async def get_status(_request: Request) -> Response:
        return await _respond_json(telemetry, await handlers.get_fleet())

    async def get_office(request: Request) -> Response:
        office_id = request.path_params["office"]
        entries = _parse_entry_count(request.query_params.get("journal", ""))
        if entries is None:
            return _make_error(400, f"`journal` is a number of 0 to {JOURNAL_ENTRIES_MAX}.", "")
        document = await handlers.get_office(office_id, entries)
        if document is not None:
            return await _respond_json(telemetry, document)
        near = get_close_matches(office_id.casefold(), [each.office for each in office_metrics()], n=1)
        advice = f"Did you mean `{near[0]}`?" if near else "`oddaemon status` lists all offices."
        return _make_error(404, f"The daemon knows no office {office_id!r}.", advice)

    async def get_metrics(request: Request) -> Response:
        accept = request.headers.get("accept", "")
        scrape = await anyio.to_thread.run_sync(telemetry.render, office_metrics(), accept)
        return Response(scrape.body, headers={"content-type": scrape.content_type})

    return [Route("/status", get_status), Route("/offices/{office}", get_office), Route("/metrics", get_metrics)]


async def _respond_json(telemetry: Telemetry, document: Document) -> Response:
    def render() -> str:
        return telemetry.redact(json.dumps(document, ensure_ascii=False)) + "\n"

    return Response(await anyio.to_thread.run_sync(render), media_type="application/json")


def _parse_entry_count(text: str) -> int | None:
    if not text:
        return JOURNAL_ENTRIES
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(JOURNAL_ENTRIES_MAX)) else None
    return number if number is None or number <= JOURNAL_ENTRIES_MAX else None


def _make_error(status: int, sentence: str, advice: str) -> Response:
    return JSONResponse({"error": sentence, "advice": advice}, status)
