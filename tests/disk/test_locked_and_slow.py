"""Another program keeps the database locked, or the disk takes its time."""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from oddaemon.store import offices, snapshots
from oddaemon.store.errors import DatabaseUnusable
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.maintenance import health_check
from oddaemon.store.sqlite.maintenance.health_check import require_healthy, try_writing
from tests.store.samples import ELM, make_state

LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked_database(path: Path) -> Iterator[None]:
    """Another process has the database for itself."""
    command = [sys.executable, "-c", LOCK, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        try:
            yield
        finally:
            process.kill()


async def test_a_lock_is_explained_and_over_when_it_is_released(database: SqliteDatabase) -> None:
    await database.execute_one("PRAGMA busy_timeout = 1")
    with locked_database(database.path):
        for attempt in (offices.save_state(database, ELM, make_state(attempts=8)), try_writing(database)):
            with pytest.raises(DatabaseUnusable, match=r"another program keeps it locked\. Close") as caught:
                await attempt
            assert caught.value.is_transient
        assert len(await snapshots.load_balances(database, ELM)) == 30
        await require_healthy(database)
    await try_writing(database)
    await offices.save_state(database, ELM, make_state(attempts=8))
    assert await offices.load_state(database, ELM) == make_state(attempts=8)


async def test_a_short_lock_is_waited_for(database: SqliteDatabase) -> None:
    async with anyio.create_task_group() as tasks:
        with locked_database(database.path):
            tasks.start_soon(offices.save_state, database, ELM, make_state(attempts=8))
            await anyio.wait_all_tasks_blocked()
            assert database.writing_since is not None
    assert await offices.load_state(database, ELM) == make_state(attempts=8)


@pytest.fixture
def stalled(database: SqliteDatabase) -> Iterator[threading.Event]:
    """Every change of an office waits in SQLite's thread until this is set: what a disk that hangs looks like."""
    assert database._writer is not None
    go_on = threading.Event()
    raw = database._writer.driver._conn
    raw.create_function("stall", 0, lambda: go_on.wait(60) and 0)
    raw.execute("CREATE TEMP TRIGGER stalled BEFORE UPDATE ON office BEGIN SELECT stall(); END")
    yield go_on
    go_on.set()


async def test_a_hanging_write_is_reported_and_over_when_it_returns(
    database: SqliteDatabase, stalled: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_check, "STUCK_SECONDS", 0.02)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(offices.save_state, database, ELM, make_state(attempts=8))
        await wait_until_stuck(database)
        with anyio.fail_after(120):
            assert len(await snapshots.load_balances(database, ELM)) == 30
        stalled.set()
    assert not await is_stuck(database)
    assert database.slowest_write_seconds > 0.02
    assert await offices.load_state(database, ELM) == make_state(attempts=8)


async def wait_until_stuck(database: SqliteDatabase) -> None:
    with anyio.fail_after(120):
        while not await is_stuck(database):  # noqa: ASYNC110 - nothing happens that could be awaited but that time passes
            await anyio.sleep(0.001)


async def is_stuck(database: SqliteDatabase) -> bool:
    try:
        await require_healthy(database)
    except DatabaseUnusable as error:
        return "waiting for the disk" in error.what and error.is_transient
    return False


async def test_a_slow_disk_does_not_hold_up_the_event_loop(database: SqliteDatabase, stalled: threading.Event) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(offices.save_state, database, ELM, make_state(attempts=8))
        await anyio.wait_all_tasks_blocked()
        assert database.writing_since is not None
        began = anyio.current_time()
        await anyio.sleep(0.01)
        assert anyio.current_time() - began < 30
        stalled.set()


async def test_a_lock_at_the_start_is_explained(path: Path) -> None:
    sqlite3.connect(path).close()
    with locked_database(path), pytest.raises(DatabaseUnusable, match="another program keeps it locked") as caught:
        async with SqliteDatabase.open(str(path)):
            pass
    assert caught.value.is_transient
