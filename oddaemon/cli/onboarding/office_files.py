"""Files of offices, written whole or not at all, never over another's, readable by nobody who should not.

What is being written has a name that begins with a dot, which nobody reads; it appears under its own in one step. A
process that is killed leaves such names behind, and whoever writes next takes them away.
"""

import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

STAGING_PREFIX = ".oddaemon-"
"""How all names begin of what is not there yet."""

ProgressCallback = Callable[[int, int], None]


@contextmanager
def lock_directory(directory: Path) -> Iterator[None]:
    """Nobody else adds offices to the directory meanwhile; what a killed process left behind is taken away.

    Raises:
        OSError: It is not there, or this user may not write to it.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        for leftover in directory.glob(f"{STAGING_PREFIX}*"):
            if leftover.is_dir() and not leftover.is_symlink():
                shutil.rmtree(leftover)
            else:
                leftover.unlink()
        yield
    finally:
        os.close(descriptor)


def write_file(path: Path, text: str) -> None:
    """A new file; call it alone in its directory.

    Raises:
        FileExistsError: There is one of that name, which stays as it is.
        OSError: It cannot be written.
    """
    directory = path.parent
    staged = directory / f"{STAGING_PREFIX}{secrets.token_hex(8)}"
    try:
        _write(staged, text, _choose_mode(directory))
        # A link, unlike a renaming, never takes another file's place.
        os.link(staged, path)
    finally:
        staged.unlink(missing_ok=True)
    _fsync_directory(directory)


def write_group(path: Path, texts: Mapping[str, str], progress: ProgressCallback | None) -> None:
    """A new directory with these files in it, all of which appear in one step; call it alone in its directory.

    Args:
        path: The directory.
        texts: The files by their names.
        progress: Told how many are written, of how many.

    Raises:
        FileExistsError: There is something of that name, which stays as it is.
        OSError: It cannot be written; nothing of it is left.
    """
    if os.path.lexists(path):
        raise FileExistsError
    directory = path.parent
    staged = directory / f"{STAGING_PREFIX}{secrets.token_hex(8)}"
    mode = _choose_mode(directory)
    staged.mkdir(mode=0o700)
    try:
        for number, (name, text) in enumerate(texts.items(), start=1):
            _write(staged / name, text, mode)
            if progress is not None:
                progress(number, len(texts))
        if _is_group_shared(directory):
            staged.chmod(0o2750)
        _fsync_directory(staged)
        staged.rename(path)
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    _fsync_directory(directory)


def _write(path: Path, text: str, mode: int) -> None:
    with open(path, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(text)
        file.flush()
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())


def _choose_mode(directory: Path) -> int:
    """For its owner alone; where root lends a directory to a group, as the installation does, that group may read."""
    return 0o640 if _is_group_shared(directory) else 0o600


def _is_group_shared(directory: Path) -> bool:
    status = directory.stat()
    return bool(status.st_mode & stat.S_ISGID) and status.st_uid == 0 and os.geteuid() == 0


def _fsync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
