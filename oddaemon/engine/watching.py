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

from oddaemon.settings.directory import is_office_file, is_office_group
from oddaemon.telemetry.event import Event
from oddaemon.telemetry.events import ConfigurationUnwatched

QUIET_TIMES_MAX = 10
"""Where changes go on without end, it is looked after so many times `debounce_seconds` all the same."""
STEP_SECONDS_MAX = 0.25
"""Between two looks at what the kernel has told; also how long the thread outlives its task."""
AGAIN_SECONDS = 30.0
"""Before another try where nothing can be watched, or where the database did not take what was read."""
_NAMES_MAX = 1000
"""Links that lead round in a circle end somewhere."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where to look for changes."""

    names: frozenset[Path]
    """What leads to the files. A change of any of these counts."""
    holders: frozenset[Path]
    """Directories of which every office file counts, there already or not."""
    directories: frozenset[tuple[Path, int, int]]
    """To be watched, each with its device and number: another directory in its place must be watched anew. A new one
    may have the number of the one that went, so a change of its name counts as well."""

    @classmethod
    def of(cls, files: Iterable[Path]) -> Self:
        """Where these files and directories, and the way to each, can be seen to change. Looks at the disk."""
        files = frozenset(files)
        holders = frozenset(path for path, _, _ in _identified(files))
        links = {link for holder in holders for link in _links_in(holder)}
        names = frozenset(name for file in {*files, *links} for name in _names_on_the_way(file))
        paths = {*(name.parent for name in names), *holders}
        return cls(names, holders, frozenset(_identified(paths)))

    def concern(self, changed: Path) -> bool:
        """Whether a change of this may mean another configuration."""
        is_office = is_office_file(changed) or is_office_group(changed)
        return changed in self.names or (changed.parent in self.holders and is_office)


async def watch(
    files: Callable[[], Iterable[Path]],
    reload: Callable[[], Awaitable[bool]],
    emit: Callable[[Event], None],
    *,
    debounce_seconds: float,
    again_seconds: float = AGAIN_SECONDS,
) -> None:
    """Read the configuration again whenever its files have changed and are quiet again, until cancelled.

    Args:
        files: What it was read from, there or not; asked anew after each reading.
        reload: Reads it and applies it; tells whether it is worth another try by and by, though no file changes.
        emit: Takes the events.
        debounce_seconds: How long nothing may change before it is read.
        again_seconds: Before another try where files cannot be watched, or `reload` wants one.
    """
    is_told = False
    while True:
        try:
            await _watch_while_the_same(files, reload, debounce_seconds, again_seconds)
            is_told = False
        except (OSError, WatchfilesRustInternalError) as error:
            if not is_told:
                is_told = True
                emit(ConfigurationUnwatched(str(error)))
            await anyio.sleep(again_seconds)


async def _watch_while_the_same(
    files: Callable[[], Iterable[Path]],
    reload: Callable[[], Awaitable[bool]],
    debounce_seconds: float,
    again_seconds: float,
) -> None:
    """Until there may be something else to watch than at the beginning."""
    places = await anyio.to_thread.run_sync(Places.of, tuple(files()))
    changes = _Changes(places, debounce_seconds)
    try:
        while True:
            again = await reload()
            if await anyio.to_thread.run_sync(Places.of, tuple(files())) != places:
                return
            if await changes.awaited(again_seconds if again else None):
                return
    finally:
        changes.stop()


class _Changes:
    """Collects changes from its making on."""

    def __init__(self, places: Places, debounce_seconds: float) -> None:
        """Begin.

        Raises:
            OSError: It cannot be watched, for one because the system's number of watches is used up.
        """
        self._places = places
        self._watched = frozenset(path for path, _, _ in places.directories)
        self._debounce_seconds = debounce_seconds
        self._step_seconds = min(debounce_seconds, STEP_SECONDS_MAX)
        self._over = threading.Event()
        self._limiter = anyio.CapacityLimiter(1)
        self._watcher = RustNotify(
            sorted(map(str, self._watched)),
            debug=False,
            force_polling=False,
            poll_delay_ms=0,
            recursive=False,
            ignore_permission_denied=True,
        )

    def stop(self) -> None:
        """End the thread that waits, if one does. The system's watches go with the object."""
        self._over.set()

    async def awaited(self, within_seconds: float | None) -> bool:
        """Wait until something has changed that matters and all has been quiet since, or for so long.

        Returns:
            Whether a directory that is watched may be another one now, of which nothing would be heard.
        """
        begun = anyio.current_time()
        while not (changed := await self._next(within_seconds or 0)):
            if within_seconds is not None and anyio.current_time() - begun >= within_seconds:
                return False
        changed_at = anyio.current_time()
        latest = changed_at + QUIET_TIMES_MAX * self._debounce_seconds
        while (left := min(changed_at + self._debounce_seconds, latest) - anyio.current_time()) > 0:
            if more := await self._next(left):
                changed |= more
                changed_at = anyio.current_time()
        return not changed.isdisjoint(self._watched)

    async def _next(self, timeout_seconds: float) -> set[Path]:
        """The next changes that matter; there may be none after so long, where 0 means for ever."""
        timeout_ms = 0 if not timeout_seconds else max(1, round(timeout_seconds * 1000))
        step_ms = max(1, round(self._step_seconds * 1000))
        told = await anyio.to_thread.run_sync(
            self._watcher.watch, step_ms, step_ms, timeout_ms, self._over, abandon_on_cancel=True, limiter=self._limiter
        )
        return (
            set() if isinstance(told, str) else {path for _, name in told if self._places.concern(path := Path(name))}
        )


def _names_on_the_way(path: Path) -> Iterator[Path]:
    """Every name that the system passes on the way to `path`, links followed: any of them can be made another."""
    seen: set[Path] = set()
    left = [path]
    while left and len(seen) < _NAMES_MAX:
        name = left.pop()
        if name in seen:
            continue
        seen.add(name)
        yield name
        left += [name.parent, *_target(name)]


def _target(name: Path) -> list[Path]:
    try:
        return [Path(os.path.realpath(name.parent)) / name.readlink()]
    except OSError:
        return []


def _links_in(directory: Path) -> list[Path]:
    try:
        with os.scandir(directory) as entries:
            return [directory / each.name for each in entries if each.is_symlink() and is_office_file(Path(each.name))]
    except OSError:
        return []


def _identified(paths: Iterable[Path]) -> Iterator[tuple[Path, int, int]]:
    """Those that are directories which this user may watch."""
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        if stat.S_ISDIR(status.st_mode) and os.access(path, os.R_OK):
            yield path, status.st_dev, status.st_ino
