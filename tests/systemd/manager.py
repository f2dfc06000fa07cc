"""A service manager that only listens: what systemd would be told, word for word."""

import socket
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio

from tests.cli.processes import PATIENCE_SECONDS

_BYTES_MAX = 4096


class Manager:
    """A notification socket, and everything that was said into it.

    Args:
        directory: For the socket.
    """

    def __init__(self, directory: Path) -> None:
        self.address = str(directory / "notify")
        self.told: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.bind(self.address)
        self._socket.settimeout(PATIENCE_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        Path(self.address).unlink()

    def until(self, beginning: str) -> list[str]:
        """What is said from now on, up to what begins so."""
        said: list[str] = []
        while not (said and said[-1].startswith(beginning)):
            said.append(self._socket.recv(_BYTES_MAX).decode())
        self.told += said
        return said

    def rest(self) -> list[str]:
        """What was said and not read yet."""
        self._socket.setblocking(False)
        said: list[str] = []
        while True:
            try:
                said.append(self._socket.recv(_BYTES_MAX).decode())
            except BlockingIOError:
                break
        self._socket.settimeout(PATIENCE_SECONDS)
        self.told += said
        return said

    async def listen(self) -> None:
        """Take down what is said, until cancelled: for whoever speaks from the same event loop."""
        self._socket.setblocking(False)
        while True:
            await anyio.wait_readable(self._socket)
            self.told.append(self._socket.recv(_BYTES_MAX).decode())


def key_words(told: list[str]) -> list[str]:
    """The transcript without what is repeated, and without numbers that a clock gives."""
    words = [each.splitlines()[0].partition("_USEC=")[0] for each in told]
    return [word for index, word in enumerate(words) if index == 0 or word != words[index - 1]]
