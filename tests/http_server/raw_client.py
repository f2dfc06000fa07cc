"""A client that says what it likes, at its own pace."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

import anyio
import anyio.abc
from starlette.types import ASGIApp

from oddaemon.http_server.limits import ConnectionLimits
from oddaemon.http_server.server import serve

TIMEOUT_SECONDS = 60.0
"""For what must happen, on a busy machine."""


class RawResponse(NamedTuple):
    status: int
    headers: dict[str, str]
    body: str


@asynccontextmanager
async def running_listener(
    app: ASGIApp, limits: ConnectionLimits | None = None, *, allowed_hosts: tuple[str, ...] = ()
) -> AsyncIterator[int]:
    """A real server; the port at which it listens."""

    async def run(*, task_status: anyio.abc.TaskStatus[tuple[str, int]]) -> None:
        await serve("127.0.0.1", 0, app, allowed_hosts=allowed_hosts, limits=limits, task_status=task_status)

    async with anyio.create_task_group() as tasks:
        _, port = await tasks.start(run)
        yield port
        tasks.cancel_scope.cancel()


async def read_to_end(stream: anyio.abc.SocketStream) -> bytes:
    """All that comes until the other side hangs up."""
    received = bytearray()
    with anyio.fail_after(TIMEOUT_SECONDS):
        try:
            async for chunk in stream:
                received += chunk
        except anyio.BrokenResourceError:
            pass  # a reset is an end, too
    return bytes(received)


async def send_and_read(port: int, *parts: bytes, hang_up: bool = False) -> bytes:
    """What a connection brings in all, until it is closed from the other side."""
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        try:
            for part in parts:
                await stream.send(part)
            if hang_up:
                await stream.send_eof()
        except anyio.BrokenResourceError:
            pass  # it was cut before all was said
        return await read_to_end(stream)


def make_request_head(*lines: str, target: str = "/-/healthy", method: str = "GET", version: str = "1.1") -> bytes:
    """A request's head; with `Connection: close`, so that the server hangs up."""
    head = [f"{method} {target} HTTP/{version}", *lines, "Connection: close"]
    return "\r\n".join([*head, "", ""]).encode("latin-1")


def parse_response(answer: bytes) -> RawResponse:
    """The one answer that came."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return RawResponse(int(first.split(" ")[1]), headers, body.decode())


async def open_idle_connections(stack: AsyncExitStack, port: int, count: int, first: bytes = b"") -> None:
    """Connections that say `first` and then nothing."""
    for _ in range(count):
        stream = await stack.enter_async_context(await anyio.connect_tcp("127.0.0.1", port))
        if first:
            await stream.send(first)
