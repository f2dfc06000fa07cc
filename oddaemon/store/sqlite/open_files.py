"""The files that an open database consists of, and whether their names still lead to them.

SQLite goes on writing into a file that was deleted or replaced under it, and everything would be lost with the last
process that has it open. So whoever writes asks here afterwards. Only `stat` is used, never `open`: closing a second
descriptor of a file takes away the locks that SQLite holds on it.
"""

import os
from pathlib import Path

from oddaemon.store.errors import DatabaseDamaged, DatabaseReplaced

_SUFFIXES = ("", "-wal", "-shm")
"""The database, its write-ahead log, and the log's index. The last two exist as long as anybody has it open."""

_ADVICE = (
    "Restart the daemon: it goes on with the file that is there then, or with a new one if there is none. "
    "To put a backup in its place, stop the daemon first."
)


class FileGuard:
    """What the files of a database were when it was opened.

    Args:
        path: of the database, which is open and has been read, so that its log exists.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names = [f"{path}{suffix}" for suffix in _SUFFIXES]
        found = [self._stat(name) for name in self._names]
        self._opened = [(each.st_dev, each.st_ino) for each in found]
        self._bytes_max = found[0].st_size
        self._is_settled = True

    def require_in_place(self) -> None:
        """Look whether every name leads to the file that is open; two microseconds each, and no disk is asked.

        Raises:
            DatabaseReplaced: one of them was deleted, moved away or replaced.
        """
        for name, opened in zip(self._names, self._opened, strict=True):
            found = self._stat(name)
            if (found.st_dev, found.st_ino) != opened:
                raise self._make_error(f"{name} was replaced by another file")

    def has_shrunk(self) -> bool:
        """Whether the database is smaller than it was: it was vacuumed by another program, or cut off."""
        size_bytes = self._stat(self._names[0]).st_size
        if self._is_settled:
            self._bytes_max = max(self._bytes_max, size_bytes)
        return size_bytes < self._bytes_max

    def allow_shrink_to(self, bytes_min: int) -> None:
        """Expect the database to become smaller, down to this, whenever its log is folded back next."""
        self._bytes_max = min(self._bytes_max, bytes_min)
        self._is_settled = False

    def mark_settled(self) -> None:
        """The log was folded back: the database is as large as it is."""
        self._bytes_max = self._stat(self._names[0]).st_size
        self._is_settled = True

    def require_min_bytes(self, bytes_min: int) -> None:
        """Accept that the database has shrunk, if it still holds all of its pages.

        Raises:
            DatabaseDamaged: it was cut off.
        """
        size_bytes = self._stat(self._names[0]).st_size
        if size_bytes < bytes_min:
            raise DatabaseDamaged(self._path, "it was cut off while it was open")
        self._bytes_max = size_bytes

    def _stat(self, name: str) -> os.stat_result:
        try:
            return os.stat(name)  # noqa: PTH116 - after every write: a Path takes three times as long
        except OSError:
            raise self._make_error(f"{name} was deleted or moved away") from None

    @staticmethod
    def _make_error(what: str) -> DatabaseReplaced:
        return DatabaseReplaced(f"{what} while the database was open: what is written now would be lost.", _ADVICE)
