"""Serves a guarded application on a socket as one task among others.

The web server gets neither the process's signals nor its own logging: cancel the task to stop it; its messages go
through the standard library's logging.
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
"""For the responses in progress when the listener stops."""


class ListenError(Exception):
    """The listener cannot use its address; the message says why and what to do."""


async def serve(
    host: str,
    port: int,
    app: ASGIApp,
    *,
    allowed_hosts: Iterable[str] = (),
    limits: ConnectionLimits | None = None,
    task_status: anyio.abc.TaskStatus[tuple[str, int]] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app` until cancelled, then let the responses in progress end within `GRACE_SECONDS`.

    Args:
        host: An address or a name; the first address of a name is used.
        port: 0: any free port.
        app: The ASGI application; its lifespan is not run.
        allowed_hosts: Further hosts to answer to, normalized.
        limits: The limits of one client; None: the defaults.
        task_status: Started with the bound (host, port) as soon as connections are accepted.

    Raises:
        ListenError: The address cannot be used; before `task_status` is started.
    """
    listener = await _listen(host, port)
    with listener:
        address, bound_port = listener.getsockname()[:2]
        hosts = await resolve_allowed_hosts(host, allowed_hosts)
        task_status.started((address, bound_port))
        await serve_socket(listener, app, hosts, limits or ConnectionLimits())


async def serve_socket(listener: socket.socket, app: ASGIApp, hosts: AllowedHosts, limits: ConnectionLimits) -> None:
    """Serve on a listening socket, and close it at the end."""
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
        """Leave the signals to the daemon."""
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
    # Shielded: a cancellation would leave connections open; `should_exit` closes them.
    with anyio.CancelScope(shield=True), listener:
        await server.serve(sockets=[listener])
        if not server.should_exit:
            raise RuntimeError("the web server ended by itself")


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
            return "the host name cannot be resolved. Set an address of this machine in `[http] listen`."
        case OSError(errno=errno.EADDRINUSE):
            return (
                "the address is in use, perhaps by another oddaemon. "
                f"Find it with `ss -ltnp 'sport = :{port}'` and stop it, or set another port in `[http] listen`."
            )
        case OSError(errno=errno.EADDRNOTAVAIL):
            return "this machine has no such address. Set one that `ip address` lists in `[http] listen`."
        case OSError(errno=errno.EACCES):
            return "permission denied. Set a port of 1024 or above in `[http] listen`."
        case _:
            return f"{error}. The setting is `[http] listen`."
