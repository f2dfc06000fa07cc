"""Check free disk space before writing, so that a long copy does not fail at its end."""

import errno
import os
import tempfile
from pathlib import Path

from oddaemon.store.errors import DatabaseUnusable
from oddaemon.store.sqlite.errors import translate_errors

MIN_FREE_BYTES = 16 * 1024 * 1024
"""The size at which the write-ahead log is checkpointed: the snapshot of any office fits."""
_KILO = 1000

_NO_SPACE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def require_min_space(path: Path) -> None:
    """Check that files beside `path` can grow: within free blocks, quota and limits.

    A truncated log accepts small writes on a full disk, so a small write that succeeds proves nothing.

    Raises:
        DatabaseUnusable: there is less than `MIN_FREE_BYTES` of free space.
    """
    with translate_errors(path):
        try:
            with tempfile.TemporaryFile(dir=path.parent) as probe_file:
                os.posix_fallocate(probe_file.fileno(), 0, MIN_FREE_BYTES)
        except OSError as error:
            # A process that may not create files here may still be able to write the existing ones.
            if error.errno in _NO_SPACE_ERRORS:
                raise


def require_space(path: Path, bytes_needed: int, error_prefix: str) -> None:
    """Check that the disk has space for a file.

    Args:
        path: of the file.
        bytes_needed: its size.
        error_prefix: what fails, as the beginning of a sentence: "The copy … cannot be made".

    Raises:
        DatabaseUnusable: there is less free space.
    """
    with translate_errors(path, error_prefix):
        disk = os.statvfs(path.parent)
    free = disk.f_bavail * disk.f_frsize
    if free < bytes_needed:
        raise DatabaseUnusable(
            f"{error_prefix}: it needs {format_size(bytes_needed)}, but the disk has only {format_size(free)} free.",
            f"Free some space in {path.parent}.",
            is_transient=True,
        )


def format_size(size_bytes: int) -> str:
    """A readable size: "695 bytes", "28.7 kB", "12.3 MB", "1,234.5 GB"."""
    if size_bytes < _KILO:
        return "1 byte" if size_bytes == 1 else f"{size_bytes} bytes"
    size = size_bytes / _KILO
    for unit in ("kB", "MB"):
        if round(size, 1) < _KILO:
            return f"{size:.1f} {unit}"
        size /= _KILO
    return f"{size:,.1f} GB"
