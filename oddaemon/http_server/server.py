"""Serves an application on a socket as one task among others, and guards it.

The web server gets neither the process's signals nor its logging: stopping is cancelling the task, and what the server
has to say goes through the standard library's logging to whoever listens there.
"""

import errno
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import anyio
import anyio.abc
import uvicorn
from starlette.types import ASGIApp

from oddaemon.http_server.allowed_hosts import AllowedHosts, resolve_allowed_hosts
from oddaemon.http_server.limits import ConnectionLimits
from oddaemon.http_server.protocol import make_protocol
from oddaemon.http_server.request_guard import RequestGuard

BACKLOG_CONNECTIONS = 128

GRACE_SECONDS = 1
"""How long answers in the making may take to end once the listener is told to stop."""


class ListenError(Exception):
    """The address cannot be listened on; the message says why and what to do."""


async def serve(
    host: str,
    port: int,
    app: ASGIApp,
    *,
    allowed_hosts: Iterable[str] = (),
    limits: ConnectionLimits | None = None,
    task_status: anyio.abc.TaskStatus[tuple[str, int]] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Serves `app` until cancelled, then lets answers in the making end within `GRACE_SECONDS`.

    Args:
        host: an address or a name; of a name's addresses the first is taken.
        port: 0 takes any free one.
        app: the ASGI application; its lifespan is not run.
        allowed_hosts: for which hosts it answers besides its own, in one spelling.
        limits: what one client may take; None: the usual.
        task_status: told the bound (host, port) as soon as connections are accepted.

    Raises:
        ListenError: before `task_status` is told anything.
    """
    listener = await _listen(host, port)
    with listener:
        address, bound_port = listener.getsockname()[:2]
        hosts = await resolve_allowed_hosts(host, allowed_hosts)
        task_status.started((address, bound_port))
        await serve_socket(listener, app, hosts, limits or ConnectionLimits())


async def serve_socket(listener: socket.socket, app: ASGIApp, hosts: AllowedHosts, limits: ConnectionLimits) -> None:
    """The same on a socket that listens already; it is closed at the end."""
    stopping = anyio.Event()
    server = _Server(_make_config(RequestGuard(app, hosts, limits, stopping), limits))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_run, server, listener)
        try:
            await anyio.sleep_forever()
        finally:
            server.should_exit = True
            stopping.set()


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals to the daemon."""
        yield


def _make_config(app: ASGIApp, limits: ConnectionLimits) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=make_protocol(limits),
        h11_max_incomplete_event_size=limits.head_bytes_max,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


async def _run(server: uvicorn.Server, listener: socket.socket) -> None:
    # Shielded: cancelled in the middle it would leave connections open; `should_exit` ends it in good order.
    with anyio.CancelScope(shield=True), listener:
        await server.serve(sockets=[listener])


async def _listen(host: str, port: int) -> socket.socket:
    try:
        found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG_CONNECTIONS)
    except (OSError, UnicodeError) as error:
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise ListenError(f"Cannot listen on {place}: {_explain(error, port)}") from error


def _explain(error: OSError | UnicodeError, port: int) -> str:
    match error:
        case socket.gaierror() | UnicodeError():
            return "this host name is not known here. Set an address of this machine in `[http] listen`."
        case OSError(errno=errno.EADDRINUSE):
            return (
                "the address is in use, perhaps by another oddaemon. "
                f"`ss -ltnp 'sport = :{port}'` names the process; stop it, or set another port in `[http] listen`."
            )
        case OSError(errno=errno.EADDRNOTAVAIL):
            return "this machine has no such address. `ip address` lists those it has; set one in `[http] listen`."
        case OSError(errno=errno.EACCES):
            return "this user may not listen there. Set a port of 1024 or above in `[http] listen`."
        case _:
            return f"{error}. The setting is `[http] listen`."
