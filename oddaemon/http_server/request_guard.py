"""Rejects requests that no route accepts (a foreign host, a body, an overlong target), and a client's surplus ones."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import anyio
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from oddaemon.core.client_network import find_client_network
from oddaemon.http_server.allowed_hosts import AllowedHosts
from oddaemon.http_server.limits import ConnectionLimits
from oddaemon.http_server.security_headers import HEADERS


class RequestGuard:
    """Wraps an application. A rejected request gets one line of explanation, and its connection is closed.

    When the listener stops, a response that asks whether its client is still connected hears that it is not: a stream,
    which would go on for ever, ends at once; all other responses are completed.
    """

    def __init__(self, app: ASGIApp, hosts: AllowedHosts, limits: ConnectionLimits, stopping: anyio.Event) -> None:
        self._app = app
        self._hosts = hosts
        self._limits = limits
        self._stopping = stopping
        self._requests: Counter[str] = Counter()
        self._monitoring_requests: Counter[str] = Counter()
        """In progress, by client."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request to the application, or reject it."""
        in_progress, requests_max = self._requests, self._limits.requests_max
        if scope["path"].startswith(self._limits.monitoring_paths):
            in_progress, requests_max = self._monitoring_requests, self._limits.connections_max
        client = find_client_network(scope["client"][0]) if scope["client"] else ""
        rejection = self._find_rejection(scope)
        if rejection is None and in_progress[client] >= self._limits.connections_per_client_max:
            rejection = 503, "This address has too many requests in progress. Try again later."
        if rejection is None and in_progress.total() >= requests_max:
            rejection = 503, "Too many requests are in progress. Try again later."
        if rejection is None:
            with _count(in_progress, client):
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
            return 414, "The request target is too long."
        if head_bytes > self._limits.head_bytes_max:
            return 431, "The request headers are too large."
        if not scope["raw_path"].startswith(b"/"):
            return 400, "This is not a proxy: request a path that begins with a slash."
        # An HTTP/1.0 client may omit the host; the web server rejects later versions without one.
        if host is not None and not self._hosts.is_allowed(host, local_address):
            return (
                421,
                "This listener does not answer to the requested host. To allow it, add it to `[http] allowed_hosts`.",
            )
        if headers.get("content-length", "0").strip("0") or "transfer-encoding" in headers:
            return 413, "Requests must not have a body."
        return None


@contextmanager
def _count(in_progress: Counter[str], client: str) -> Iterator[None]:
    in_progress[client] += 1
    try:
        yield
    finally:
        in_progress[client] -= 1
        if not in_progress[client]:
            del in_progress[client]
