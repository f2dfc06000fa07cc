"""HTTP over the daemon's control socket, with the standard library alone.

What works on the database's file: done by ourselves or, while a daemon has it open, by the daemon.

What the running daemon says of itself on its control socket; where it says nothing, why.

Whoever reads asks the daemon first: its memory is the present, the database what it last wrote. Asking needs the
socket's path alone, so it works however broken the files of the offices are.
"""

import errno
import json
import socket
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, RemoteDisconnected
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import anyio
import anyio.to_thread
import msgspec
import typer

from oddaemon.cli.output.exit import ExitStatus, fail
from oddaemon.settings import BadConfiguration, find_control_socket
from oddaemon.store.errors import DatabaseLocked

COMMAND_TIMEOUT_SECONDS = 65.0
"""The daemon gives up after a minute, even where it has a whole fleet to read anew."""
DOCUMENT_BYTES_MAX = 16_777_216
"""A few kilobytes, but for what is told of every office of a large fleet."""


class ControlResponse(NamedTuple):
    """What the daemon answered."""

    status: int
    document: dict[str, Any]

    @property
    def error_message(self) -> str:
        """Why nothing came of it, and what to do."""
        parts = (self.document.get("error"), self.document.get("advice"))
        return " ".join(str(part) for part in parts if part) or f"the daemon refused (HTTP {self.status})"


class InvalidResponse(Exception):
    """Something listens, but what it says is no answer of a daemon's."""


class DaemonNotRunning(Exception):
    """There is no daemon at the socket.

    Attributes:
        message: How that is known, and what to do.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class _UnixHttpConnection(HTTPConnection):
    def __init__(self, path: Path, timeout_seconds: float) -> None:
        super().__init__("localhost", timeout=timeout_seconds)
        self._path = path

    def connect(self) -> None:
        """To the socket instead of to a port."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def send(path: Path, method: str, target: str) -> ControlResponse:
    """Give an order at a socket.

    Raises:
        OSError: Nobody answers there, or this user may not ask.
        NoReplyError: Somebody does, but no daemon.
    """
    status, body = fetch(path, method, target, COMMAND_TIMEOUT_SECONDS)
    try:
        document = json.loads(body)
    except ValueError as error:
        raise InvalidResponse from error
    if not isinstance(document, dict) or (status == HTTPStatus.OK and "outcome" not in document):
        raise InvalidResponse
    return ControlResponse(status, document)


def fetch(path: Path, method: str, target: str, timeout_seconds: float) -> tuple[int, bytes]:
    """Status and body of whatever is answered at a socket.

    Raises:
        OSError: Nobody answers there, or this user may not ask.
        NoReplyError: It is no HTTP.
    """
    connection = _UnixHttpConnection(path, timeout_seconds)
    try:
        connection.request(method, target)
        with connection.getresponse() as response:
            return response.status, response.read(DOCUMENT_BYTES_MAX)
    except RemoteDisconnected as error:
        # A daemon that stops, or gives up, says no word; that it is another program's silence is less likely.
        raise ConnectionResetError(errno.ECONNRESET, "it ended the connection before it answered") from error
    except HTTPException as error:
        raise InvalidResponse from error
    finally:
        connection.close()


def require_control_socket(config: Path) -> Path:
    """Where the daemon of this configuration takes orders; whatever keeps it from having a place ends the command."""
    try:
        path = find_control_socket(config)
    except BadConfiguration as error:
        for problem in error.problems:
            typer.echo(str(problem), err=True)
        raise typer.Exit(ExitStatus.BAD_CONFIGURATION) from error
    if path is None:
        raise fail("the daemon has no control socket; set `[http] control_socket` and restart it")
    return path


def request_or_exit(path: Path, target: str, method: str = "POST") -> ControlResponse:
    """The daemon's answer, whatever it is; that there is none ends the command, with what to do."""
    try:
        return request(path, method, target)
    except DaemonNotRunning as error:
        raise fail(error.message) from None


def request(path: Path, method: str, target: str) -> ControlResponse:
    """The daemon's answer, whatever it is; that none can be had ends the command, with what to do.

    Raises:
        NotRunningError: There is no daemon.
    """
    try:
        return send(path, method, target)
    except FileNotFoundError:
        raise DaemonNotRunning(
            f"the daemon is not running: there is no {path}; start it, or name its own --config"
        ) from None
    except ConnectionRefusedError:
        raise DaemonNotRunning(f"the daemon is not running: nobody answers at {path}; start it") from None
    except PermissionError:
        raise fail(f"this user may not give orders at {path}; give them as the daemon's user, or as root") from None
    except TimeoutError:
        raise fail(f"the daemon does not answer at {path}; see its log, and `oddaemon status`") from None
    except ConnectionResetError:
        raise fail(
            f"the daemon at {path} ended the connection before it answered: it stopped, or was not done within a"
            " minute and goes on; see its log, and `oddaemon status`"
        ) from None
    except InvalidResponse:
        raise fail(f"what answers at {path} is no oddaemon of this version; restart the daemon") from None
    except OSError as error:
        raise fail(f"the daemon cannot be reached at {path}: {error.strerror or error}") from error


POLL_INTERVAL_SECONDS = 0.5
"""Between two looks whether the daemon is done."""

Document = dict[str, Any]


async def run_in_daemon(locked: DatabaseLocked, config: Path, target: str, query: str = "") -> Document:
    """What the daemon that holds the database did, once it is done; whatever is in the way ends the command.

    Ctrl-C leaves it to the daemon.

    Args:
        locked: That somebody does.
        config: Says where the daemon takes orders.
        target: The order's path at the control socket, where it is given and looked at.
        query: What is given with it: "?older_than_days=90".
    """
    socket = await anyio.to_thread.run_sync(require_control_socket, config)
    try:
        started = await _request_document(socket, "POST", target + query)
    except DaemonNotRunning:
        raise fail(
            f"{locked.what} It alone writes to its database, and nobody takes orders at {socket}: stop it, run this "
            "again, and start it (systemctl stop oddaemon; ...; systemctl start oddaemon)."
        ) from None
    typer.echo(f"The daemon has the database open. {started['outcome']}", err=True)
    try:
        while True:
            result: Document | None = (await _request_document(socket, "GET", target))["result"]
            if result is not None:
                return result
            await anyio.sleep(POLL_INTERVAL_SECONDS)
    except DaemonNotRunning:
        raise fail("The daemon was stopped, and what was not done yet was broken off: run this again.") from None


async def _request_document(socket: Path, method: str, target: str) -> Document:
    response: ControlResponse = await anyio.to_thread.run_sync(request, socket, method, target, abandon_on_cancel=True)
    if response.status != HTTPStatus.OK:
        raise fail(response.error_message)
    return response.document


T = TypeVar("T")

QUERY_TIMEOUT_SECONDS = 10.0
"""It answers from memory; what takes longer is told by the database sooner."""
VERSION_MISMATCH = "what answers on the daemon's socket is no oddaemon of this version"


class DaemonUnavailable(Exception):
    """The daemon says nothing; the message is why, as a clause."""


def fetch_document(config: Path, target: str, document_type: type[T]) -> tuple[T, dict[str, Any]]:
    """A document of the running daemon: checked, and as it came, with what a newer daemon may add.

    Raises:
        SilenceError: There is none.
    """
    status, body = _get(config, target)
    try:
        document = msgspec.json.decode(body, type=dict[str, Any])
        if status != HTTPStatus.OK:
            raise DaemonUnavailable(str(document["error"]).rstrip("."))
        return msgspec.convert(document, document_type), document
    except (msgspec.MsgspecError, KeyError):
        raise DaemonUnavailable(VERSION_MISMATCH) from None


def fetch_metrics(config: Path) -> str:
    """The running daemon's metrics.

    Raises:
        SilenceError: There are none.
    """
    status, body = _get(config, "/metrics")
    if status != HTTPStatus.OK:
        raise DaemonUnavailable(VERSION_MISMATCH)
    return body.decode(errors="replace")


def _get(config: Path, target: str) -> tuple[int, bytes]:
    try:
        path = find_control_socket(config)
    except BadConfiguration:
        raise DaemonUnavailable("the configuration does not tell where the daemon's socket is") from None
    if path is None:
        raise DaemonUnavailable("the daemon has no control socket")
    try:
        return fetch(path, "GET", target, QUERY_TIMEOUT_SECONDS)
    except (FileNotFoundError, ConnectionRefusedError):
        raise DaemonUnavailable(f"the daemon is not running: nobody answers at {path}") from None
    except PermissionError:
        raise DaemonUnavailable(f"this user may not ask the daemon at {path}") from None
    except TimeoutError:
        raise DaemonUnavailable(f"the daemon does not answer at {path}") from None
    except InvalidResponse:
        raise DaemonUnavailable(VERSION_MISMATCH) from None
    except OSError as error:
        raise DaemonUnavailable(f"the daemon cannot be reached at {path}: {error.strerror or error}") from None
