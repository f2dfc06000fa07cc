"""Detects that a file of the configuration has changed, however it was changed.

It watches directories, because editors and tools replace files in different ways: in place, by a new file under the old
name, by a link to another target, by a new directory in place of the old one. A change only triggers a reload, which
reads everything. So the kind, order and number of changes do not matter, and a change before the watch starts is
found by the reload that follows every start.

The kernel reports changes; a sleeping thread polls for them a few times a second (0.02 % of a core). The kernel does
not report what another host changes on a network file system (NFS, CIFS), or what changes behind FUSE. So names, sizes
and times are compared every minute.
"""

import os
import stat
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import anyio
import anyio.to_thread
from watchfiles._rust_notify import RustNotify, WatchfilesRustInternalError

from oddaemon.settings.files.directory import is_office_file, is_office_group
from oddaemon.telemetry.events import ConfigurationWatchFailed
from oddaemon.telemetry.events.base import Event

DEBOUNCE_INTERVALS_MAX = 10
"""During endless changes, reload after this many times `debounce_seconds`."""
POLL_SECONDS_MAX = 0.25
"""Between two polls of the kernel's changes; also how long the thread outlives its task."""
RETRY_SECONDS = 30.0
"""Before a retry if nothing can be watched, or if the configuration could not be stored."""
LOOK_SECONDS = 60.0
"""Between two looks at the files for changes that the kernel does not report."""
_NAMES_MAX = 1000
"""Limits circular links."""


@dataclass(frozen=True, slots=True)
class WatchTargets:
    """What to watch for changes."""

    paths: frozenset[Path]
    """The files and everything on the way to them. Any change of these counts."""
    office_directories: frozenset[Path]
    """Directories in which every office file counts, including new ones."""
    directories: frozenset[tuple[Path, int, int]]
    """The directories to watch, each with device and inode: a new directory in the same place needs a new watch. It may
    reuse the inode, so a change of the name counts as well."""

    @classmethod
    def from_files(cls, files: Iterable[Path]) -> Self:
        """What to watch for changes of these files and directories, and of the way to each. Reads the disk."""
        files = frozenset(files)
        office_directories = frozenset(path for path, _, _ in _iter_directories(files))
        links = {link for directory in office_directories for link in _list_links(directory)}
        watched_paths = frozenset(name for file in {*files, *links} for name in _iter_path_chain(file))
        directories = {*(name.parent for name in watched_paths), *office_directories}
        return cls(watched_paths, office_directories, frozenset(_iter_directories(directories)))

    def take_fingerprint(self) -> frozenset[tuple[Path, object]]:
        """What an edit of the files changes: names, sizes, times, inodes and links. Reads the disk."""
        files = (file for directory in self.office_directories for file in _list_office_files(directory))
        return frozenset((path, _describe_file(path)) for path in {*self.paths, *files})

    def is_relevant(self, changed: Path) -> bool:
        """Whether a change of this path may change the configuration."""
        is_office = is_office_file(changed) or is_office_group(changed)
        return changed in self.paths or (changed.parent in self.office_directories and is_office)


async def watch(
    files: Callable[[], Iterable[Path]],
    reload: Callable[[], Awaitable[bool]],
    emit: Callable[[Event], None],
    *,
    debounce_seconds: float,
    retry_seconds: float = RETRY_SECONDS,
    look_seconds: float = LOOK_SECONDS,
) -> None:
    """Reload the configuration whenever its files have changed and settled, until cancelled.

    Args:
        files: Returns the files that the last reading looked for; called after each reading.
        reload: Reads and applies it; returns whether to retry although no file changes.
        emit: Takes the events.
        debounce_seconds: How long the files must be unchanged before a reload.
        retry_seconds: Before a retry if files cannot be watched, or if `reload` asks for one.
        look_seconds: Between two looks for changes that the kernel does not report.
    """
    is_reported = False
    seen: frozenset[tuple[Path, object]] | None = None
    while True:
        try:
            await _watch_until_targets_change(files, reload, debounce_seconds, retry_seconds, look_seconds)
            is_reported = False
        except (OSError, WatchfilesRustInternalError) as error:
            if not is_reported:
                is_reported = True
                emit(ConfigurationWatchFailed(str(error)))
            found = await anyio.to_thread.run_sync(_look_at_files, tuple(files()))
            if seen is not None and found != seen:
                await reload()
            seen = found
            await anyio.sleep(retry_seconds)


async def _watch_until_targets_change(
    files: Callable[[], Iterable[Path]],
    reload: Callable[[], Awaitable[bool]],
    debounce_seconds: float,
    retry_seconds: float,
    look_seconds: float,
) -> None:
    """Run until the watch targets may have changed."""
    targets = await anyio.to_thread.run_sync(WatchTargets.from_files, tuple(files()))
    changes = _ChangeCollector(targets, debounce_seconds, look_seconds)
    try:
        while True:
            await changes.remember_files()
            needs_retry = await reload()
            if await anyio.to_thread.run_sync(WatchTargets.from_files, tuple(files())) != targets:
                return
            if await changes.wait(retry_seconds if needs_retry else None):
                return
    finally:
        changes.stop()


class _ChangeCollector:
    """Collects changes from its creation on."""

    def __init__(self, targets: WatchTargets, debounce_seconds: float, look_seconds: float) -> None:
        """Start watching.

        Raises:
            OSError: The directories cannot be watched, for example because the limit of watches is reached.
        """
        self._targets = targets
        self._directories = frozenset(path for path, _, _ in targets.directories)
        self._debounce_seconds = debounce_seconds
        self._look_seconds = look_seconds
        self._fingerprint: frozenset[tuple[Path, object]] = frozenset()
        self._poll_seconds = min(debounce_seconds, POLL_SECONDS_MAX)
        self._stopped = threading.Event()
        self._limiter = anyio.CapacityLimiter(1)
        self._watcher = RustNotify(
            sorted(map(str, self._directories)),
            debug=False,
            force_polling=False,
            poll_delay_ms=0,
            recursive=False,
            ignore_permission_denied=True,
        )

    def stop(self) -> None:
        """End the waiting thread, if any. The watches end with the object."""
        self._stopped.set()

    async def remember_files(self) -> None:
        """Take the files as they are now for known; call it before they are read."""
        self._fingerprint = await anyio.to_thread.run_sync(self._targets.take_fingerprint)

    async def wait(self, within_seconds: float | None) -> bool:
        """Wait until a relevant change has settled, or for so long.

        Returns:
            Whether the watch must be renewed: a watched directory may have been replaced, or a change was not reported.
        """
        started = anyio.current_time()
        step = self._look_seconds if within_seconds is None else min(within_seconds, self._look_seconds)
        while not (changed := await self._next_changes(step)):
            if within_seconds is not None and anyio.current_time() - started >= within_seconds:
                return False
            if await anyio.to_thread.run_sync(self._targets.take_fingerprint) != self._fingerprint:
                return True
        changed_at = anyio.current_time()
        latest = changed_at + DEBOUNCE_INTERVALS_MAX * self._debounce_seconds
        while (left := min(changed_at + self._debounce_seconds, latest) - anyio.current_time()) > 0:
            if more := await self._next_changes(left):
                changed |= more
                changed_at = anyio.current_time()
        return not changed.isdisjoint(self._directories)

    async def _next_changes(self, timeout_seconds: float) -> set[Path]:
        """The next relevant changes; empty after the time-out. 0: no time-out."""
        timeout_ms = 0 if not timeout_seconds else max(1, round(timeout_seconds * 1000))
        step_ms = max(1, round(self._poll_seconds * 1000))
        events = await anyio.to_thread.run_sync(
            self._watcher.watch,
            step_ms,
            step_ms,
            timeout_ms,
            self._stopped,
            abandon_on_cancel=True,
            limiter=self._limiter,
        )
        return (
            set()
            if isinstance(events, str)
            else {path for _, name in events if self._targets.is_relevant(path := Path(name))}
        )


def _iter_path_chain(path: Path) -> Iterator[Path]:
    """Every path that resolving `path` passes, links included: any of them can be replaced."""
    seen: set[Path] = set()
    left = [path]
    while left and len(seen) < _NAMES_MAX:
        name = left.pop()
        if name in seen:
            continue
        seen.add(name)
        yield name
        left += [name.parent, *_read_link(name)]


def _read_link(name: Path) -> list[Path]:
    try:
        return [Path(os.path.realpath(name.parent)) / name.readlink()]
    except OSError:
        return []


def _look_at_files(files: Iterable[Path]) -> frozenset[tuple[Path, object]]:
    return WatchTargets.from_files(files).take_fingerprint()


def _list_office_files(directory: Path) -> list[Path]:
    try:
        return [each for each in directory.iterdir() if is_office_file(each) or is_office_group(each)]
    except OSError:
        # The description of the directory itself shows when that ends.
        return []


def _describe_file(path: Path) -> object:
    """What an edit changes. Of a directory, only what it is: files that are not read come and go in it."""
    try:
        status = path.stat()
    except OSError as error:
        return error.errno
    if stat.S_ISDIR(status.st_mode):
        return status.st_dev, status.st_ino, status.st_mode
    return status.st_dev, status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns


def _list_links(directory: Path) -> list[Path]:
    try:
        with os.scandir(directory) as entries:
            return [directory / each.name for each in entries if each.is_symlink() and is_office_file(Path(each.name))]
    except OSError:
        return []


def _iter_directories(paths: Iterable[Path]) -> Iterator[tuple[Path, int, int]]:
    """The directories among them that this user may watch."""
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        if stat.S_ISDIR(status.st_mode) and os.access(path, os.R_OK):
            yield path, status.st_dev, status.st_ino
