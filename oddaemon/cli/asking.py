"""HTTP over the daemon's control socket, with the standard library alone."""

import json
import socket
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple

TIMEOUT_SECONDS = 30.0
"""The daemon answers from memory; whatever takes longer will not come."""


DOCUMENT_BYTES_MAX = 65_536


class Reply(NamedTuple):
    """What the daemon answered."""

    status: int
    document: dict[str, Any]


class NoReplyError(Exception):
    """Something listens, but what it says is no answer of a daemon's."""


class _Connection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        """To the socket instead of to a port."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT_SECONDS)
        self.sock.connect(str(self._path))


def post(path: Path, target: str) -> Reply:
    """Give an order.

    Raises:
        OSError: Nobody answers at the socket, or this user may not ask there.
        NoReplyError: Somebody does, but no daemon.
    """
    connection = _Connection(path)
    try:
        connection.request("POST", target)
        with connection.getresponse() as answer:
            status, document = answer.status, json.loads(answer.read(DOCUMENT_BYTES_MAX))
    except (HTTPException, ValueError) as error:
        raise NoReplyError from error
    finally:
        connection.close()
    if not isinstance(document, dict) or (status == HTTPStatus.OK and "outcome" not in document):
        raise NoReplyError
    return Reply(status, document)
