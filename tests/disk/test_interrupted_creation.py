"""A database whose creation did not come to its end: the next start finishes it."""

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from oddaemon.store import offices
from oddaemon.store.errors import DatabaseUnusable
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.maintenance.integrity import verify
from oddaemon.store.sqlite.upgrade import enable_incremental_vacuum
from tests.store.filled_database import fill_database

OPEN = """
import resource, sys
import anyio
from oddaemon.store.errors import StoreError
from oddaemon.store.sqlite import upgrade
from oddaemon.store.sqlite.connection import SqliteDatabase

async def open_database(path):
    async with SqliteDatabase.open(path):
        pass

limit, number, path = sys.argv[1:]
anyio.run(open_database, path + ".warm")  # what is imported on the way needs descriptors, too
resource.setrlimit(getattr(resource, limit), (int(number), int(number)))
try:
    anyio.run(open_database, path)
except StoreError as error:
    print(error)
    sys.exit(1)
"""


def open_with_limit(path: Path, limit: str, number: int) -> tuple[int, str]:
    command = [sys.executable, "-c", OPEN, limit, str(number), str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert "Traceback" not in ended.stderr, ended.stderr[-1000:]
    return ended.returncode, ended.stdout


async def assert_usable(path: Path) -> None:
    async with SqliteDatabase.open(str(path)) as database:
        await fill_database(database)
        assert len(await offices.list_all(database)) == 2
    assert verify(path).problems == []


@pytest.mark.parametrize("bytes_max", [0, 4096, 20_000, 100_000])
async def test_after_a_creation_without_space_the_next_start_succeeds(path: Path, bytes_max: int) -> None:
    status, message = open_with_limit(path, "RLIMIT_FSIZE", bytes_max)
    assert (status, "cannot be used" in message) == (1, True)
    await assert_usable(path)


@pytest.mark.parametrize("descriptors", range(6, 13))
async def test_after_a_creation_without_descriptors_the_next_start_succeeds(path: Path, descriptors: int) -> None:
    status, message = open_with_limit(path, "RLIMIT_NOFILE", descriptors)
    assert status == 0 or "limit on open files" in message
    await assert_usable(path)


async def test_after_a_kill_in_the_middle_of_its_commit_the_next_start_succeeds(path: Path) -> None:
    make_half_written(path)
    with pytest.raises(DatabaseUnusable, match=r"interrupted transaction.*Start the daemon"):
        async with SqliteDatabase.open_for_reading(str(path)):
            pass
    await assert_usable(path)


def make_half_written(path: Path) -> None:
    """The files as a process leaves them that is killed while it writes the pages of its first transaction."""
    original = path.with_name("original.db")
    enable_incremental_vacuum(original)
    with closing(sqlite3.connect(original, isolation_level=None)) as connection:
        # Without a cache the pages are written before the commit.
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN IMMEDIATE")
        for number in range(200):
            connection.execute(f"CREATE TABLE t{number} (x)")
        for suffix in ("", "-journal"):
            shutil.copy(f"{original}{suffix}", f"{path}{suffix}")
