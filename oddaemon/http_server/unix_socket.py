"""A Unix socket that only its owner may use, from the moment it exists.

A socket that is already at the path is probed: one without a listener was left by a killed process and is replaced; one
with a listener, or a file that is not a socket, is never touched.
"""

import errno
import fcntl
import os
import socket
import stat
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import HTTPConnection

BACKLOG_CONNECTIONS = 16
MODE = 0o600
DIRECTORY_MODE = 0o700
LOCK_TRIES = 50
LOCK_PAUSE_SECONDS = 0.02
_UID = "uid"
_UCRED = struct.Struct("3i")
"""The credentials of a peer: process, user, group."""


class SocketError(Exception):
    """No socket can be created at the path; the message says why and what to do."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"Cannot listen on {path}: {why} The setting is `[http] control_socket`.")


@dataclass(frozen=True, slots=True)
class PrivateSocket:
    """A listening socket and its file."""

    path: Path
    listener: socket.socket
    _identity: tuple[int, int]

    def remove(self) -> None:
        """Stop listening and remove the file, unless another process has replaced it."""
        self.listener.close()
        if _get_identity(self.path) == self._identity:
            self.path.unlink(missing_ok=True)


def listen_privately(path: Path) -> PrivateSocket:
    """Listen at `path`, and create its directory if it is missing. Blocks for about a second at most.

    Raises:
        SocketError: Something else is there, or this user may not create it.
    """
    try:
        path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        with _lock_directory(path.parent):
            _remove_stale_socket(path)
            return _bind(path)
    except OSError as error:
        raise SocketError(path, f"{error.strerror}.") from error


@contextmanager
def _lock_directory(directory: Path) -> Iterator[None]:
    """Of two daemons that start at once, the second probes only when the first one listens."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for tries_left in reversed(range(LOCK_TRIES)):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not tries_left:
                    raise
                time.sleep(LOCK_PAUSE_SECONDS)  # in a thread: flock has no timeout
        yield
    finally:
        os.close(descriptor)


def get_peer(connection: socket.socket) -> tuple[str, int] | None:
    """The user at the other end of a Unix socket, from the kernel: `("uid", number)`; None: unknown."""
    if connection.family is not socket.AF_UNIX:
        return None
    try:
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    except OSError:
        return None
    _, uid, _ = _UCRED.unpack(credentials)
    return _UID, uid


def get_uid(request: HTTPConnection) -> int | None:
    """The user who sent a request through a Unix socket."""
    client = request.client
    return client.port if client is not None and client.host == _UID else None


def _remove_stale_socket(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise SocketError(path, "the path exists and is not a socket. Remove it, or choose another path.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        error_code = probe.connect_ex(os.fspath(path))
    if error_code == errno.ECONNREFUSED:
        path.unlink(missing_ok=True)
    elif error_code in {0, errno.EAGAIN, errno.EINPROGRESS}:
        raise SocketError(path, f"another process listens there. Find it with `ss -lxp src {path}` and stop it.")
    else:
        raise OSError(error_code, os.strerror(error_code))


def _bind(path: Path) -> PrivateSocket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # The file gets the mode that the socket has when it is bound, so it never has another one.
        os.fchmod(listener.fileno(), MODE)
        listener.bind(os.fspath(path))
        status = _require_private(path)
        listener.listen(BACKLOG_CONNECTIONS)
    except BaseException:
        listener.close()
        raise
    return PrivateSocket(path, listener, (status.st_dev, status.st_ino))


def _require_private(path: Path) -> os.stat_result:
    status = path.lstat()
    if stat.S_IMODE(status.st_mode) & ~MODE:
        path.unlink()
        raise SocketError(
            path, "its file system ignores modes, so others could use the socket. Choose a path on a local file system."
        )
    return status


def _get_identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
