"""What makes a disk full, to the page."""

import os
from contextlib import suppress
from pathlib import Path

PAGE_BYTES = 4096


def fill_disk(filler: Path, leaving_pages: int = 0) -> None:
    """Write until the disk is full, and give some pages back."""
    descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT)
    with suppress(OSError):
        while True:
            os.write(descriptor, b"x" * PAGE_BYTES)
    os.ftruncate(descriptor, os.fstat(descriptor).st_size - leaving_pages * PAGE_BYTES)
    os.close(descriptor)
