"""The client of the daemon's control socket: HTTP over a Unix socket, with the standard library alone.

It needs only the path of the socket, so it works even if the files of the offices are broken. Commands go to the
daemon first: its memory is the present, the database is what it last stored.
"""

import errno
import socket
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, RemoteDisconnected
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeVar, cast
from urllib.parse import quote, urlencode

import msgspec
import typer

from oddaemon.cli.output.exit import ExitStatus, fail
from oddaemon.settings import BadConfiguration, find_control_socket

COMMAND_TIMEOUT_SECONDS = 65.0
"""The daemon gives up after a minute, even on a reload of a whole fleet."""
QUERY_TIMEOUT_SECONDS = 10.0
"""The daemon answers queries from memory; if it takes longer, the database is quicker."""
RESPONSE_BYTES_MAX = 16_777_216
"""Status of a large fleet; other responses are a few kilobytes."""

T = TypeVar("T")


class ControlResponse(NamedTuple):
    """Status and document of the daemon's response."""

    status: int
    document: dict[str, Any]

    @property
    def error_message(self) -> str:
        """Why the daemon rejected the command, and what to do."""
        parts = (self.document.get("error"), self.document.get("advice"))
        return " ".join(str(part) for part in parts if part) or f"The daemon rejected the command (HTTP {self.status})."


class DaemonUnavailable(Exception):
    """The daemon gave no usable response.

    Attributes:
        reason: What happened, a clause without a full stop.
        advice: What to do, a clause as well; may be empty.
    """

    def __init__(self, reason: str, advice: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.advice = advice

    @property
    def message(self) -> str:
        """What happened and what to do."""
        return f"{self.reason}; {self.advice}" if self.advice else self.reason


class DaemonNotRunning(DaemonUnavailable):
    """No process listens on the control socket."""


class VersionMismatch(DaemonUnavailable):
    """The response is not one of this version's daemon."""

    def __init__(self, message: str = "the daemon on the control socket is a different version of oddaemon") -> None:
        super().__init__(message, "restart the daemon")


class ReceivedDocument(dict[str, Any]):
    """A document of the daemon. A field that is missing ends the command: the daemon is a different version."""

    def __missing__(self, name: str) -> NoReturn:
        raise fail(VersionMismatch().message)


class _UnixHttpConnection(HTTPConnection):
    def __init__(self, path: Path, timeout_seconds: float) -> None:
        super().__init__("localhost", timeout=timeout_seconds)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of a port."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def require_control_socket(config: Path) -> Path:
    """The control socket of a configuration; without one the command ends."""
    try:
        path = find_control_socket(config)
    except BadConfiguration as error:
        for problem in error.problems:
            typer.echo(str(problem), err=True)
        raise typer.Exit(ExitStatus.BAD_CONFIGURATION) from error
    if path is None:
        raise fail("the daemon has no control socket; set `[http] control_socket` and restart it")
    return path


def send(path: Path, method: str, target: str) -> ControlResponse:
    """Send a command.

    Raises:
        DaemonUnavailable: There is no response to it.
    """
    status, body = _exchange(path, method, target, COMMAND_TIMEOUT_SECONDS)
    try:
        document = _mark_received(msgspec.json.decode(body, type=dict[str, Any]))
    except msgspec.MsgspecError:
        raise VersionMismatch from None
    if status == HTTPStatus.OK and "outcome" not in document:
        raise VersionMismatch
    return ControlResponse(status, document)


def request(path: Path, method: str, target: str) -> ControlResponse:
    """Send a command; a problem other than a daemon that does not run ends the command.

    Raises:
        DaemonNotRunning: There is no daemon.
    """
    try:
        return send(path, method, target)
    except DaemonNotRunning:
        raise
    except DaemonUnavailable as error:
        raise fail(error.message) from None


def request_or_exit(path: Path, target: str, method: str = "POST") -> ControlResponse:
    """Send a command; without a response the command ends."""
    try:
        return request(path, method, target)
    except DaemonNotRunning as error:
        raise fail(error.message) from None


def request_document(path: Path, target: str, method: str = "POST") -> dict[str, Any]:
    """The document of a command that the daemon accepted; a rejection ends the command, too."""
    response = request_or_exit(path, target, method)
    if response.status != HTTPStatus.OK:
        raise fail(response.error_message)
    return response.document


def make_target(kind: str, name: str, *path: str, **parameters: object) -> str:
    """The target of a request about one office or sink, with parameters; a list repeats its parameter."""
    quoted = quote(name, safe="", errors="replace")
    query = urlencode(parameters, doseq=True)
    return "/".join(["", kind, quoted, *path]) + (f"?{query}" if query else "")


def fetch_document(config: Path, target: str, document_type: type[T]) -> T:
    """A document of the running daemon: validated, with fields that a newer daemon may add.

    Raises:
        DaemonUnavailable: There is none.
    """
    status, body = _fetch(config, target)
    try:
        document = msgspec.json.decode(body, type=dict[str, Any])
        if status != HTTPStatus.OK:
            raise DaemonUnavailable(str(document["error"]).rstrip("."))
        msgspec.convert(document, document_type)
    except (msgspec.MsgspecError, KeyError):
        raise VersionMismatch from None
    return cast("T", document)


def _mark_received(value: Any) -> Any:  # noqa: ANN401 - JSON
    match value:
        case dict():
            return ReceivedDocument({name: _mark_received(each) for name, each in value.items()})
        case list():
            return [_mark_received(each) for each in value]
    return value


def fetch_metrics(config: Path) -> str:
    """The metrics of the running daemon.

    Raises:
        DaemonUnavailable: There are none.
    """
    status, body = _fetch(config, "/metrics")
    if status != HTTPStatus.OK:
        raise VersionMismatch
    return body.decode(errors="replace")


def _fetch(config: Path, target: str) -> tuple[int, bytes]:
    try:
        path = find_control_socket(config)
    except BadConfiguration:
        raise DaemonUnavailable("the configuration does not say where the control socket is") from None
    if path is None:
        raise DaemonUnavailable("the daemon has no control socket")
    return _exchange(path, "GET", target, QUERY_TIMEOUT_SECONDS)


def _exchange(path: Path, method: str, target: str, timeout_seconds: float) -> tuple[int, bytes]:
    """Status and body of one request; every problem becomes a `DaemonUnavailable`."""
    connection = _UnixHttpConnection(path, timeout_seconds)
    try:
        connection.request(method, target)
        with connection.getresponse() as response:
            return response.status, response.read(RESPONSE_BYTES_MAX)
    except RemoteDisconnected:
        # A daemon that stops, or gives up, closes the connection; another program would do so less likely.
        raise _explain(path, ConnectionResetError(errno.ECONNRESET, "")) from None
    except HTTPException:
        raise VersionMismatch from None
    except OSError as error:
        raise _explain(path, error) from None
    finally:
        connection.close()


def _explain(path: Path, error: OSError) -> DaemonUnavailable:
    match error:
        case FileNotFoundError():
            return DaemonNotRunning(
                f"the daemon is not running: {path} does not exist", "start it, or name its own --config"
            )
        case ConnectionRefusedError():
            return DaemonNotRunning(f"the daemon is not running: nothing listens on {path}", "start it")
        case PermissionError():
            return DaemonUnavailable(
                f"this user may not use the control socket {path}", "run the command as the daemon's user, or as root"
            )
        case TimeoutError():
            return DaemonUnavailable(f"the daemon did not answer on {path}", "see its log, and `oddaemon status`")
        case ConnectionResetError():
            return DaemonUnavailable(
                f"the daemon closed the connection on {path} before it answered",
                "it stopped, or the command takes more than a minute and continues: see its log, and `oddaemon status`",
            )
    return DaemonUnavailable(f"cannot reach the daemon on {path}: {error.strerror or error}")
