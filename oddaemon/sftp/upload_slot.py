"""The slot of one expected file: its user, path and size limit, and whether it is complete."""

import secrets
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import anyio

from oddaemon.core.model import UploadTarget

FOLDER = "balances"
OPEN_MAX = 4
"""Connections, sessions and open files of one upload: it needs one of each, and another after a lost connection."""


class UploadMissingError(Exception):
    """The file did not arrive; the message is a clause that says why."""


class UploadRefusedError(Exception):
    """The file was rejected; the message is a clause with details, or empty."""


class UploadTooLargeError(UploadRefusedError):
    """It exceeds the size limit."""


class UploadMisnamedError(UploadRefusedError):
    """It has another name than the expected file."""


class UploadUnstorableError(UploadRefusedError):
    """It cannot be written to the disk."""


class Closable(Protocol):
    """A connection."""

    def close(self) -> None:
        """Close it."""
        ...


class UploadSlot:
    """A slot for one file, with a user and a password of its own."""

    def __init__(self, directory: Path, host: str, port: int, bytes_max: int) -> None:
        self.directory = directory
        self.name = f"{secrets.token_hex(8)}.csv"
        self.bytes_max = bytes_max
        self.target = UploadTarget(
            f"{host}/{FOLDER}/{self.name}", port, secrets.token_hex(8), secrets.token_urlsafe(24)
        )
        self.connections = set[Closable]()
        """Of this user; they are closed with the slot."""
        self.sessions = self.handles = 0
        self._finished = anyio.Event()
        self._rejection: UploadRefusedError | None = None
        self.is_closed = False
        """Whether the wait is over: data that still arrives is not stored."""

    @property
    def path(self) -> Path:
        """The path of the uploaded file."""
        return self.directory / FOLDER / self.name

    def accepts_password(self, password: str) -> bool:
        """Whether the password is that of this slot."""
        return secrets.compare_digest(self.target.password.encode(), password.encode())

    def mark_complete(self) -> None:
        """The client has closed the file."""
        self._finished.set()

    def reject(self, why: UploadRefusedError) -> None:
        """End the slot after a violation: the password allows no second try."""
        self._rejection = why
        self._finished.set()

    async def wait_for_file(self, wait_seconds: float) -> Path:
        """Wait until the client has closed the file.

        Raises:
            UploadMissingError: it did not arrive in time.
            UploadRefusedError: it was rejected.
        """
        with anyio.move_on_after(wait_seconds):
            await self._finished.wait()
        if self._rejection is not None:
            raise self._rejection
        if not self._finished.is_set():
            what = "the upload was not complete" if self.path.exists() else "nothing was uploaded"
            raise UploadMissingError(f"{what} within {wait_seconds:g} s")
        return self.path


class UploadReceiver(Protocol):
    """Receives an office's file."""

    def open_slot(self) -> AbstractAsyncContextManager[UploadSlot]:
        """A slot for one file; the file and its password are deleted at the end.

        Raises:
            UploadUnstorableError: its directory cannot be created.
        """
        ...

    @property
    def wait_seconds(self) -> float:
        """How long to wait for a file."""
        ...


@asynccontextmanager
async def open_upload_slot(directory: Path, host: str, port: int, bytes_max: int) -> AsyncIterator[UploadSlot]:
    """A slot in a directory of its own, which is deleted at the end with its patient data.

    Raises:
        UploadUnstorableError: the directory cannot be created.
    """
    with ExitStack() as stack:
        try:
            slot_directory = Path(stack.enter_context(TemporaryDirectory(dir=directory)))
            slot_directory.joinpath(FOLDER).mkdir(mode=0o700)
        except OSError as error:
            raise UploadUnstorableError(f"{directory}: {error.strerror}") from None
        slot = UploadSlot(slot_directory, host, port, bytes_max)
        try:
            yield slot
        finally:
            slot.is_closed = True
            for connection in list(slot.connections):
                connection.close()
