import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import anyio
import pytest

from oddaemon.store import snapshots
from oddaemon.store.errors import DatabaseUnusable
from oddaemon.store.sqlite.connection import WAL_BYTES_MAX, SqliteDatabase
from oddaemon.store.sqlite.location import get_wal_bytes
from oddaemon.store.sqlite.maintenance import vacuum
from oddaemon.store.sqlite.maintenance.health_check import require_healthy, try_writing
from tests.store.held_database import hold_reading
from tests.store.paused_statement import paused_statement
from tests.store.released import restore_database
from tests.store.samples import ELM, NOW, make_balances, make_snapshot, make_state

PAGE_AND_HEADERS_BYTES = 4096 + 24 + 32
"""Of a log with a single page."""


async def test_a_checkpoint_empties_the_log_but_for_the_mark_of_an_open_database(database: SqliteDatabase) -> None:
    await snapshots.publish(database, ELM, make_snapshot(make_balances(500)), make_state(), NOW)
    log = database.path.with_name(database.path.name + "-wal")
    assert log.stat().st_size > PAGE_AND_HEADERS_BYTES
    assert await vacuum.checkpoint_wal(database)
    assert log.stat().st_size == PAGE_AND_HEADERS_BYTES
    assert len(await snapshots.load_balances(database, ELM)) == 500


async def test_a_checkpoint_gives_way_to_a_reader(database: SqliteDatabase) -> None:
    await database.execute_one("PRAGMA busy_timeout = 1")
    with hold_reading(database):
        await snapshots.publish(database, ELM, make_snapshot(make_balances(5)), make_state(), NOW)
        assert not await vacuum.checkpoint_wal(database)


async def test_a_log_that_no_reader_holds_any_more_shrinks_again(database: SqliteDatabase) -> None:
    with hold_reading(database):
        await database.execute_one(f"CREATE TABLE large AS SELECT zeroblob({3 * WAL_BYTES_MAX})")
        assert get_wal_bytes(database.path) > 2 * WAL_BYTES_MAX
    await database.execute_one("PRAGMA wal_checkpoint(PASSIVE)")
    await try_writing(database)
    assert get_wal_bytes(database.path) <= WAL_BYTES_MAX
    await database.execute_one("PRAGMA wal_checkpoint(PASSIVE)")
    await try_writing(database)
    assert get_wal_bytes(database.path) <= WAL_BYTES_MAX


async def test_a_sound_database_has_no_problems_even_while_it_is_written(database: SqliteDatabase) -> None:
    await snapshots.publish(database, ELM, make_snapshot(make_balances(500)), make_state(), NOW)
    async with database.transaction():
        assert await vacuum.check_integrity(database) == []


async def test_a_damaged_page_is_found_and_named(database: SqliteDatabase) -> None:
    await snapshots.publish(database, ELM, make_snapshot(make_balances(2000)), make_state(), NOW)
    await vacuum.checkpoint_wal(database)
    ((page,),) = await database.execute_one("SELECT rootpage FROM sqlite_master WHERE name = 'balance_current'")
    with database.path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    problems = await vacuum.check_integrity(database)
    assert 0 < len(problems) <= vacuum.PROBLEMS_MAX


async def test_a_cancelled_check_does_not_hold_up_a_shutdown(database: SqliteDatabase) -> None:
    await snapshots.publish(database, ELM, make_snapshot(make_balances(2000)), make_state(), NOW)
    with anyio.move_on_after(0) as scope:
        await vacuum.check_integrity(database)
    assert scope.cancelled_caught


def get_size_bytes(database: SqliteDatabase) -> int:
    return database.path.stat().st_size


async def make_free_pages(database: SqliteDatabase, guarantors: int = 20_000) -> None:
    await snapshots.publish(database, ELM, make_snapshot(make_balances(guarantors)), make_state(), NOW)
    await vacuum.checkpoint_wal(database)
    await database.execute_one("DELETE FROM balance")


async def test_free_pages_go_back_to_the_disk_but_for_what_the_next_nights_need(database: SqliteDatabase) -> None:
    await make_free_pages(database)
    before = get_size_bytes(database)
    done = await vacuum.run_incremental_vacuum(database)
    assert before > 1_000_000
    assert get_size_bytes(database) < 500_000
    assert done.freed_bytes > 700_000
    assert await vacuum.check_integrity(database) == []
    assert (await vacuum.run_incremental_vacuum(database)).freed_bytes == 0


async def test_a_database_that_gives_back_is_not_taken_for_one_that_was_cut_off(database: SqliteDatabase) -> None:
    await make_free_pages(database)
    await require_healthy(database)
    with hold_reading(database):
        # A reader keeps the log from being folded back, so the file shrinks at some later commit of another connection.
        files = database.file_guard
        files.allow_shrink_to(8192)
        await database.run_pragma_to_end("incremental_vacuum(512)")
        await database.execute_one("PRAGMA busy_timeout = 1")
        assert not await vacuum.checkpoint_wal(database)
    await require_healthy(database)
    before = get_size_bytes(database)
    await database.execute_one("PRAGMA wal_checkpoint(PASSIVE)")
    assert get_size_bytes(database) < before
    # What is written now stands in the log, so the file is smaller than the database.
    await snapshots.publish(database, ELM, make_snapshot(make_balances(3000, seed=2), 2), make_state(), NOW)
    await require_healthy(database)


async def test_a_file_cut_off_after_a_vacuum_is_noticed(database: SqliteDatabase) -> None:
    await make_free_pages(database)
    await vacuum.run_incremental_vacuum(database)
    await require_healthy(database)
    with database.path.open("r+b") as file:
        file.truncate(3 * 4096)
    with pytest.raises(DatabaseUnusable, match="damaged"):
        await require_healthy(database)


async def test_a_database_keeps_account_of_its_free_pages_from_its_first_day(database: SqliteDatabase) -> None:
    assert await database.execute_one("PRAGMA auto_vacuum") == [(2,)]


async def test_an_older_database_learns_it_when_it_is_migrated(path: Path) -> None:
    restore_database("0001", path)
    async with SqliteDatabase.open(str(path)) as database:
        assert database.open_result.previous_revision == "0001"
        assert await database.execute_one("PRAGMA auto_vacuum") == [(2,)]


async def test_a_vacuum_whose_owner_is_cancelled_is_broken_off(database: SqliteDatabase) -> None:
    # A file of some gigabytes takes minutes, and a daemon that stops has one.
    await make_free_pages(database)
    free = await database.read_pragma("freelist_count")
    incidents: list[DatabaseUnusable] = []
    database._on_error = incidents.append
    async with paused_statement(database) as pause, anyio.create_task_group() as tasks:
        tasks.start_soon(vacuum.vacuum, database)
        await pause.wait_until_reached()
        tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await pause.resume()
    assert free > 100
    assert await database.read_pragma("freelist_count") == free
    assert not incidents
    await vacuum.vacuum(database)
    assert await database.read_pragma("freelist_count") == 0


async def test_a_vacuum_that_fails_says_why(database: SqliteDatabase) -> None:
    await make_free_pages(database)
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        await database.execute_one("PRAGMA busy_timeout = 1")
        with pytest.raises(DatabaseUnusable, match="locked"):
            await vacuum.vacuum(database)


async def test_a_vacuum_writes_its_copy_beside_the_database(database: SqliteDatabase) -> None:
    await snapshots.publish(database, ELM, make_snapshot(make_balances(5_000)), make_state(), NOW)
    seen: set[str] = set()

    def look() -> None:
        for each in Path("/proc/self/fd").iterdir():
            with suppress(OSError):
                seen.add(str(each.readlink()))

    writer = database._require_writer()
    # What fits into the cache is not written.
    await database.execute_one("PRAGMA cache_size = 10")
    await writer.driver.set_progress_handler(look, 50)
    await vacuum.vacuum(database)
    temporary = [each for each in seen if "etilqs_" in each]
    assert temporary
    assert {Path(each).parent for each in temporary} == {database.path.parent}
