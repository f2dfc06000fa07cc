"""Refuses what no route is meant for, before any route sees it: another's host, a body, an endless target."""

from functools import partial

import anyio
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from oddaemon.http_server.allowed_hosts import AllowedHosts
from oddaemon.http_server.limits import ConnectionLimits
from oddaemon.http_server.security_headers import HEADERS


class RequestGuard:
    """Wraps an application; whoever is refused is told why in one line, and the connection ends.

    Once the listener is told to stop, an answer that asks whether its client is still there hears that it is not: a
    stream, which would go on for ever, ends at once, and all others are finished.
    """

    def __init__(self, app: ASGIApp, hosts: AllowedHosts, limits: ConnectionLimits, stopping: anyio.Event) -> None:
        self._app = app
        self._hosts = hosts
        self._limits = limits
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers as the application does, or refuses."""
        if (rejection := self._find_rejection(scope)) is None:
            await self._app(scope, partial(self._receive_until_stopped, receive), send)
            return
        status, sentence = rejection
        response = PlainTextResponse(f"{sentence}\n", status, {**HEADERS, "connection": "close"})
        await response(scope, receive, send)

    async def _receive_until_stopped(self, receive: Receive) -> Message:
        message: Message = {"type": "http.disconnect"}
        async with anyio.create_task_group() as tasks:

            async def forward() -> None:
                nonlocal message
                message = await receive()
                tasks.cancel_scope.cancel()

            tasks.start_soon(forward)
            await self._stopping.wait()
            tasks.cancel_scope.cancel()
        return message

    def _find_rejection(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        target_bytes = len(scope["raw_path"]) + len(scope["query_string"])
        head_bytes = target_bytes + sum(len(name) + len(value) for name, value in headers.raw)
        local_address = scope["server"][0] if scope["server"] else ""
        host = headers.get("host")
        if target_bytes > self._limits.target_bytes_max:
            return 414, "The address is too long."
        if head_bytes > self._limits.head_bytes_max:
            return 431, "The head of the request is too large."
        if not scope["raw_path"].startswith(b"/"):
            return 400, "This is no proxy: ask for a path, which begins with a slash."
        # A client of HTTP/1.0 may name no host; those of later versions that do not have been refused already.
        if host is not None and not self._hosts.is_allowed(host, local_address):
            return 421, "This is not the host that was asked for. If it should be, add that to `[http] allowed_hosts`."
        if headers.get("content-length", "0").strip("0") or "transfer-encoding" in headers:
            return 413, "No request here has a body."
        return None
