"""On a network file system nothing reports a change that another host made: it is found all the same."""

import os
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from oddaemon.engine.config import file_watcher
from oddaemon.engine.config.file_watcher import LOOK_SECONDS, watch
from tests.engine.config.test_file_watcher import ReloadRecorder


async def hear_nothing(_collector: object, timeout_seconds: float) -> set[Path]:
    """What inotify says of a change on the other side of a mount."""
    await anyio.sleep(timeout_seconds)
    return set()


def fail_to_watch(*_args: object, **_options: object) -> None:
    raise OSError("OS file watch limit reached")


def write_in_place(etc: Path) -> None:
    (etc / "offices.d/elm.toml").write_text("new office")


def keep_the_size(etc: Path) -> None:
    (etc / "offices.d/elm.toml").write_text("ELM")
    os.utime(etc / "offices.d/elm.toml", ns=(1, 1))


def add_a_file(etc: Path) -> None:
    (etc / "offices.d/oak.toml").write_text("oak")


def remove_a_file(etc: Path) -> None:
    (etc / "offices.d/elm.toml").unlink()


def change_a_key(etc: Path) -> None:
    (etc / "keys/elm.key").write_text("another key")


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    for name, text in {"oddaemon.toml": "main", "offices.d/elm.toml": "elm", "keys/elm.key": "key"}.items():
        (tmp_path / "etc" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "etc" / name).write_text(text)
    return tmp_path / "etc"


@pytest.mark.parametrize("is_watchable", [True, False])
@pytest.mark.parametrize("edit", [write_in_place, keep_the_size, add_a_file, remove_a_file, change_a_key])
async def test_an_edit_that_nothing_reports_is_found_within_a_minute(
    etc: Path, monkeypatch: pytest.MonkeyPatch, edit: Callable[[Path], None], is_watchable: bool
) -> None:
    if is_watchable:
        monkeypatch.setattr(file_watcher._ChangeCollector, "_next_changes", hear_nothing)
    else:
        monkeypatch.setattr(file_watcher, "RustNotify", fail_to_watch)
    recorder = ReloadRecorder(etc.parent)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: watch(lambda: recorder.files, recorder.reload, recorder.emit, debounce_seconds=1.0))
        await anyio.sleep(10 * LOOK_SECONDS)
        before = len(recorder.readings)
        assert before <= 1, "files that did not change are not read again"
        edit(etc)
        await anyio.sleep(LOOK_SECONDS + 1)
        assert len(recorder.readings) > before
        assert recorder.readings[-1] == recorder._read()
        tasks.cancel_scope.cancel()
