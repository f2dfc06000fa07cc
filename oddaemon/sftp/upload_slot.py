"""One expected file: for whom, where, how large at most, and whether it has come whole."""

import secrets
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import anyio

FOLDER = "balances"


class UploadMissingError(Exception):
    """The file did not come; the text is a clause that says why."""


class UploadRefusedError(Exception):
    """The file was not taken; the text is a clause that says more, or empty."""


class UploadTooLargeError(UploadRefusedError):
    """It is larger than it may be."""


class UploadMisnamedError(UploadRefusedError):
    """It has another name than the expected file."""


class UploadUnstorableError(UploadRefusedError):
    """There is no room for it."""


@dataclass(frozen=True, slots=True)
class UploadTarget:
    """What an office is told about where to upload to."""

    address: str
    """Host, folder and file, as the API wants it."""
    port: int
    username: str
    password: str = field(repr=False)


class UploadSlot:
    """A place for one file, with a user and a password of its own that end with it."""

    def __init__(self, directory: Path, host: str, port: int, bytes_max: int) -> None:
        self.directory = directory
        self.name = f"{secrets.token_hex(8)}.csv"
        self.bytes_max = bytes_max
        self.target = UploadTarget(
            f"{host}/{FOLDER}/{self.name}", port, secrets.token_hex(8), secrets.token_urlsafe(24)
        )
        self._finished = anyio.Event()
        self._rejection: UploadRefusedError | None = None
        self.is_closed = False
        """Nobody waits for it any more: what still comes is of no use, and would only fill the disk."""

    @property
    def path(self) -> Path:
        """Where the file is once it has come."""
        return self.directory / FOLDER / self.name

    def accepts_password(self, password: str) -> bool:
        """Whether the password is the one of this drop."""
        return secrets.compare_digest(self.target.password.encode(), password.encode())

    def mark_complete(self) -> None:
        """The office has closed the file."""
        self._finished.set()

    def reject(self, why: UploadRefusedError) -> None:
        """It did something that it may not, and gets no second try with this password."""
        self._rejection = why
        self._finished.set()

    async def wait_for_file(self, wait_seconds: float) -> Path:
        """The file, once the office has closed it.

        Raises:
            UploadMissingError: It did not come in time.
            UploadRefusedError: It was not taken.
        """
        with anyio.move_on_after(wait_seconds):
            await self._finished.wait()
        if self._rejection is not None:
            raise self._rejection
        if not self._finished.is_set():
            what = "it began, and was not whole" if self.path.exists() else "nothing was uploaded"
            raise UploadMissingError(f"{what} within {wait_seconds:g} s")
        return self.path


class UploadReceiver(Protocol):
    """Whoever can take an office's file."""

    def open_slot(self) -> AbstractAsyncContextManager[UploadSlot]:
        """A place for one file; the file and its password are gone at the end.

        Raises:
            UploadUnstorableError: There is no room for one.
        """
        ...

    @property
    def wait_seconds(self) -> float:
        """How long a file may take to come."""
        ...


@asynccontextmanager
async def open_upload_slot(directory: Path, host: str, port: int, bytes_max: int) -> AsyncIterator[UploadSlot]:
    """A place in a directory of its own, which is removed with whatever is in it: it is patient data.

    Raises:
        UploadUnstorableError: It cannot be made.
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
