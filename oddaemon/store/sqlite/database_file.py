"""Creates the file of a database, which only its owner may read."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from oddaemon.store.errors import DatabaseUnusable
from oddaemon.store.sqlite.errors import translate_errors
from oddaemon.store.sqlite.location import get_wal_path, parse_database_path


def resolve_path(url: str) -> Path:
    """The file behind the `[state] database` setting: two names of one file must lead to one lock."""
    return parse_database_path(url).expanduser().resolve()


def make_directory(path: Path) -> None:
    """Create the directory of a database, for its owner only."""
    with translate_errors(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def make_file(path: Path) -> int | None:
    """Create it here rather than by SQLite: only the owner may read what patients owe.

    Returns:
        The mode of an existing file that every user could read, before it was made private; None: it was private.

    Raises:
        DatabaseUnusable: every user can read it, and this user may not change that.
    """
    with translate_errors(path):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        mode = stat.S_IMODE(path.stat().st_mode)
        if not mode & stat.S_IRWXO:
            return None
        try:
            # The log and its index have the mode that the database had.
            for each in (path, get_wal_path(path), path.with_name(f"{path.name}-shm")):
                with suppress(FileNotFoundError):
                    each.chmod(0o600)
        except PermissionError:
            what = f"The database {path} can be read by every user of this machine (mode {mode:04o})."
            raise DatabaseUnusable(what, f"Run chmod 600 {path} as its owner.") from None
    return mode
