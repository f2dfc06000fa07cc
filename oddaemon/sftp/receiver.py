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

from oddaemon.sftp.upload_slot import UploadSlot, open_upload_slot


class ReceiverError(Exception):
    """The receiver cannot be had; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class ReceiverOptions:
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

    def __init__(self, options: ReceiverOptions) -> None:
        self._options = options
        self._port = options.public_port
        self._slots: dict[str, UploadSlot] = {}

    @property
    def wait_seconds(self) -> float:
        """How long a file may take to come."""
        return self._options.wait_seconds

    @asynccontextmanager
    async def open_slot(self) -> AsyncIterator[UploadSlot]:
        """A place for one file; the file and its password are gone at the end."""
        options = self._options
        async with open_upload_slot(options.directory, options.public_host, self._port, options.bytes_max) as slot:
            self._slots[slot.target.username] = slot
            try:
                yield slot
            finally:
                del self._slots[slot.target.username]

    async def serve(self, *, task_status: anyio.abc.TaskStatus[str] = anyio.TASK_STATUS_IGNORED) -> None:
        """Listen until cancelled; tells the host key's fingerprint.

        Raises:
            ReceiverError: It cannot; before `task_status` is told anything.
        """
        ssh_server, options = _import_ssh_server(), self._options
        try:
            key, fingerprint = await anyio.to_thread.run_sync(self._prepare_host_key, ssh_server)
        except OSError as error:
            raise ReceiverError(f"{error.filename}: {error.strerror}. See `[sftp]`.") from error
        except ssh_server.HostKeyError as error:
            raise ReceiverError(f"{options.host_key} {error}.") from error
        try:
            acceptor = await ssh_server.listen(options.host, options.port, key, self._slots.get)
        except OSError as error:
            address = f"{options.host}:{options.port}"
            why = error.strerror or error
            raise ReceiverError(f"Cannot listen on {address}: {why}. The setting is `[sftp] listen`.") from error
        try:
            self._port = options.public_port or acceptor.get_port()
            task_status.started(fingerprint)
            await anyio.sleep_forever()
        finally:
            acceptor.close()

    def _prepare_host_key(self, ssh_server: ModuleType) -> tuple[object, str]:
        """The host key and its fingerprint."""
        self._options.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = ssh_server.load_host_key(self._options.host_key)
        return key, key.get_fingerprint()


def _import_ssh_server() -> ModuleType:
    try:
        from oddaemon.sftp import ssh_server  # noqa: PLC0415 - what it needs is an extra
    except ImportError as error:
        raise ReceiverError("Receiving uploads needs another package: pip install 'oddaemon[sftp]'.") from error
    return ssh_server
