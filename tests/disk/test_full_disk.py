"""The disk fills up in the middle of a publish: nothing of it remains, and once there is room it succeeds."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from oddaemon.store import offices, open_pulls, snapshots
from oddaemon.store.errors import DatabaseUnusable
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.maintenance.backup import back_up
from oddaemon.store.sqlite.maintenance.health_check import try_writing
from oddaemon.store.sqlite.maintenance.integrity import verify
from oddaemon.store.sqlite.maintenance.vacuum import checkpoint_wal
from tests.store.filled_database import dump_database, fill_database, make_true_snapshot
from tests.store.samples import ELM, NOW, make_balances, make_checkpoint, make_state

LARGE = make_true_snapshot(make_balances(2000, seed=3), day=4)
PAGE_BYTES = 4096


async def publish(database: SqliteDatabase) -> None:
    await snapshots.publish(database, ELM, LARGE, make_state(attempts=9), NOW)


async def is_published(database: SqliteDatabase, refusal: str) -> bool:
    """Whether it was; where not, the refusal must read so and be one that passes."""
    try:
        await publish(database)
    except DatabaseUnusable as error:
        if refusal not in str(error) or not error.is_transient:
            raise
        return False
    return True


async def assert_published(database: SqliteDatabase) -> None:
    assert await snapshots.load_balances(database, ELM) == list(LARGE.balances)
    assert await offices.load_state(database, ELM) == make_state(attempts=9)
    assert verify(database.path).problems == []


async def test_whatever_page_is_the_last_one_a_publish_is_whole_or_nothing(database: SqliteDatabase) -> None:
    before = dump_database(database.path)
    ((pages,),) = await database.execute_one("PRAGMA page_count")
    refused = 0
    for more in range(200):
        await database.execute_one(f"PRAGMA max_page_count = {pages + more}")
        if await is_published(database, "the disk is full. Free some space"):
            break
        refused += 1
        assert dump_database(database.path) == before
    assert refused > 10
    await assert_published(database)


@contextmanager
def file_size_limit(size_bytes: int) -> Iterator[None]:
    """No file of this process grows beyond this size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_whatever_byte_of_the_log_is_the_last_one_a_publish_is_whole_or_nothing(database: SqliteDatabase) -> None:
    before = dump_database(database.path)
    log = database.path.with_name("oddaemon.db-wal")
    written_bytes, refused = _get_size(log), 0
    for more in range(0, 200 * PAGE_BYTES, PAGE_BYTES + 1234):
        with file_size_limit(written_bytes + more):
            if await is_published(database, "Check the kernel's log"):
                break
        refused += 1
        assert dump_database(database.path) == before
    assert refused > 10
    await assert_published(database)


def _get_size(path: Path) -> int:
    return path.stat().st_size


def fill_disk_except(disk: Path, left_bytes: int) -> Path:
    """Leave so much room on a disk."""
    filler = disk / "filler"
    found = os.statvfs(disk)
    filler.write_bytes(bytes(found.f_bavail * found.f_frsize - left_bytes))
    return filler


@pytest.mark.parametrize("left_pages", [0, 1, 7, 30])
async def test_on_a_disk_that_is_full_nothing_is_half_published(small_disk: Path, left_pages: int) -> None:
    path = small_disk / "oddaemon.db"
    async with SqliteDatabase.open(str(path)) as database:
        await fill_database(database)
        before = dump_database(path)
        filler = fill_disk_except(small_disk, left_pages * PAGE_BYTES)
        with pytest.raises(DatabaseUnusable, match="the disk is full"):
            await publish(database)
        assert dump_database(path) == before
        filler.unlink()
        await publish(database)
        await assert_published(database)


async def test_a_daemon_killed_on_a_full_disk_finds_everything_again(small_disk: Path) -> None:
    path = small_disk / "oddaemon.db"
    async with SqliteDatabase.open(str(path)) as database:
        await fill_database(database)
        before = dump_database(path)
        filler = fill_disk_except(small_disk, 5 * PAGE_BYTES)
        with pytest.raises(DatabaseUnusable):
            await publish(database)
    filler.unlink()
    async with SqliteDatabase.open(str(path)) as database:
        assert dump_database(path) == before
        await publish(database)


async def test_a_page_that_does_not_fit_moves_no_checkpoint(small_disk: Path) -> None:
    path = small_disk / "oddaemon.db"
    async with SqliteDatabase.open(str(path)) as database:
        await fill_database(database)
        await open_pulls.begin(database, ELM, make_balances(100), make_checkpoint(397))
        staged = await open_pulls.load(database, ELM)
        filler = fill_disk_except(small_disk, 0)
        with pytest.raises(DatabaseUnusable, match="the disk is full"):
            await open_pulls.add_page(database, ELM, make_balances(2000), make_checkpoint(9999))
        assert await open_pulls.load(database, ELM) == staged
        filler.unlink()
        await open_pulls.add_page(database, ELM, make_balances(2000), make_checkpoint(9999))


async def test_a_small_write_that_fits_into_the_log_does_not_prove_that_there_is_room(small_disk: Path) -> None:
    path = small_disk / "oddaemon.db"
    async with SqliteDatabase.open(str(path)) as database:
        await fill_database(database)
        await database.execute_one("PRAGMA wal_checkpoint(PASSIVE)")
        filler = fill_disk_except(small_disk, 0)
        await offices.save_state(database, ELM, make_state(attempts=1))
        with pytest.raises(DatabaseUnusable, match="the disk is full"):
            await try_writing(database)
        filler.unlink()
        await try_writing(database)


async def test_a_wal_checkpoint_on_a_full_disk_loses_nothing(small_disk: Path) -> None:
    path = small_disk / "oddaemon.db"
    async with SqliteDatabase.open(str(path)) as database:
        await fill_database(database)
        await publish(database)
        fill_disk_except(small_disk, 0)
        with pytest.raises(DatabaseUnusable, match="the disk is full"):
            await checkpoint_wal(database)
        await assert_published(database)


async def test_a_backup_to_a_full_disk_leaves_nothing_there(database: SqliteDatabase, small_disk: Path) -> None:
    fill_disk_except(small_disk, 3 * PAGE_BYTES)
    with pytest.raises(
        DatabaseUnusable, match=r"it needs [\d.]+ (kB|MB), but the disk has only ([\d.]+ kB|\d+ bytes) free"
    ):
        back_up(database.path, small_disk / "backup.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("oddaemon.store.sqlite.maintenance.backup.require_space", lambda *_: None)
        with pytest.raises(DatabaseUnusable, match=r"The backup .* cannot be made: the disk is full"):
            back_up(database.path, small_disk / "backup.db")
    assert [each.name for each in _list_directory(small_disk)] == ["filler"]


def _list_directory(directory: Path) -> list[Path]:
    return list(directory.iterdir())


async def test_a_database_that_does_not_fit_on_its_disk_from_the_start_is_explained(small_disk: Path) -> None:
    filler = fill_disk_except(small_disk, 0)
    with pytest.raises(DatabaseUnusable) as caught:
        async with SqliteDatabase.open(str(small_disk / "oddaemon.db")):
            pass
    assert caught.value.is_transient
    filler.unlink()
    async with SqliteDatabase.open(str(small_disk / "oddaemon.db")) as database:
        await fill_database(database)
