"""A service manager that only listens: the messages for systemd, word for word."""

import socket
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio

from tests.cli.processes import TIMEOUT_SECONDS

_BYTES_MAX = 4096


class NotifySocket:
    """A notification socket, and everything that was said into it.

    Args:
        directory: For the socket.
    """

    def __init__(self, directory: Path) -> None:
        self.address = str(directory / "notify")
        self.messages: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.bind(self.address)
        self._socket.settimeout(TIMEOUT_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        Path(self.address).unlink()

    def read_until(self, beginning: str) -> list[str]:
        """What is said from now on, up to what begins so."""
        messages: list[str] = []
        while not (messages and messages[-1].startswith(beginning)):
            messages.append(self._socket.recv(_BYTES_MAX).decode())
        self.messages += messages
        return messages

    def read_rest(self) -> list[str]:
        """What was said and not read yet."""
        self._socket.setblocking(False)
        messages: list[str] = []
        while True:
            try:
                messages.append(self._socket.recv(_BYTES_MAX).decode())
            except BlockingIOError:
                break
        self._socket.settimeout(TIMEOUT_SECONDS)
        self.messages += messages
        return messages

    async def record_messages(self) -> None:
        """Record messages until cancelled, from a sender on the same event loop."""
        self._socket.setblocking(False)
        while True:
            await anyio.wait_readable(self._socket)
            self.messages.append(self._socket.recv(_BYTES_MAX).decode())


def summarize_messages(messages: list[str]) -> list[str]:
    """The transcript without what is repeated, and without numbers that a clock gives."""
    names = [each.splitlines()[0].partition("_USEC=")[0] for each in messages]
    return [name for index, name in enumerate(names) if index == 0 or name != names[index - 1]]
