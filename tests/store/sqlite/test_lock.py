import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from oddaemon.store.errors import DatabaseLocked
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.lock import get_lock_path
from tests.golden import GoldenTexts

HOLD_LOCK_SCRIPT = """
import sys
import anyio
from oddaemon.store.sqlite.connection import SqliteDatabase

async def hold():
    async with SqliteDatabase.open(sys.argv[1]):
        print("held", flush=True)
        await anyio.sleep_forever()

anyio.run(hold)
"""


@contextmanager
def locking_process(path: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", HOLD_LOCK_SCRIPT, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


async def test_the_second_daemon_learns_who_holds_the_database(path: Path, golden: GoldenTexts) -> None:
    with locking_process(path), pytest.raises(DatabaseLocked) as caught:
        async with SqliteDatabase.open(str(path)):
            pass
    text = str(caught.value)
    golden.check(text)


async def test_a_killed_daemon_frees_the_database_by_itself(path: Path) -> None:
    with locking_process(path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert str(process.pid) in get_lock_path(path).read_text()
        async with SqliteDatabase.open(str(path)):
            assert f'"pid":{os.getpid()}' in get_lock_path(path).read_text()


async def test_a_daemon_that_holds_the_database_does_not_keep_readers_out(path: Path) -> None:
    with locking_process(path):
        async with SqliteDatabase.open_for_reading(str(path)) as database:
            assert database.path == path


async def test_nothing_of_a_longer_text_left_by_another_holder_remains(path: Path) -> None:
    get_lock_path(path).write_text("x" * 5000)
    async with SqliteDatabase.open(str(path)):
        with pytest.raises(DatabaseLocked, match=f"process {os.getpid()}"):
            async with SqliteDatabase.open(str(path)):
                pass


async def test_one_process_cannot_open_it_twice_either(database: SqliteDatabase) -> None:
    with pytest.raises(DatabaseLocked, match=f"process {os.getpid()}"):
        async with SqliteDatabase.open(str(database.path)):
            pass


async def test_another_name_of_the_file_leads_to_the_same_lock(database: SqliteDatabase, tmp_path: Path) -> None:
    (tmp_path / "alias.db").symlink_to(database.path)
    with pytest.raises(DatabaseLocked):
        async with SqliteDatabase.open(str(tmp_path / "alias.db")):
            pass


@pytest.mark.parametrize("content", ['{"pid":1,"host":"elsewhere","since":"2020-01-01T00:00:00Z"}', "", "\x00\xff{"])
async def test_a_copied_lock_file_means_nothing(path: Path, content: str) -> None:
    get_lock_path(path).write_text(content)
    async with SqliteDatabase.open(str(path)):
        pass


@pytest.mark.parametrize("content", ["", "nonsense"])
async def test_a_holder_that_has_not_said_who_it_is_still_holds(database: SqliteDatabase, content: str) -> None:
    get_lock_path(database.path).write_text(content)
    with pytest.raises(DatabaseLocked, match="fuser"):
        async with SqliteDatabase.open(str(database.path)):
            pass


async def test_closing_frees_the_database(path: Path) -> None:
    for _ in range(2):
        async with SqliteDatabase.open(str(path)):
            pass
    assert get_lock_path(path).read_text() == ""
