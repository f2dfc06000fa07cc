"""HTTP over the daemon's control socket, with the standard library alone."""

import errno
import json
import socket
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, RemoteDisconnected
from pathlib import Path
from typing import Any, NamedTuple

import typer

from oddaemon.cli.exit_status import ExitStatus
from oddaemon.cli.failing import failure
from oddaemon.settings import BadConfiguration, control_socket

TIMEOUT_SECONDS = 65.0
"""The daemon gives up after a minute, even where it has a whole fleet to read anew."""
DOCUMENT_BYTES_MAX = 16_777_216
"""A few kilobytes, but for what is told of every office of a large fleet."""


class Reply(NamedTuple):
    """What the daemon answered."""

    status: int
    document: dict[str, Any]

    @property
    def refusal(self) -> str:
        """Why nothing came of it, and what to do."""
        told = (self.document.get("error"), self.document.get("advice"))
        return " ".join(str(part) for part in told if part) or f"the daemon refused (HTTP {self.status})"


class NoReplyError(Exception):
    """Something listens, but what it says is no answer of a daemon's."""


class NotRunningError(Exception):
    """There is no daemon at the socket.

    Attributes:
        sentence: How that is known, and what to do.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class _Connection(HTTPConnection):
    def __init__(self, path: Path, timeout_seconds: float) -> None:
        super().__init__("localhost", timeout=timeout_seconds)
        self._path = path

    def connect(self) -> None:
        """To the socket instead of to a port."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask(path: Path, method: str, target: str) -> Reply:
    """Give an order at a socket.

    Raises:
        OSError: Nobody answers there, or this user may not ask.
        NoReplyError: Somebody does, but no daemon.
    """
    status, body = fetch(path, method, target, TIMEOUT_SECONDS)
    try:
        document = json.loads(body)
    except ValueError as error:
        raise NoReplyError from error
    if not isinstance(document, dict) or (status == HTTPStatus.OK and "outcome" not in document):
        raise NoReplyError
    return Reply(status, document)


def fetch(path: Path, method: str, target: str, timeout_seconds: float) -> tuple[int, bytes]:
    """Status and body of whatever is answered at a socket.

    Raises:
        OSError: Nobody answers there, or this user may not ask.
        NoReplyError: It is no HTTP.
    """
    connection = _Connection(path, timeout_seconds)
    try:
        connection.request(method, target)
        with connection.getresponse() as answer:
            return answer.status, answer.read(DOCUMENT_BYTES_MAX)
    except RemoteDisconnected as error:
        # A daemon that stops, or gives up, says no word; that it is another program's silence is less likely.
        raise ConnectionResetError(errno.ECONNRESET, "it ended the connection before it answered") from error
    except HTTPException as error:
        raise NoReplyError from error
    finally:
        connection.close()


def socket_of(config: Path) -> Path:
    """Where the daemon of this configuration takes orders; whatever keeps it from having a place ends the command."""
    try:
        path = control_socket(config)
    except BadConfiguration as error:
        for problem in error.problems:
            typer.echo(str(problem), err=True)
        raise typer.Exit(ExitStatus.BAD_CONFIGURATION) from error
    if path is None:
        raise failure("the daemon has no control socket; set `[http] control_socket` and restart it")
    return path


def order(path: Path, target: str, method: str = "POST") -> Reply:
    """The daemon's answer, whatever it is; that there is none ends the command, with what to do."""
    try:
        return reply_of(path, method, target)
    except NotRunningError as error:
        raise failure(error.sentence) from None


def reply_of(path: Path, method: str, target: str) -> Reply:
    """The daemon's answer, whatever it is; that none can be had ends the command, with what to do.

    Raises:
        NotRunningError: There is no daemon.
    """
    try:
        return ask(path, method, target)
    except FileNotFoundError:
        raise NotRunningError(
            f"the daemon is not running: there is no {path}; start it, or name its own --config"
        ) from None
    except ConnectionRefusedError:
        raise NotRunningError(f"the daemon is not running: nobody answers at {path}; start it") from None
    except PermissionError:
        raise failure(f"this user may not give orders at {path}; give them as the daemon's user, or as root") from None
    except TimeoutError:
        raise failure(f"the daemon does not answer at {path}; see its log, and `oddaemon status`") from None
    except ConnectionResetError:
        raise failure(
            f"the daemon at {path} ended the connection before it answered: it stopped, or was not done within a"
            " minute and goes on; see its log, and `oddaemon status`"
        ) from None
    except NoReplyError:
        raise failure(f"what answers at {path} is no oddaemon of this version; restart the daemon") from None
    except OSError as error:
        raise failure(f"the daemon cannot be reached at {path}: {error.strerror or error}") from error
