"""The control socket: whatever changes something is asked for here, and nowhere else.

Who may give orders is decided by the socket's file alone, mode 0600: the daemon's own user, and root.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
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

from oddaemon.web.headers import CarefulHeaders
from oddaemon.web.hosts import OwnHosts
from oddaemon.web.limits import Limits
from oddaemon.web.server import ListenError, serve_socket
from oddaemon.web.unix_socket import SocketError, listen_privately


class OrderRefused(Exception):  # noqa: N818 - it says what happened to the order, as the answer does
    """An order that cannot be carried out."""

    def __init__(self, status: int, sentence: str, advice: str = "") -> None:
        """All of it is told to whoever gave the order.

        Args:
            status: 404 for an office that is not there, 409 for one with nothing to do.
            sentence: Why.
            advice: What to do instead.
        """
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.advice = advice


@dataclass(frozen=True, slots=True)
class Orders:
    """What can be asked of the daemon. Each takes an office's id and tells in a sentence what happens now.

    Raises `OrderRefused` for what cannot be done.
    """

    accept: Callable[[str], Awaitable[str]]
    """Believe what is held of an office as implausible."""


def create_control(orders: Orders) -> ASGIApp:
    """The application behind the control socket.

    `POST /offices/ID/accept` answers `{"office": ID, "outcome": SENTENCE}`; whatever is refused,
    `{"error": SENTENCE, "advice": SENTENCE}`.
    """

    async def accept(request: Request) -> Response:
        office = request.path_params["office"]
        return JSONResponse({"office": office, "outcome": await orders.accept(office)})

    app = Starlette(
        routes=[
            Route("/-/healthy", _healthy),
            Route("/offices/{office}/accept", accept, methods=["POST"]),
        ],
        exception_handlers={OrderRefused: _refused, HTTPException: _no_order},
    )
    app.router.redirect_slashes = False
    return CarefulHeaders(app)


async def serve_control(
    path: Path,
    app: ASGIApp,
    *,
    limits: Limits | None = None,
    task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app` on a Unix socket until cancelled.

    Args:
        path: Where; its directory is made if it is missing.
        app: What `create_control` made.
        limits: What one client may take; None: the usual.
        task_status: Told as soon as connections are accepted.

    Raises:
        ListenError: No socket can be made there; before `task_status` is told anything.
    """
    try:
        private = await anyio.to_thread.run_sync(listen_privately, path)
    except SocketError as error:
        raise ListenError(str(error)) from error
    try:
        task_status.started()
        await serve_socket(private.listener, app, OwnHosts(), limits or Limits())
    finally:
        private.remove()


async def _healthy(_request: Request) -> Response:
    return JSONResponse({"healthy": True})


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, OrderRefused)
    return JSONResponse({"error": error.sentence, "advice": error.advice}, error.status)


async def _no_order(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    body = {"error": f"There is no such order: {error.detail}.", "advice": "Is this command of the daemon's version?"}
    return JSONResponse(body, error.status_code, error.headers)
