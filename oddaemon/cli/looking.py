"""What the running daemon says of itself on its control socket; where it says nothing, why.

Whoever reads asks the daemon first: its memory is the present, the database what it last wrote. Asking needs the
socket's path alone, so it works however broken the files of the offices are.
"""

from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from oddaemon.cli.asking import NoReplyError, fetch
from oddaemon.settings import BadConfiguration, control_socket

T = TypeVar("T")

PATIENCE_SECONDS = 10.0
"""It answers from memory; what takes longer is told by the database sooner."""
OF_ANOTHER_VERSION = "what answers on the daemon's socket is no oddaemon of this version"


class SilenceError(Exception):
    """The daemon says nothing; the message is why, as a clause."""


def look(config: Path, target: str, shape: type[T]) -> tuple[T, dict[str, Any]]:
    """A document of the running daemon: checked, and as it came, with what a newer daemon may add.

    Raises:
        SilenceError: There is none.
    """
    status, body = _fetched(config, target)
    try:
        whole = msgspec.json.decode(body, type=dict[str, Any])
        if status != HTTPStatus.OK:
            raise SilenceError(str(whole["error"]).rstrip("."))
        return msgspec.convert(whole, shape), whole
    except (msgspec.MsgspecError, KeyError):
        raise SilenceError(OF_ANOTHER_VERSION) from None


def metrics_text(config: Path) -> str:
    """The running daemon's metrics.

    Raises:
        SilenceError: There are none.
    """
    status, body = _fetched(config, "/metrics")
    if status != HTTPStatus.OK:
        raise SilenceError(OF_ANOTHER_VERSION)
    return body.decode(errors="replace")


def _fetched(config: Path, target: str) -> tuple[int, bytes]:
    try:
        path = control_socket(config)
    except BadConfiguration:
        raise SilenceError("the configuration does not tell where the daemon's socket is") from None
    if path is None:
        raise SilenceError("the daemon has no control socket")
    try:
        return fetch(path, "GET", target, PATIENCE_SECONDS)
    except (FileNotFoundError, ConnectionRefusedError):
        raise SilenceError(f"the daemon is not running: nobody answers at {path}") from None
    except PermissionError:
        raise SilenceError(f"this user may not ask the daemon at {path}") from None
    except TimeoutError:
        raise SilenceError(f"the daemon does not answer at {path}") from None
    except NoReplyError:
        raise SilenceError(OF_ANOTHER_VERSION) from None
    except OSError as error:
        raise SilenceError(f"the daemon cannot be reached at {path}: {error.strerror or error}") from None
