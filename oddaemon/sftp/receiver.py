"""An SFTP server that receives one expected file at a time.

A user exists only while a file is expected, sees a folder of its own, and may only write that file. The host key is
created once. The SSH library is an extra: without it, a daemon that needs the receiver fails at its start.
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
    """The receiver cannot run; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class ReceiverOptions:
    """The addresses and the limits of the receiver."""

    host: str
    port: int
    public_host: str
    public_port: int
    """The port in the address that offices get; 0: the port that it listens on."""
    host_key: Path
    directory: Path
    bytes_max: int
    wait_seconds: float


class SftpReceiver:
    """The receiver; it accepts files while `serve` runs."""

    def __init__(self, options: ReceiverOptions) -> None:
        self._options = options
        self._port = options.public_port
        self._slots: dict[str, UploadSlot] = {}

    @property
    def wait_seconds(self) -> float:
        """How long to wait for a file."""
        return self._options.wait_seconds

    @asynccontextmanager
    async def open_slot(self) -> AsyncIterator[UploadSlot]:
        """A slot for one file; the file and its password are deleted at the end."""
        options = self._options
        async with open_upload_slot(options.directory, options.public_host, self._port, options.bytes_max) as slot:
            self._slots[slot.target.username] = slot
            try:
                yield slot
            finally:
                del self._slots[slot.target.username]

    async def serve(self, *, task_status: anyio.abc.TaskStatus[str] = anyio.TASK_STATUS_IGNORED) -> None:
        """Listen until cancelled; starts with the host key's fingerprint.

        Raises:
            ReceiverError: it cannot listen; raised before `task_status.started`.
        """
        ssh_server, options = _import_ssh_server(), self._options
        try:
            key, fingerprint = await anyio.to_thread.run_sync(self._prepare_host_key, ssh_server)
        except OSError as error:
            raise ReceiverError(f"{error.filename}: {error.strerror}. Check the `[sftp]` settings.") from error
        except ssh_server.HostKeyError as error:
            raise ReceiverError(f"{options.host_key} {error}.") from error
        try:
            acceptor = await ssh_server.listen(options.host, options.port, key, self._slots.get)
        except OSError as error:
            address = f"{options.host}:{options.port}"
            why = error.strerror or error
            raise ReceiverError(f"Cannot listen on {address}: {why}. Check `[sftp] listen`.") from error
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
        from oddaemon.sftp import ssh_server  # noqa: PLC0415 - it needs an extra
    except ImportError as error:
        raise ReceiverError(
            "The SFTP receiver needs asyncssh, which is not installed. Run: pip install 'oddaemon[sftp]'"
        ) from error
    return ssh_server
