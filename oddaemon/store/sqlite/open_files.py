"""Guards the files of an open database against deletion and replacement.

SQLite keeps writing into a file that was deleted or replaced, and all of it would be lost with the last process that
has the file open. So each write is followed by a check. It uses `stat`, never `open`: closing a second descriptor of a
file releases the locks that SQLite holds on it.
"""

import os
from pathlib import Path

from oddaemon.store.errors import DatabaseDamaged, DatabaseReplaced

_SUFFIXES = ("", "-wal", "-shm")
"""The database, its write-ahead log, and the log's index. The last two exist while a process has it open."""

_ADVICE = (
    "Restart the daemon: it uses the file that is there then, or creates a new one. "
    "To restore a backup, stop the daemon first."
)


class FileGuard:
    """Knows the files of a database as they were when it was opened.

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
        """Check that every name still refers to the open file; 2 µs each, without disk access.

        Raises:
            DatabaseReplaced: one of them was deleted, moved away or replaced.
        """
        for name, opened in zip(self._names, self._opened, strict=True):
            found = self._stat(name)
            if (found.st_dev, found.st_ino) != opened:
                raise self._make_error(f"{name} was replaced by another file")

    def has_shrunk(self) -> bool:
        """Whether the database is smaller than before: another program vacuumed it, or it was truncated."""
        size_bytes = self._stat(self._names[0]).st_size
        if self._is_settled:
            self._bytes_max = max(self._bytes_max, size_bytes)
        return size_bytes < self._bytes_max

    def allow_shrink_to(self, bytes_min: int) -> None:
        """Expect the database to shrink to this size at the next checkpoint of its log."""
        self._bytes_max = min(self._bytes_max, bytes_min)
        self._is_settled = False

    def mark_settled(self) -> None:
        """The log was checkpointed: the present size is right."""
        self._bytes_max = self._stat(self._names[0]).st_size
        self._is_settled = True

    def require_min_bytes(self, bytes_min: int) -> None:
        """Accept that the database has shrunk, if it still has all of its pages.

        Raises:
            DatabaseDamaged: it was truncated.
        """
        size_bytes = self._stat(self._names[0]).st_size
        if size_bytes < bytes_min:
            raise DatabaseDamaged(self._path, "it was truncated while it was open")
        self._bytes_max = size_bytes

    def _stat(self, name: str) -> os.stat_result:
        try:
            return os.stat(name)  # noqa: PTH116 - after every write: a Path takes three times as long
        except OSError:
            raise self._make_error(f"{name} was deleted or moved away") from None

    @staticmethod
    def _make_error(what: str) -> DatabaseReplaced:
        return DatabaseReplaced(f"{what} while the database was open: further writes would be lost.", _ADVICE)
