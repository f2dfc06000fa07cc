"""Files of offices: written atomically, never over an existing one, readable by the owner only.

A file is written under a name that begins with a dot, which the daemon ignores, and then appears under its own name in
one step. A killed process leaves such names behind; the next writer removes them.
"""

import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from oddaemon.cli.output.exit import ExitStatus, fail
from oddaemon.settings import Settings

STAGING_PREFIX = ".oddaemon-"
"""Of the names of unfinished files."""

ProgressCallback = Callable[[int, int], None]


def require_offices_directory(settings: Settings) -> Path:
    """The directory of the offices; without one the command ends."""
    if settings.offices_directory is None:
        raise fail(
            f'no directory of offices: add [offices] with directory = "offices.d" to {settings.source}, and create it',
            ExitStatus.BAD_CONFIGURATION,
        )
    return settings.offices_directory


@contextmanager
def lock_directory(directory: Path) -> Iterator[None]:
    """Keep other processes from adding offices, and remove what a killed process left behind.

    Raises:
        OSError: It does not exist, or this user may not write to it.
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
    """Create a file; call it with the directory locked.

    Raises:
        FileExistsError: It exists, and is unchanged.
        OSError: It cannot be written.
    """
    directory = path.parent
    staged = directory / f"{STAGING_PREFIX}{secrets.token_hex(8)}"
    try:
        _write(staged, text, _choose_mode(directory))
        # A link, unlike a rename, never replaces an existing file.
        os.link(staged, path)
    finally:
        staged.unlink(missing_ok=True)
    _fsync_directory(directory)


def write_group(path: Path, texts: Mapping[str, str], progress: ProgressCallback | None) -> None:
    """Create a directory whose files all appear in one step; call it with the parent directory locked.

    Args:
        path: The directory.
        texts: The files by their names.
        progress: Called with the number written and the total.

    Raises:
        FileExistsError: The path exists, and is unchanged.
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
    """Owner only; in a set-group-ID directory of root, as the installation makes it, the group may read."""
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
