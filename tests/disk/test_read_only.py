"""A directory, a file or a whole disk that may not be written to."""

from collections.abc import Callable
from pathlib import Path

import pytest

from oddaemon.store import offices
from oddaemon.store.errors import DatabaseUnusable, StoreError
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.maintenance.backup import back_up
from oddaemon.store.sqlite.maintenance.health_check import try_writing
from tests.store.filled_database import make_filled_database
from tests.store.samples import ELM, make_state

ADVICE = ("Check that its directory exists", "Give the daemon's user write permission", "Remount the disk for writing")


async def assert_write_refused(path: Path) -> None:
    with pytest.raises(DatabaseUnusable) as caught:
        async with SqliteDatabase.open(str(path)) as database:
            await offices.save_state(database, ELM, make_state())
    assert caught.value.is_transient
    assert caught.value.advice.startswith(ADVICE)
    assert str(path) in caught.value.what


def set_mode(path: Path, mode: int) -> None:
    path.chmod(mode)


async def test_a_directory_without_permission_is_explained_and_over_when_it_is_given(unprivileged: Path) -> None:
    path = unprivileged / "oddaemon.db"
    await make_filled_database(path)
    path.with_name("oddaemon.db.lock").unlink()
    set_mode(unprivileged, 0o500)
    await assert_write_refused(path)
    set_mode(unprivileged, 0o700)
    async with SqliteDatabase.open(str(path)) as database:
        await offices.save_state(database, ELM, make_state())


async def test_a_file_without_permission_is_explained_and_over_when_it_is_given(unprivileged: Path) -> None:
    path = unprivileged / "oddaemon.db"
    await make_filled_database(path)
    for mode in (0o400, 0o000):
        set_mode(path, mode)
        await assert_write_refused(path)
    set_mode(path, 0o600)
    async with SqliteDatabase.open(str(path)) as database:
        await offices.save_state(database, ELM, make_state())


async def test_a_place_that_may_not_be_made_is_explained(unprivileged: Path) -> None:
    set_mode(unprivileged, 0o500)
    await assert_write_refused(unprivileged / "state" / "oddaemon.db")


async def test_a_file_that_may_not_be_read_is_explained_to_a_reader(unprivileged: Path) -> None:
    path = unprivileged / "oddaemon.db"
    await make_filled_database(path)
    set_mode(path, 0o000)
    with pytest.raises(DatabaseUnusable, match="cannot be opened"):
        async with SqliteDatabase.open_for_reading(str(path)):
            pass
    set_mode(path, 0o600)


async def test_a_backup_into_a_directory_without_permission_is_explained(unprivileged: Path) -> None:
    path = unprivileged / "oddaemon.db"
    await make_filled_database(path)
    target = unprivileged / "backups" / "oddaemon.db"
    target.parent.mkdir(mode=0o500)
    with pytest.raises(StoreError, match=r"The backup .* cannot be made: Permission denied"):
        back_up(path, target)


async def test_a_disk_that_is_mounted_read_only_is_explained_and_over_when_remounted(
    small_disk: Path, remount: Callable[[str], None]
) -> None:
    path = small_disk / "oddaemon.db"
    await make_filled_database(path)
    remount("ro")
    await assert_write_refused(path)
    remount("rw")
    async with SqliteDatabase.open(str(path)) as database:
        await offices.save_state(database, ELM, make_state())


async def test_a_disk_that_turns_read_only_is_explained_until_it_is_writable(
    database: SqliteDatabase,
) -> None:
    await database.execute_one("PRAGMA query_only = ON")
    with pytest.raises(DatabaseUnusable, match=r"it cannot be written. Give the daemon's user") as caught:
        await try_writing(database)
    assert caught.value.is_transient
    await database.execute_one("PRAGMA query_only = OFF")
    await try_writing(database)


async def test_trying_to_write_changes_nothing_and_is_a_real_write(database: SqliteDatabase) -> None:
    log = database.path.with_name("oddaemon.db-wal")
    await database.execute_one("PRAGMA wal_checkpoint(TRUNCATE)")
    assert get_size(log) == 0
    before = await offices.list_all(database)
    await try_writing(database)
    assert get_size(log) > 0
    assert await offices.list_all(database) == before


def get_size(path: Path) -> int:
    return path.stat().st_size
