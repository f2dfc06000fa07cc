"""Servers on loopback that say anything, and the client that asks them."""

import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSListener

from oddaemon.core.failures.failure import Failure
from oddaemon.opendental.client import Limits
from tests.opendental.client_harness import ClientHarness, get_query_failure, make_harness

LONG_TIMEOUT = Limits(connect_timeout_seconds=60.0, request_timeout_seconds=60.0, max_response_bytes=2_000_000)
SHORT_TIMEOUT = Limits(connect_timeout_seconds=60.0, request_timeout_seconds=0.05, max_response_bytes=2_000_000)


def connect_to(
    port: int, limits: Limits = LONG_TIMEOUT, scheme: str = "http", host: str = "127.0.0.1"
) -> ClientHarness:
    return make_harness(base_url=f"{scheme}://{host}:{port}/api/v1", limits=limits)


async def get_failure_at(port: int, limits: Limits = LONG_TIMEOUT, scheme: str = "http") -> Failure:
    async with connect_to(port, limits, scheme).office.session() as session:
        return await get_query_failure(session)


@asynccontextmanager
async def loopback_server(
    handle: Callable[[ByteStream], Awaitable[None]], tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """A server that says whatever `talk` sends on each connection, then hangs up."""

    async def handle_connection(stream: ByteStream) -> None:
        try:
            async with stream:
                await handle(stream)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
            pass  # the client hung up first

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", family=socket.AF_INET)
    port: int = listener.extra(SocketAttribute.local_port)
    serving = TLSListener(listener, tls, standard_compatible=False) if tls else listener
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(serving.serve, handle_connection)
        yield port
        tasks.cancel_scope.cancel()


def make_head(status: str = "200 OK", *lines: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("latin-1")


def respond_with(*sent: bytes) -> Callable[[ByteStream], Awaitable[None]]:
    async def handle(stream: ByteStream) -> None:
        await stream.receive()
        for part in sent:
            await stream.send(part)

    return handle


def respond_with_body(body: bytes, status: str = "200 OK", *lines: str) -> Callable[[ByteStream], Awaitable[None]]:
    return respond_with(make_head(status, f"Content-Length: {len(body)}", *lines) + body)
