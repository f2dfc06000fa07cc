"""Ways to a server that the test can cut."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.abc
import anyio.to_thread
from anyio.abc import ByteStream

from tests.postgres_server import PostgresServer


async def forward_connection(server: PostgresServer, client: ByteStream) -> None:
    """A connection of any kind, led to the server's socket."""

    async def forward(source: ByteStream, target: ByteStream) -> None:
        async for chunk in source:
            await target.send(chunk)

    async with client, await anyio.connect_unix(server.socket) as upstream, anyio.create_task_group() as tasks:
        tasks.start_soon(_ignore_disconnects, lambda: forward(upstream, client))
        await _ignore_disconnects(lambda: forward(client, upstream))
        tasks.cancel_scope.cancel()


async def forward_until_cut(
    server: PostgresServer,
    directory: Path,
    bytes_max: int,
    cut: anyio.Event,
    *,
    task_status: anyio.abc.TaskStatus[None],
) -> None:
    """A way to the server that is cut, and the server killed, once this number of bytes went to it.

    Args:
        server: where to.
        directory: where the way begins.
        bytes_max: how many go through.
        cut: set when it was.
        task_status: started when a client can connect.
    """
    listener = await anyio.create_unix_listener(directory / ".s.PGSQL.5432")
    left = bytes_max

    async def forward(source: ByteStream, target: ByteStream, *, counted: bool) -> None:
        nonlocal left
        async for chunk in source:
            if counted:
                left -= len(chunk)
            if left < 0 and not cut.is_set():
                cut.set()
                await anyio.to_thread.run_sync(server.kill)
            if left < 0:
                return
            await target.send(chunk)

    async def connection(client: ByteStream) -> None:
        async with client, await anyio.connect_unix(server.socket) as upstream, anyio.create_task_group() as tasks:
            tasks.start_soon(_ignore_disconnects, lambda: forward(upstream, client, counted=False))
            await _ignore_disconnects(lambda: forward(client, upstream, counted=True))
            tasks.cancel_scope.cancel()

    async with listener:
        task_status.started()
        await listener.serve(connection)


async def _ignore_disconnects(forward: Callable[[], Awaitable[None]]) -> None:
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        await forward()
