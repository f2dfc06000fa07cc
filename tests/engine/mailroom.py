"""The way from an office to the daemon's receiver without a network: in no time, or as a test wants it spoilt."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio.lowlevel

from oddaemon.sftp import UploadSlot, UploadTooLargeError
from oddaemon.sftp.upload_slot import open_upload_slot
from oddaemon.simulator.headquarters.sftp_upload import UploadRequest

Spoil = Callable[[bytes], bytes | None]
"""What becomes of a file on its way; None: it is lost."""


def unspoilt(content: bytes) -> bytes:
    return content


class Mailroom:
    """A receiver that offices reach by hand."""

    wait_seconds = 600.0

    def __init__(self, directory: Path) -> None:
        self.spoil: Spoil = unspoilt
        self.bytes_max = 10_000_000
        self.carried: list[UploadRequest] = []
        self.taken_away = 0
        """Which of the files, counted from 1, its owner removes once it has come."""
        self.directory = directory
        self._drops: dict[str, UploadSlot] = {}

    @asynccontextmanager
    async def open_slot(self) -> AsyncIterator[UploadSlot]:
        async with open_upload_slot(self.directory, "balances.example.com", 2222, self.bytes_max) as drop:
            self._drops[drop.target.username] = drop
            try:
                yield drop
            finally:
                del self._drops[drop.target.username]

    async def carry(self, order: UploadRequest, content: bytes) -> None:
        """What an office uploads."""
        await anyio.lowlevel.checkpoint()
        self.carried.append(order)
        drop, arrives = self._drops.get(order.username), self.spoil(content)
        if drop is None or arrives is None or not drop.accepts_password(order.password):
            return
        assert order.path == f"/{drop.path.relative_to(drop.directory)}"
        if len(arrives) > drop.bytes_max:
            drop.reject(UploadTooLargeError(f"it has more than {drop.bytes_max:,} bytes"))
            return
        if len(self.carried) != self.taken_away:
            await anyio.Path(drop.path).write_bytes(arrives)
        drop.mark_complete()

    def left(self) -> list[Path]:
        """What of transfers that are over is still there."""
        return list(self.directory.glob("tmp*"))
