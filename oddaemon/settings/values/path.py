"""Paths in a configuration, relative to the file that names them, and the files that they name.

A file may be anything, so it is checked when it is opened, and read up to a limit.
"""

import errno
import os
import stat
from pathlib import Path

from pydantic import ValidationInfo

from oddaemon.settings.values.invalid import invalid


def validate_path(value: str) -> str:
    """Return why `value` is not a path; empty if it is one."""
    if not value:
        return "must not be empty"
    if not value.isprintable():
        return "contains control characters"
    if value.startswith("~"):
        return "`~` is not expanded; write the absolute path"
    return ""


def is_private(status: os.stat_result, reader: int | None = None) -> bool:
    """Whether only its owner may read a file, or root has made it readable to the one group of its reader.

    The latter gives a daemon without a user of its own a file that root owns.

    Args:
        status: The status of the file.
        reader: The user who reads it; None: the one who runs this.
    """
    if not status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return True
    is_root_owned = status.st_uid == 0 and (os.geteuid() if reader is None else reader) != 0
    return is_root_owned and not status.st_mode & (stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP)


def read_file(path: Path, bytes_max: int) -> tuple[bytes, os.stat_result]:
    """Read a whole regular file. Returns its content and its status.

    Raises:
        OSError: It does not exist, cannot be read, is not a regular file, or is larger.
    """
    # Non-blocking: opening a pipe would otherwise wait for a writer.
    with open(path, "rb", opener=_open_nonblocking) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        content = file.read(bytes_max + 1)
    if len(content) > bytes_max:
        raise OSError(errno.EFBIG, f"larger than {bytes_max} bytes")
    return content, status


def _open_nonblocking(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def to_absolute_path(value: object, info: ValidationInfo) -> Path:
    """Make `value` absolute, relative to the directory of the file that names it.

    Raises:
        PydanticCustomError: It is not a path.
    """
    if not isinstance(value, str | Path):
        raise invalid("must be a string", "write it in quotes")
    if reason := validate_path(str(value)):
        raise invalid(reason)
    directory: Path = (info.context or {}).get("directory", Path())
    return (directory / value).absolute()
