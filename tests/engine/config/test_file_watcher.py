"""Files change in many ways; whichever it was, the configuration is read again, once all is quiet.

The kernel reports it, so the files and the time are real here. Nothing waits for a time: only for the next reading.
"""

import resource
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from oddaemon.engine.config.file_watcher import watch
from oddaemon.telemetry.events.base import Event

TIMEOUT_SECONDS = 120.0
DEBOUNCE_SECONDS = 0.05


@pytest.fixture
def anyio_backend() -> str:
    """Real time."""
    return "asyncio"


class ReloadRecorder:
    """Reads all files on request, as a reload does."""

    def __init__(self, root: Path, *, tries_again: bool = False) -> None:
        self.files = {root / "etc/oddaemon.toml", root / "etc/offices.d", root / "etc/keys/elm.key"}
        self.readings: list[dict[str, str]] = []
        self.events: list[Event] = []
        self._wants_retry = tries_again
        self._changed = anyio.Event()

    async def reload(self) -> bool:
        await anyio.lowlevel.checkpoint()
        self.readings.append(self._read())
        self._changed.set()
        return self._wants_retry

    def emit(self, event: Event) -> None:
        self.events.append(event)
        self._changed.set()

    def _read(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for file in self.files:
            try:
                paths = sorted(file.glob("*.toml")) if file.is_dir() else [file]
                found |= {path.name: path.read_text() for path in paths}
            except FileNotFoundError:
                continue
        return found

    async def wait_until(self, reached: Callable[[], bool]) -> None:
        with anyio.fail_after(TIMEOUT_SECONDS):
            while not reached():
                self._changed = anyio.Event()
                await self._changed.wait()


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """Where a configuration with one office lies."""
    (tmp_path / "etc/offices.d").mkdir(parents=True)
    (tmp_path / "etc/keys").mkdir()
    (tmp_path / "etc/oddaemon.toml").write_text("main")
    (tmp_path / "etc/offices.d/elm.toml").write_text("elm")
    (tmp_path / "etc/keys/elm.key").write_text("key")
    return tmp_path / "etc"


@asynccontextmanager
async def running_watcher(
    etc: Path, reader: ReloadRecorder | None = None, **how: float
) -> AsyncIterator[ReloadRecorder]:
    reader = reader or ReloadRecorder(etc.parent)
    how = {"debounce_seconds": DEBOUNCE_SECONDS, **how}
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: watch(lambda: reader.files, reader.reload, reader.emit, **how))
        await reader.wait_until(lambda: len(reader.readings) >= 1)
        yield reader
        tasks.cancel_scope.cancel()


def write_in_place(etc: Path) -> None:
    (etc / "offices.d/elm.toml").write_text("new")


def replace_by_rename(etc: Path) -> None:
    (etc / "offices.d/.elm.toml.swp").write_text("new")
    (etc / "offices.d/.elm.toml.swp").rename(etc / "offices.d/elm.toml")


def replace_with_backup(etc: Path) -> None:
    """The old one is moved away before there is a new one."""
    (etc / "offices.d/elm.toml").rename(etc / "offices.d/elm.toml~")
    (etc / "offices.d/elm.toml").write_text("new")


def move_from_elsewhere(etc: Path) -> None:
    (etc.parent / "elm.toml").write_text("new")
    (etc.parent / "elm.toml").rename(etc / "offices.d/elm.toml")


def replace_directory(etc: Path) -> None:
    (etc / "offices.new").mkdir()
    (etc / "offices.new/elm.toml").write_text("new")
    (etc / "offices.d").rename(etc / "offices.old")
    (etc / "offices.new").rename(etc / "offices.d")


def recreate_directory(etc: Path) -> None:
    shutil.rmtree(etc / "offices.d")
    (etc / "offices.d").mkdir()
    (etc / "offices.d/elm.toml").write_text("new")


def replace_whole_tree(etc: Path) -> None:
    shutil.copytree(etc, etc.with_name("etc.new"))
    (etc.with_name("etc.new") / "offices.d/elm.toml").write_text("new")
    etc.rename(etc.with_name("etc.old"))
    etc.with_name("etc.new").rename(etc)


def replace_by_link(etc: Path) -> None:
    (etc.parent / "far/away").mkdir(parents=True)
    (etc.parent / "far/away/elm.toml").write_text("new")
    (etc / "offices.d/elm.toml").unlink()
    (etc / "offices.d/elm.toml").symlink_to("../../far/away/elm.toml")


CHANGES = [
    write_in_place,
    replace_by_rename,
    replace_with_backup,
    move_from_elsewhere,
    replace_directory,
    recreate_directory,
    replace_whole_tree,
    replace_by_link,
]


@pytest.mark.parametrize("changed", CHANGES, ids=lambda way: way.__name__)
async def test_however_a_file_is_changed_it_is_read_and_watched_on(etc: Path, changed: Callable[[Path], None]) -> None:
    async with running_watcher(etc) as reader:
        changed(etc)
        await reader.wait_until(lambda: reader.readings[-1].get("elm.toml") == "new")
        (etc / "offices.d/elm.toml").write_text("newer")
        await reader.wait_until(lambda: reader.readings[-1].get("elm.toml") == "newer")
        (etc / "offices.d/oak.toml").write_text("oak")
        await reader.wait_until(lambda: "oak.toml" in reader.readings[-1])
        (etc / "offices.d/oak.toml").unlink()
        await reader.wait_until(lambda: "oak.toml" not in reader.readings[-1])
    assert reader.events == []


@pytest.mark.parametrize("name", ["oddaemon.toml", "keys/elm.key"])
async def test_the_main_file_and_every_key_count_as_well(etc: Path, name: str) -> None:
    async with running_watcher(etc) as reader:
        (etc / name).write_text("new")
        await reader.wait_until(lambda: reader.readings[-1][Path(name).name] == "new")
        (etc / name).unlink()
        await reader.wait_until(lambda: Path(name).name not in reader.readings[-1])
        (etc / name).write_text("again")
        await reader.wait_until(lambda: reader.readings[-1].get(Path(name).name) == "again")


async def test_a_key_that_was_missing_with_its_directory_is_found_when_it_comes(etc: Path) -> None:
    shutil.rmtree(etc / "keys")
    async with running_watcher(etc) as reader:
        (etc / "keys").mkdir()
        (etc / "keys/elm.key").write_text("key")
        await reader.wait_until(lambda: "elm.key" in reader.readings[-1])


async def test_a_file_behind_links_that_are_swapped_as_a_whole_is_read(etc: Path) -> None:
    """As mounted configurations are: the file is a link into `..data`, which is a link to a dated directory."""
    offices = etc / "offices.d"
    for version in ("1", "2"):
        (offices / f"..{version}").mkdir()
        (offices / f"..{version}/elm.toml").write_text(version)
    (offices / "..data").symlink_to("..1")
    (offices / "elm.toml").unlink()
    (offices / "elm.toml").symlink_to("..data/elm.toml")
    async with running_watcher(etc) as reader:
        (offices / "..new").symlink_to("..2")
        (offices / "..new").rename(offices / "..data")
        await reader.wait_until(lambda: reader.readings[-1].get("elm.toml") == "2")


async def test_a_new_file_to_watch_is_watched_from_the_reading_on_that_named_it(etc: Path) -> None:
    async with running_watcher(etc) as reader:
        far = etc.parent / "secrets/oak.key"
        reader.files.add(far)
        write_in_place(etc)
        await reader.wait_until(lambda: reader.readings[-1].get("elm.toml") == "new")
        far.parent.mkdir()
        far.write_text("key")
        await reader.wait_until(lambda: "oak.key" in reader.readings[-1])


async def test_changes_made_before_the_watch_began_are_found(etc: Path) -> None:
    reader = ReloadRecorder(etc.parent)
    write_in_place(etc)
    async with running_watcher(etc, reader):
        assert reader.readings[0]["elm.toml"] == "new"


async def test_five_hundred_files_at_once_are_read_once(etc: Path) -> None:
    async with running_watcher(etc, debounce_seconds=0.5) as reader:
        before, began = len(reader.readings), anyio.current_time()
        for number in range(500):
            (etc / f"offices.d/{number}.toml").write_text(str(number))
        await reader.wait_until(lambda: len(reader.readings[-1]) >= 503)
    # One in the middle and one after it; on a machine that takes long to write them, one more for each debounce.
    assert len(reader.readings) - before <= 2 + (anyio.current_time() - began) // 0.5


@pytest.mark.real("waits for a real file watcher")
async def test_files_that_never_rest_are_read_all_the_same(etc: Path) -> None:
    async with running_watcher(etc, debounce_seconds=0.2) as reader, anyio.create_task_group() as tasks:
        tasks.start_soon(_write_forever, etc / "offices.d/elm.toml")
        await reader.wait_until(lambda: len(reader.readings) >= 3)
        tasks.cancel_scope.cancel()


async def _write_forever(path: Path) -> None:
    while True:
        write_in_place(path.parents[1])
        await anyio.sleep(0.05)


async def test_what_is_no_part_of_the_configuration_is_not_looked_at(etc: Path) -> None:
    async with running_watcher(etc) as reader:
        # Two places are looked at while they are made, and until they are the same.
        settled = len(reader.readings)
        for name in ("state.db-wal", "offices.d/.elm.toml.swp", "offices.d/#elm.toml#", "offices.d/note", "keys/x"):
            (etc / name).write_text("x")
        # By a rename: a file that is truncated and then written changes twice, which a slow machine reads twice.
        replace_by_rename(etc)
        await reader.wait_until(lambda: reader.readings[-1].get("elm.toml") == "new")
        (etc / "state.db-wal").write_text("y")
        (etc / ".oddaemon.toml.swp").write_text("last")
        (etc / ".oddaemon.toml.swp").rename(etc / "oddaemon.toml")
        await reader.wait_until(lambda: reader.readings[-1]["oddaemon.toml"] == "last")
    assert len(reader.readings) == settled + 2


async def test_a_reading_that_wants_another_try_gets_it_without_any_change(etc: Path) -> None:
    async with running_watcher(etc, ReloadRecorder(etc.parent, tries_again=True), retry_seconds=0.05) as reader:
        await reader.wait_until(lambda: len(reader.readings) >= 3)


async def test_a_system_without_watches_left_is_reported_once_and_tried_again(etc: Path) -> None:
    reader = ReloadRecorder(etc.parent)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with anyio.create_task_group() as tasks:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            how = {"debounce_seconds": DEBOUNCE_SECONDS, "retry_seconds": 0.05}
            tasks.start_soon(lambda: watch(lambda: reader.files, reader.reload, reader.emit, **how))
            await reader.wait_until(lambda: len(reader.events) >= 1)
            await anyio.sleep(0.3)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await reader.wait_until(lambda: len(reader.readings) >= 1)
        write_in_place(etc)
        await reader.wait_until(lambda: reader.readings[-1]["elm.toml"] == "new")
        tasks.cancel_scope.cancel()
    assert [event.name for event in reader.events] == ["configuration_watch_failed"]


class GroupReloadRecorder(ReloadRecorder):
    """Reads the directories in the directory of offices, too."""

    def _read(self) -> dict[str, str]:
        (offices,) = (file for file in self.files if file.name == "offices.d")
        self.files |= {path for path in offices.iterdir() if path.is_dir() and not path.name.startswith(".")}
        return super()._read()


async def test_a_directory_of_offices_that_appears_all_at_once_is_noticed_and_watched(etc: Path) -> None:
    staged = etc / "offices.d/.oddaemon-12"
    async with running_watcher(etc, GroupReloadRecorder(etc.parent)) as reader:
        staged.mkdir()
        (staged / "oak.toml").write_text("oak")
        staged.rename(etc / "offices.d/coast")
        await reader.wait_until(lambda: reader.readings[-1].get("oak.toml") == "oak")
        assert all("oak.toml" not in reading or reading["oak.toml"] == "oak" for reading in reader.readings)
        (etc / "offices.d/coast/oak.toml").write_text("new")
        await reader.wait_until(lambda: reader.readings[-1]["oak.toml"] == "new")
        shutil.rmtree(etc / "offices.d/coast")
        await reader.wait_until(lambda: "oak.toml" not in reader.readings[-1])
