"""The HTTP API of the control socket: the only place where something can be changed.

The mode of the socket's file (0600) decides who may send commands: the daemon's own user and root. This module maps
paths to the services and rejections to status codes; it decides nothing else.
"""

import re
from collections.abc import Awaitable, Callable
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
from oddaemon.admin.commands import CommandRejected, Document, RejectionKind, reject_store_error
from oddaemon.admin.database_commands import DatabaseCommands
from oddaemon.admin.diagnostics_commands import DiagnosticJobs
from oddaemon.admin.inspection import StatusService
from oddaemon.admin.office_commands import CommandService
from oddaemon.admin.sink_commands import SinkCommands
from oddaemon.core.backfill.custom_sql import QUERY_LENGTH_MAX
from oddaemon.core.backfill.job import BackfillMethod, BackfillTarget
from oddaemon.core.office.state import OfficeCommand
from oddaemon.http_server.allowed_hosts import AllowedHosts
from oddaemon.http_server.limits import ConnectionLimits
from oddaemon.http_server.responses import respond_metrics, respond_redacted_json
from oddaemon.http_server.security_headers import SecurityHeadersMiddleware
from oddaemon.http_server.server import ListenError, serve_socket
from oddaemon.http_server.unix_socket import SocketError, get_uid, listen_privately
from oddaemon.store.errors import StoreError
from oddaemon.telemetry.metrics.office import OfficeStatusSource
from oddaemon.telemetry.telemetry import Telemetry

TARGET_BYTES_MAX = 12 * QUERY_LENGTH_MAX + 4096
"""A custom query travels in the request's target, where a character may become four times `%F0`."""
TIMEOUT_SECONDS = 60.0
"""For one response: a reload of a large fleet reads thousands of files."""
LIMITS = ConnectionLimits(TARGET_BYTES_MAX, 2 * TARGET_BYTES_MAX, TIMEOUT_SECONDS, connections_per_client_max=64)
"""All clients are one user."""

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

_BACKFILL = "/offices/{office:path}/backfill"

Handler = Callable[[Request], Awaitable[Document | str]]
"""Runs a command: its document, or only its outcome, a sentence."""


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

    async def get_office(request: Request) -> Response:
        entries = _parse_entry_count(request.query_params.get("journal", ""))
        document = await services.status.get_office(request.path_params["office"], entries)
        return await respond_redacted_json(telemetry, document)

    async def get_status(_request: Request) -> Response:
        return await respond_redacted_json(telemetry, await services.status.get_fleet())

    async def get_members(_request: Request) -> Response:
        return await respond_redacted_json(telemetry, services.status.get_members())

    async def get_metrics(request: Request) -> Response:
        return await respond_metrics(request, telemetry, office_metrics)

    app = Starlette(
        routes=[
            Route("/-/healthy", _get_healthy),
            *_make_command_routes(services),
            *_make_job_routes(services),
            Route("/status", get_status),
            Route("/fleet", get_members),
            Route("/offices/{office}", get_office),
            Route("/metrics", get_metrics),
        ],
        exception_handlers={
            CommandRejected: _handle_rejection,
            StoreError: _handle_store_error,
            HTTPException: _handle_unknown_path,
        },
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


def _make_command_routes(services: AdminServices) -> list[Route]:
    """The commands that are done when the response arrives."""
    commands, sinks = services.commands, services.sinks

    def make_office_handler(command: OfficeCommand) -> Handler:
        return lambda request: commands.run_office_command(command, _get_office(request), get_uid(request))

    async def reload(request: Request) -> Document:
        accept_removals = request.query_params.get("accept_removals") == "true"
        return await commands.reload(get_uid(request), accept_removals=accept_removals)

    return [
        *(_make_route("POST", f"/offices/{{office:path}}/{each}", make_office_handler(each)) for each in OfficeCommand),
        _make_route("POST", "/reload", reload),
        _make_route("GET", "/plan", lambda _: commands.preview_reload()),
        _make_route("POST", "/drain", lambda request: commands.drain(get_uid(request))),
        _make_route("POST", "/sinks/{sink}/retry", lambda request: sinks.retry(*_get_queue(request), get_uid(request))),
        _make_route("POST", "/sinks/{sink}/skip", lambda request: sinks.skip(*_get_queue(request), get_uid(request))),
    ]


def _make_job_routes(services: AdminServices) -> list[Route]:
    """The commands that start something long: `POST` starts it, `GET` returns its progress or result."""
    backfill, diagnostics, database = services.backfill, services.diagnostics, services.database

    async def cancel_backfill(request: Request) -> Document:
        return await backfill.cancel(_get_office(request), _parse_days(request), get_uid(request))

    def make_poll_handler(command: str) -> Handler:
        return lambda request: database.jobs.get_status(command, request.path_params.get("office", ""))

    forget, prune, vacuum = "/offices/{office:path}/forget", "/state/prune", "/state/vacuum"
    return [
        _make_route(
            "POST", _BACKFILL, lambda request: backfill.submit(_parse_backfill_targets(request), get_uid(request))
        ),
        _make_route("DELETE", _BACKFILL, cancel_backfill),
        _make_route("GET", "/backfills", lambda _: backfill.list_jobs()),
        _make_route(
            "POST",
            "/offices/{office:path}/examine",
            lambda request: diagnostics.start(_get_office(request), get_uid(request)),
        ),
        _make_route(
            "GET", "/offices/{office:path}/examination", lambda request: diagnostics.get_status(_get_office(request))
        ),
        _make_route("POST", forget, lambda request: database.forget(_get_office(request), get_uid(request))),
        _make_route("GET", forget, make_poll_handler("forget")),
        _make_route("POST", prune, lambda request: database.prune(_parse_number_of_days(request), get_uid(request))),
        _make_route("GET", prune, make_poll_handler("prune")),
        _make_route("POST", vacuum, lambda request: database.vacuum(get_uid(request))),
        _make_route("GET", vacuum, make_poll_handler("vacuum")),
    ]


def _make_route(method: str, path: str, handler: Handler) -> Route:
    async def endpoint(request: Request) -> Response:
        result = await handler(request)
        return JSONResponse({**request.path_params, "outcome": result} if isinstance(result, str) else result)

    return Route(path, endpoint, methods=[method])


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


async def _handle_store_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, StoreError)
    return await _handle_rejection(request, reject_store_error(error))


async def _handle_unknown_path(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    sentence = f"The daemon has no such command: {error.detail}."
    advice = "Check that `oddaemon --version` and the daemon's version are the same."
    return JSONResponse({"error": sentence, "advice": advice}, error.status_code, error.headers)


def _get_office(request: Request) -> str:
    return str(request.path_params["office"])


def _get_queue(request: Request) -> tuple[str, str | None]:
    """The sink, and the office if one is named."""
    return request.path_params["sink"], request.query_params.get("office") or None


def _parse_backfill_targets(request: Request) -> list[BackfillTarget]:
    office, via = _get_office(request), request.query_params.get("via", BackfillMethod.REPORT)
    days, query = _parse_days(request), request.query_params.get("query", "")
    if not days or via not in set(BackfillMethod):
        raise _reject_invalid_days()
    return [BackfillTarget(office, as_of, BackfillMethod(via), query) for as_of in days]


def _parse_days(request: Request) -> list[date]:
    """Each day once, in the order given."""
    try:
        return [date.fromisoformat(text) for text in dict.fromkeys(request.query_params.getlist("as_of"))]
    except ValueError:
        raise _reject_invalid_days() from None


def _reject_invalid_days() -> CommandRejected:
    sentence, advice = "`as_of` needs a day as yyyy-mm-dd.", "See `oddaemon backfill --help`."
    return CommandRejected(RejectionKind.INVALID_REQUEST, sentence, advice)


def _parse_number_of_days(request: Request) -> int | None:
    text = request.query_params.get("older_than_days", "")
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
