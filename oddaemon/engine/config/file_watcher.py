"""Notices when a file that the configuration hangs on has changed, whichever way it was changed.

What is watched are directories, for every editor and every tool replaces files in its own way: in place, by a new file
under the old name, by a link that leads elsewhere, by a whole directory in the old one's place. Changes only say that
it is worth looking; what they come to is found out by reading everything. So none is needed of the kind, the order or
the number of changes, and one that comes while nobody watches is found by the look that follows every beginning.

The kernel tells of changes; a thread that sleeps asks for them a few times a second (0.02 % of a core).
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
"""Where changes go on without end, it is looked after so many times `debounce_seconds` all the same."""
POLL_SECONDS_MAX = 0.25
"""Between two looks at what the kernel has told; also how long the thread outlives its task."""
RETRY_SECONDS = 30.0
"""Before another try where nothing can be watched, or where the database did not take what was read."""
_NAMES_MAX = 1000
"""Links that lead round in a circle end somewhere."""


@dataclass(frozen=True, slots=True)
class WatchTargets:
    """Where to look for changes."""

    paths: frozenset[Path]
    """What leads to the files. A change of any of these counts."""
    office_directories: frozenset[Path]
    """Directories of which every office file counts, there already or not."""
    directories: frozenset[tuple[Path, int, int]]
    """To be watched, each with its device and number: another directory in its place must be watched anew. A new one
    may have the number of the one that went, so a change of its name counts as well."""

    @classmethod
    def from_files(cls, files: Iterable[Path]) -> Self:
        """Where these files and directories, and the way to each, can be seen to change. Looks at the disk."""
        files = frozenset(files)
        office_directories = frozenset(path for path, _, _ in _iter_directories(files))
        links = {link for directory in office_directories for link in _list_links(directory)}
        watched_paths = frozenset(name for file in {*files, *links} for name in _iter_path_chain(file))
        directories = {*(name.parent for name in watched_paths), *office_directories}
        return cls(watched_paths, office_directories, frozenset(_iter_directories(directories)))

    def is_relevant(self, changed: Path) -> bool:
        """Whether a change of this may mean another configuration."""
        is_office = is_office_file(changed) or is_office_group(changed)
        return changed in self.paths or (changed.parent in self.office_directories and is_office)


async def watch(
    files: Callable[[], Iterable[Path]],
    reload: Callable[[], Awaitable[bool]],
    emit: Callable[[Event], None],
    *,
    debounce_seconds: float,
    retry_seconds: float = RETRY_SECONDS,
) -> None:
    """Read the configuration again whenever its files have changed and are quiet again, until cancelled.

    Args:
        files: What it was read from, there or not; asked anew after each reading.
        reload: Reads it and applies it; tells whether it is worth another try by and by, though no file changes.
        emit: Takes the events.
        debounce_seconds: How long nothing may change before it is read.
        retry_seconds: Before another try where files cannot be watched, or `reload` wants one.
    """
    is_reported = False
    while True:
        try:
            await _watch_until_targets_change(files, reload, debounce_seconds, retry_seconds)
            is_reported = False
        except (OSError, WatchfilesRustInternalError) as error:
            if not is_reported:
                is_reported = True
                emit(ConfigurationWatchFailed(str(error)))
            await anyio.sleep(retry_seconds)


async def _watch_until_targets_change(
    files: Callable[[], Iterable[Path]],
    reload: Callable[[], Awaitable[bool]],
    debounce_seconds: float,
    retry_seconds: float,
) -> None:
    """Until there may be something else to watch than at the beginning."""
    targets = await anyio.to_thread.run_sync(WatchTargets.from_files, tuple(files()))
    changes = _ChangeCollector(targets, debounce_seconds)
    try:
        while True:
            needs_retry = await reload()
            if await anyio.to_thread.run_sync(WatchTargets.from_files, tuple(files())) != targets:
                return
            if await changes.wait(retry_seconds if needs_retry else None):
                return
    finally:
        changes.stop()


class _ChangeCollector:
    """Collects changes from its making on."""

    def __init__(self, targets: WatchTargets, debounce_seconds: float) -> None:
        """Begin.

        Raises:
            OSError: It cannot be watched, for one because the system's number of watches is used up.
        """
        self._targets = targets
        self._directories = frozenset(path for path, _, _ in targets.directories)
        self._debounce_seconds = debounce_seconds
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
        """End the thread that waits, if one does. The system's watches go with the object."""
        self._stopped.set()

    async def wait(self, within_seconds: float | None) -> bool:
        """Wait until something has changed that matters and all has been quiet since, or for so long.

        Returns:
            Whether a directory that is watched may be another one now, of which nothing would be heard.
        """
        started = anyio.current_time()
        while not (changed := await self._next_changes(within_seconds or 0)):
            if within_seconds is not None and anyio.current_time() - started >= within_seconds:
                return False
        changed_at = anyio.current_time()
        latest = changed_at + DEBOUNCE_INTERVALS_MAX * self._debounce_seconds
        while (left := min(changed_at + self._debounce_seconds, latest) - anyio.current_time()) > 0:
            if more := await self._next_changes(left):
                changed |= more
                changed_at = anyio.current_time()
        return not changed.isdisjoint(self._directories)

    async def _next_changes(self, timeout_seconds: float) -> set[Path]:
        """The next changes that matter; there may be none after so long, where 0 means for ever."""
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
    """Every name that the system passes on the way to `path`, links followed: any of them can be made another."""
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


def _list_links(directory: Path) -> list[Path]:
    try:
        with os.scandir(directory) as entries:
            return [directory / each.name for each in entries if each.is_symlink() and is_office_file(Path(each.name))]
    except OSError:
        return []


def _iter_directories(paths: Iterable[Path]) -> Iterator[tuple[Path, int, int]]:
    """Those that are directories which this user may watch."""
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        if stat.S_ISDIR(status.st_mode) and os.access(path, os.R_OK):
            yield path, status.st_dev, status.st_ino
