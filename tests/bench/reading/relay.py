"""A relay that counts what passes through it."""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit, urlunsplit

import anyio
from anyio.abc import SocketAttribute, SocketStream

RECEIVE_BYTES = 262_144


@dataclass(slots=True)
class ByteMeter:
    """Bytes of HTTP in both directions, heads and bodies, without those of TCP."""

    sent: int = 0
    """By the clients."""
    received: int = 0


@asynccontextmanager
async def metered(base_url: str) -> AsyncIterator[tuple[str, ByteMeter]]:
    """A base URL that leads to the given one, and what has passed there."""
    parts, meter = urlsplit(base_url), ByteMeter()
    assert parts.hostname is not None
    assert parts.port is not None
    host, target_port = parts.hostname, parts.port

    async def serve_client(client: SocketStream) -> None:
        async with client, await anyio.connect_tcp(host, target_port) as server:
            server.extra(SocketAttribute.raw_socket).setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_pass_on, client, server, partial(_add_sent, meter), tasks.cancel_scope)
                await _pass_on(server, client, partial(_add_received, meter), tasks.cancel_scope)

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, serve_client)
        port = listener.extra(SocketAttribute.local_port)
        yield urlunsplit(parts._replace(netloc=f"127.0.0.1:{port}")), meter
        tasks.cancel_scope.cancel()


def _add_sent(meter: ByteMeter, size: int) -> None:
    meter.sent += size


def _add_received(meter: ByteMeter, size: int) -> None:
    meter.received += size


async def _pass_on(
    source: SocketStream, target: SocketStream, count: Callable[[int], None], connection: anyio.CancelScope
) -> None:
    with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
        while True:
            data = await source.receive(RECEIVE_BYTES)
            count(len(data))
            await target.send(data)
    connection.cancel()
