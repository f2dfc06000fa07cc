"""Whether a disk has room for what is to be written: asked first, so that long copying does not end in a no."""

import errno
import os
import tempfile
from pathlib import Path

from oddaemon.store.errors import DatabaseUnusable, explained

SOME_BYTES = 16 * 1024 * 1024
_KILO = 1000
"""As large as the write-ahead log grows before it is folded back: the snapshot of any office fits."""

_TELLING = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def require_some_room(path: Path) -> None:
    """Look whether files beside `path` may still grow, by quota and limits too, not only by free blocks.

    A log that was emptied takes small writes on a full disk, so a small write that succeeds proves nothing.

    Raises:
        DatabaseUnusable: there is less than `SOME_BYTES` of room.
    """
    with explained(path):
        try:
            with tempfile.TemporaryFile(dir=path.parent) as trial:
                os.posix_fallocate(trial.fileno(), 0, SOME_BYTES)
        except OSError as error:
            # Who may not make files here may still be able to write those that are there.
            if error.errno in _TELLING:
                raise


def require_room(path: Path, bytes_needed: int, doing: str) -> None:
    """Look whether a file of this size may be made.

    Args:
        path: of the file.
        bytes_needed: its size.
        doing: what it is for, as the beginning of a sentence: "The copy … cannot be made".

    Raises:
        DatabaseUnusable: there is less room.
    """
    with explained(path, doing):
        disk = os.statvfs(path.parent)
    free = disk.f_bavail * disk.f_frsize
    if free < bytes_needed:
        raise DatabaseUnusable(
            f"{doing}: it takes {size_text(bytes_needed)}, and the disk has {size_text(free)} left.",
            f"Free some space in {path.parent}.",
            passes=True,
        )


def size_text(size_bytes: int) -> str:
    """A size for people: "695 bytes", "28.7 kB", "12.3 MB", "1,234.5 GB"."""
    if size_bytes < _KILO:
        return "1 byte" if size_bytes == 1 else f"{size_bytes} bytes"
    size = size_bytes / _KILO
    for unit in ("kB", "MB"):
        if round(size, 1) < _KILO:
            return f"{size:.1f} {unit}"
        size /= _KILO
    return f"{size:,.1f} GB"
