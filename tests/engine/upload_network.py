"""The way from an office to the daemon's receiver without a network: in no time, or as a test wants it spoilt."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio.lowlevel

from oddaemon.sftp.upload_slot import UploadSlot, UploadTooLargeError, open_upload_slot
from oddaemon.simulator.headquarters.sftp_upload import UploadRequest

Corruption = Callable[[bytes], bytes | None]
"""What becomes of a file on its way; None: it is lost."""


def keep_intact(content: bytes) -> bytes:
    return content


class UploadNetwork:
    """A receiver that offices reach by hand."""

    wait_seconds = 600.0

    def __init__(self, directory: Path) -> None:
        self.corrupt: Corruption = keep_intact
        self.bytes_max = 10_000_000
        self.uploads: list[UploadRequest] = []
        self.removed_upload = 0
        """Which of the files, counted from 1, its owner removes once it has come."""
        self.directory = directory
        self._slots: dict[str, UploadSlot] = {}

    @asynccontextmanager
    async def open_slot(self) -> AsyncIterator[UploadSlot]:
        async with open_upload_slot(self.directory, "balances.example.com", 2222, self.bytes_max) as slot:
            self._slots[slot.target.username] = slot
            try:
                yield slot
            finally:
                del self._slots[slot.target.username]

    async def upload(self, request: UploadRequest, content: bytes) -> None:
        """What an office uploads."""
        await anyio.lowlevel.checkpoint()
        self.uploads.append(request)
        slot, received = self._slots.get(request.username), self.corrupt(content)
        if slot is None or received is None or not slot.accepts_password(request.password):
            return
        assert request.path == f"/{slot.path.relative_to(slot.directory)}"
        if len(received) > slot.bytes_max:
            slot.reject(UploadTooLargeError(f"it has more than {slot.bytes_max:,} bytes"))
            return
        if len(self.uploads) != self.removed_upload:
            await anyio.Path(slot.path).write_bytes(received)
        slot.mark_complete()

    def list_leftovers(self) -> list[Path]:
        """What of transfers that are over is still there."""
        return list(self.directory.glob("tmp*"))
