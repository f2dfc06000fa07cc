"""The control socket: whatever changes something is asked for here, and nowhere else.

Who may give orders is decided by the socket's file alone, mode 0600: the daemon's own user, and root. What an order
does is the engine's affair; here are its address, its answer, and who gave it.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from oddaemon.core.backfill.custom_sql import QUERY_LENGTH_MAX
from oddaemon.http_server.allowed_hosts import AllowedHosts
from oddaemon.http_server.limits import ConnectionLimits
from oddaemon.http_server.security_headers import SecurityHeadersMiddleware
from oddaemon.http_server.server import ListenError, serve_socket
from oddaemon.http_server.unix_socket import SocketError, get_uid, listen_privately

TARGET_BYTES_MAX = 12 * QUERY_LENGTH_MAX + 4096
"""An operator's query travels in a request's target, where a character may become four times `%F0`."""
TIMEOUT_SECONDS = 60.0
"""For the making of an answer: a reload of a large fleet reads thousands of files."""

LIMITS = ConnectionLimits(TARGET_BYTES_MAX, 2 * TARGET_BYTES_MAX, TIMEOUT_SECONDS)

Document = Mapping[str, Any]


class OfficeCommand(StrEnum):
    """What can be asked about one office."""

    ACCEPT = "accept"
    """Believe what is held of it as implausible."""
    PAUSE = "pause"
    """Leave it alone from now on."""
    RESUME = "resume"
    """Watch it again after a pause."""
    SYNC = "sync"
    """Ask it at once."""


class CommandRejected(Exception):
    """An order that cannot be carried out."""

    def __init__(self, status: int, sentence: str, advice: str = "", extra: Document | None = None) -> None:
        """All of it is told to whoever gave the order.

        Args:
            status: 404 for an office that is not there, 409 where there is nothing to do, 422 for a bad configuration.
            sentence: Why.
            advice: What to do instead.
            extra: What stands beside the two in the answer.
        """
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.advice = advice
        self.extra = extra or {}


class CommandNoOp(CommandRejected):
    """An order for what is so already; whoever ordered it of many at once has what they want."""

    def __init__(self, sentence: str, advice: str = "") -> None:
        super().__init__(HTTPStatus.CONFLICT, sentence, advice, {"nothing_to_do": True})


@dataclass(frozen=True, slots=True)
class CommandHandlers:
    """What can be asked of the daemon. Each raises `CommandRejected` for what cannot be done.

    The number that each takes at last is the uid of the user who asks; None: the system does not tell.
    """

    run_office_command: Callable[[OfficeCommand, str, int | None], Awaitable[str]]
    """About the office of this id; tells in a sentence what happens now."""
    reload: Callable[[int | None], Awaitable[Document]]
    """Read the configuration again and apply it whole; tells the plan that was carried out."""
    preview_reload: Callable[[], Awaitable[Document]]
    """What a reload would do now; it is not done."""
    drain: Callable[[int | None], Awaitable[str]]
    """End in good order; tells in a sentence what happens now."""


def create_control_app(handlers: CommandHandlers, extra_routes: Sequence[Route] = ()) -> ASGIApp:
    """The application behind the control socket.

    `POST /offices/ID/accept|pause|resume|sync` answers `{"office": ID, "outcome": SENTENCE}`, `POST /drain`
    `{"outcome": SENTENCE}`, `POST /reload` and `GET /plan` `{"outcome": SENTENCE, "plan": {…}, "warnings": […]}`;
    whatever is refused, `{"error": SENTENCE, "advice": SENTENCE}`, a bad configuration (422) with its `problems`, what
    is so already (409) with `"nothing_to_do": true`.

    Args:
        handlers: What the daemon obeys.
        extra_routes: Routes of other rooms.
    """

    def make_office_endpoint(command: OfficeCommand) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            office = request.path_params["office"]
            return JSONResponse(
                {"office": office, "outcome": await handlers.run_office_command(command, office, get_uid(request))}
            )

        return endpoint

    async def reload(request: Request) -> Response:
        return JSONResponse(await handlers.reload(get_uid(request)))

    async def preview_reload(_request: Request) -> Response:
        return JSONResponse(await handlers.preview_reload())

    async def drain(request: Request) -> Response:
        return JSONResponse({"outcome": await handlers.drain(get_uid(request))})

    app = Starlette(
        routes=[
            Route("/-/healthy", _get_healthy),
            *(
                Route(f"/offices/{{office:path}}/{order}", make_office_endpoint(order), methods=["POST"])
                for order in OfficeCommand
            ),
            Route("/reload", reload, methods=["POST"]),
            Route("/plan", preview_reload),
            Route("/drain", drain, methods=["POST"]),
            *extra_routes,
        ],
        exception_handlers={CommandRejected: _handle_rejection, HTTPException: _handle_unknown_command},
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
        path: Where; its directory is made if it is missing.
        app: What `create_control_app` made.
        limits: What one client may take; None: the usual, with the patience that a reload needs.
        task_status: Told as soon as connections are accepted.

    Raises:
        ListenError: No socket can be made there; before `task_status` is told anything.
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


async def _get_healthy(_request: Request) -> Response:
    return JSONResponse({"healthy": True})


async def _handle_rejection(_request: Request, error: Exception) -> Response:
    assert isinstance(error, CommandRejected)
    return JSONResponse({"error": error.sentence, "advice": error.advice, **error.extra}, error.status)


async def _handle_unknown_command(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    body = {"error": f"There is no such order: {error.detail}.", "advice": "Is this command of the daemon's version?"}
    return JSONResponse(body, error.status_code, error.headers)
