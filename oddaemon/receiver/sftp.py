"""An SFTP server of our own that takes one expected file at a time.

A user exists only while a file is expected, sees a folder of its own, and may do nothing but write that file. The host
key is made once. What speaks SSH is an extra: without it a daemon that wants to receive says so at its start.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import anyio
import anyio.abc
import anyio.to_thread

from oddaemon.receiver.drop import Drop, dropping


class ReceiverError(Exception):
    """The receiver cannot be had; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How the receiver is reached, and what it takes."""

    host: str
    port: int
    public_host: str
    public_port: int
    """What offices are told; 0: the port that is listened on."""
    host_key: Path
    directory: Path
    bytes_max: int
    wait_seconds: float


class SftpReceiver:
    """The receiver; it takes files while `serve` runs."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._port = terms.public_port
        self._drops: dict[str, Drop] = {}

    @property
    def wait_seconds(self) -> float:
        """How long a file may take to come."""
        return self._terms.wait_seconds

    @asynccontextmanager
    async def expecting(self) -> AsyncIterator[Drop]:
        """A place for one file; the file and its password are gone at the end."""
        terms = self._terms
        async with dropping(terms.directory, terms.public_host, self._port, terms.bytes_max) as drop:
            self._drops[drop.target.username] = drop
            try:
                yield drop
            finally:
                del self._drops[drop.target.username]

    async def serve(self, *, task_status: anyio.abc.TaskStatus[str] = anyio.TASK_STATUS_IGNORED) -> None:
        """Listen until cancelled; tells the host key's fingerprint.

        Raises:
            ReceiverError: It cannot; before `task_status` is told anything.
        """
        door, terms = _door(), self._terms
        try:
            key, fingerprint = await anyio.to_thread.run_sync(self._prepared, door)
        except OSError as error:
            raise ReceiverError(f"{error.filename}: {error.strerror}. See `[sftp]`.") from error
        except door.HostKeyError as error:
            raise ReceiverError(f"{terms.host_key} {error}.") from error
        try:
            acceptor = await door.listen(terms.host, terms.port, key, self._drops.get)
        except OSError as error:
            place = f"{terms.host}:{terms.port}"
            why = error.strerror or error
            raise ReceiverError(f"Cannot listen on {place}: {why}. The setting is `[sftp] listen`.") from error
        try:
            self._port = terms.public_port or acceptor.get_port()
            task_status.started(fingerprint)
            await anyio.sleep_forever()
        finally:
            acceptor.close()

    def _prepared(self, door: ModuleType) -> tuple[object, str]:
        """The host key and its fingerprint."""
        self._terms.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = door.host_key(self._terms.host_key)
        return key, key.get_fingerprint()


def _door() -> ModuleType:
    try:
        from oddaemon.receiver import door  # noqa: PLC0415 - what it needs is an extra
    except ImportError as error:
        raise ReceiverError("Receiving uploads needs another package: pip install 'oddaemon[sftp]'.") from error
    return door
