"""The HTTP API of the control socket: the only place where something can be changed.

The mode of the socket's file (0600) decides who may send commands: the daemon's own user and root. This module maps
paths to the services and rejections to status codes; it decides nothing else.
"""

import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from http import HTTPStatus
from pathlib import Path

import anyio
import anyio.abc
import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from oddaemon.admin.backfill_commands import BackfillCommands
from oddaemon.admin.commands import CommandRejected, RejectionKind
from oddaemon.admin.database_commands import DatabaseCommands
from oddaemon.admin.diagnostics_commands import DiagnosticJobs
from oddaemon.admin.inspection import StatusService
from oddaemon.admin.office_commands import CommandService, OfficeCommand
from oddaemon.admin.sink_commands import SinkCommands
from oddaemon.core.backfill.custom_sql import QUERY_LENGTH_MAX
from oddaemon.core.backfill.job import BackfillMethod, BackfillTarget
from oddaemon.http_server.allowed_hosts import AllowedHosts
from oddaemon.http_server.limits import ConnectionLimits
from oddaemon.http_server.responses import respond_metrics, respond_redacted_json
from oddaemon.http_server.security_headers import SecurityHeadersMiddleware
from oddaemon.http_server.server import ListenError, serve_socket
from oddaemon.http_server.unix_socket import SocketError, get_uid, listen_privately
from oddaemon.telemetry.metrics.office import OfficeStatusSource
from oddaemon.telemetry.telemetry import Telemetry

TARGET_BYTES_MAX = 12 * QUERY_LENGTH_MAX + 4096
"""A custom query travels in the request's target, where a character may become four times `%F0`."""
TIMEOUT_SECONDS = 60.0
"""For one response: a reload of a large fleet reads thousands of files."""
LIMITS = ConnectionLimits(TARGET_BYTES_MAX, 2 * TARGET_BYTES_MAX, TIMEOUT_SECONDS)

JOURNAL_ENTRIES = 20
JOURNAL_ENTRIES_MAX = 10_000

STATUS_CODES = {
    RejectionKind.INVALID_REQUEST: HTTPStatus.BAD_REQUEST,
    RejectionKind.NOT_FOUND: HTTPStatus.NOT_FOUND,
    RejectionKind.NO_WORKER: HTTPStatus.NOT_FOUND,
    RejectionKind.CONFLICT: HTTPStatus.CONFLICT,
    RejectionKind.NOTHING_TO_DO: HTTPStatus.CONFLICT,
    RejectionKind.BAD_CONFIGURATION: HTTPStatus.UNPROCESSABLE_ENTITY,
}
_DAYS = re.compile("[1-9][0-9]{0,4}")

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class AdminServices:
    """What the control socket offers."""

    commands: CommandService
    backfill: BackfillCommands
    diagnostics: DiagnosticJobs
    sinks: SinkCommands
    status: StatusService
    database: DatabaseCommands


def create_admin_app(services: AdminServices, telemetry: Telemetry, office_metrics: OfficeStatusSource) -> ASGIApp:
    """The application behind the control socket; `docs/contracts.md` has its paths and documents.

    Args:
        services: Run the commands and make the documents.
        telemetry: Renders the metrics, and redacts the documents that quote other systems' messages.
        office_metrics: The metrics of each office.
    """
    endpoints = _Endpoints(services, telemetry, office_metrics)
    app = Starlette(
        routes=[
            Route("/-/healthy", _get_healthy),
            *endpoints.make_command_routes(),
            *endpoints.make_job_routes(),
            Route("/status", endpoints.get_status),
            Route("/offices/{office}", endpoints.get_office),
            Route("/metrics", endpoints.get_metrics),
        ],
        exception_handlers={CommandRejected: _handle_rejection, HTTPException: _handle_unknown_path},
    )
    app.router.redirect_slashes = False
    return SecurityHeadersMiddleware(app)


async def serve_control(
    path: Path,
    app: ASGIApp,
    *,
    limits: ConnectionLimits | None = None,
    task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app` on a Unix socket until cancelled.

    Args:
        path: Where; a missing directory is created.
        app: What `create_admin_app` made.
        limits: The limits of one client; None: `LIMITS`.
        task_status: Started as soon as connections are accepted.

    Raises:
        ListenError: The socket cannot be created; before `task_status` is started.
    """
    try:
        private_socket = await anyio.to_thread.run_sync(listen_privately, path)
    except SocketError as error:
        raise ListenError(str(error)) from error
    try:
        task_status.started()
        await serve_socket(private_socket.listener, app, AllowedHosts(), limits or LIMITS)
    finally:
        private_socket.remove()


@dataclass(frozen=True, slots=True)
class _Endpoints:
    services: AdminServices
    telemetry: Telemetry
    office_metrics: OfficeStatusSource

    def make_command_routes(self) -> list[Route]:
        """The commands that are done when the response arrives."""
        return [
            *(
                Route(f"/offices/{{office:path}}/{command}", self._make_office_endpoint(command), methods=["POST"])
                for command in OfficeCommand
            ),
            Route("/reload", self.reload, methods=["POST"]),
            Route("/plan", self.preview_reload),
            Route("/drain", self.drain, methods=["POST"]),
            Route("/sinks/{sink}/retry", self.retry_sink, methods=["POST"]),
            Route("/sinks/{sink}/skip", self.skip_delivery, methods=["POST"]),
        ]

    def make_job_routes(self) -> list[Route]:
        """The commands that start something long: `POST` starts it, `GET` returns its progress or result."""
        return [
            Route("/offices/{office:path}/backfill", self.submit_backfill, methods=["POST"]),
            Route("/offices/{office:path}/backfill", self.cancel_backfill, methods=["DELETE"]),
            Route("/backfills", self.list_backfills),
            Route("/offices/{office:path}/examine", self.start_diagnosis, methods=["POST"]),
            Route("/offices/{office:path}/examination", self.get_diagnosis),
            Route("/offices/{office:path}/forget", self.forget, methods=["POST"]),
            Route("/offices/{office:path}/forget", self._make_job_endpoint("forget")),
            Route("/state/prune", self.prune, methods=["POST"]),
            Route("/state/prune", self._make_job_endpoint("prune")),
            Route("/state/vacuum", self.vacuum, methods=["POST"]),
            Route("/state/vacuum", self._make_job_endpoint("vacuum")),
        ]

    def _make_office_endpoint(self, command: OfficeCommand) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            office = request.path_params["office"]
            outcome = await self.services.commands.run_office_command(command, office, get_uid(request))
            return JSONResponse({"office": office, "outcome": outcome})

        return endpoint

    def _make_job_endpoint(self, command: str) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            office = request.path_params.get("office", "")
            return JSONResponse(await self.services.database.jobs.get_status(command, office))

        return endpoint

    async def reload(self, request: Request) -> Response:
        return JSONResponse(await self.services.commands.reload(get_uid(request)))

    async def preview_reload(self, _request: Request) -> Response:
        return JSONResponse(await self.services.commands.preview_reload())

    async def drain(self, request: Request) -> Response:
        return JSONResponse({"outcome": await self.services.commands.drain(get_uid(request))})

    async def retry_sink(self, request: Request) -> Response:
        sink, office = request.path_params["sink"], request.query_params.get("office") or None
        return JSONResponse(await self.services.sinks.retry(sink, office, get_uid(request)))

    async def skip_delivery(self, request: Request) -> Response:
        sink, office = request.path_params["sink"], request.query_params.get("office") or None
        return JSONResponse(await self.services.sinks.skip(sink, office, get_uid(request)))

    async def submit_backfill(self, request: Request) -> Response:
        query, office = request.query_params, request.path_params["office"]
        with _reject_invalid_days():
            days, via = _parse_days(request), BackfillMethod(query.get("via", BackfillMethod.REPORT))
            if not days:
                raise ValueError
        targets = [BackfillTarget(office, as_of, via, query.get("query", "")) for as_of in days]
        return JSONResponse(await self.services.backfill.submit(targets, get_uid(request)))

    async def cancel_backfill(self, request: Request) -> Response:
        with _reject_invalid_days():
            days = _parse_days(request)
        return JSONResponse(await self.services.backfill.cancel(request.path_params["office"], days, get_uid(request)))

    async def list_backfills(self, _request: Request) -> Response:
        return JSONResponse(await self.services.backfill.list_jobs())

    async def start_diagnosis(self, request: Request) -> Response:
        office = request.path_params["office"]
        outcome = await self.services.diagnostics.start(office, get_uid(request))
        return JSONResponse({"office": office, "outcome": outcome})

    async def get_diagnosis(self, request: Request) -> Response:
        return JSONResponse(await self.services.diagnostics.get_status(request.path_params["office"]))

    async def forget(self, request: Request) -> Response:
        office = request.path_params["office"]
        outcome = await self.services.database.forget(office, get_uid(request))
        return JSONResponse({"office": office, "outcome": outcome})

    async def prune(self, request: Request) -> Response:
        days = _parse_number_of_days(request.query_params.get("older_than_days", ""))
        return JSONResponse({"outcome": await self.services.database.prune(days, get_uid(request))})

    async def vacuum(self, request: Request) -> Response:
        return JSONResponse({"outcome": await self.services.database.vacuum(get_uid(request))})

    async def get_status(self, _request: Request) -> Response:
        return await respond_redacted_json(self.telemetry, await self.services.status.get_fleet())

    async def get_office(self, request: Request) -> Response:
        entries = _parse_entry_count(request.query_params.get("journal", ""))
        document = await self.services.status.get_office(request.path_params["office"], entries)
        return await respond_redacted_json(self.telemetry, document)

    async def get_metrics(self, request: Request) -> Response:
        return await respond_metrics(request, self.telemetry, self.office_metrics)


async def _get_healthy(_request: Request) -> Response:
    return JSONResponse({"healthy": True})


async def _handle_rejection(_request: Request, error: Exception) -> Response:
    assert isinstance(error, CommandRejected)
    document: dict[str, object] = {"error": error.sentence, "advice": error.advice}
    match error.kind:
        case RejectionKind.NOTHING_TO_DO:
            document["nothing_to_do"] = True
        case RejectionKind.NO_WORKER:
            document["worker_running"] = False
        case RejectionKind.BAD_CONFIGURATION:
            document["problems"] = error.problems
    return JSONResponse(document, STATUS_CODES[error.kind])


async def _handle_unknown_path(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    sentence = f"The daemon has no such command: {error.detail}."
    advice = "Check that `oddaemon --version` and the daemon's version are the same."
    return JSONResponse({"error": sentence, "advice": advice}, error.status_code, error.headers)


def _parse_days(request: Request) -> list[date]:
    """Each day once, in the order given."""
    return [date.fromisoformat(text) for text in dict.fromkeys(request.query_params.getlist("as_of"))]


@contextmanager
def _reject_invalid_days() -> Iterator[None]:
    try:
        yield
    except ValueError:
        sentence, advice = "`as_of` needs a day as yyyy-mm-dd.", "See `oddaemon backfill --help`."
        raise CommandRejected(RejectionKind.INVALID_REQUEST, sentence, advice) from None


def _parse_number_of_days(text: str) -> int | None:
    if text and not _DAYS.fullmatch(text):
        sentence = "`older_than_days` needs a number of days, at least 1."
        raise CommandRejected(RejectionKind.INVALID_REQUEST, sentence, "See `oddaemon state prune --help`.")
    return int(text) if text else None


def _parse_entry_count(text: str) -> int:
    if not text:
        return JOURNAL_ENTRIES
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(JOURNAL_ENTRIES_MAX))
    if not is_number or int(text) > JOURNAL_ENTRIES_MAX:
        sentence = f"`journal` needs a number from 0 to {JOURNAL_ENTRIES_MAX}."
        raise CommandRejected(RejectionKind.INVALID_REQUEST, sentence)
    return int(text)
