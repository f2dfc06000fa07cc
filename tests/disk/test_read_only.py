"""A directory, a file or a whole disk that may not be written to."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from oddaemon.store import offices
from oddaemon.store.errors import DatabaseUnusable, StoreError
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.location import get_wal_path
from oddaemon.store.sqlite.maintenance.backup import back_up
from oddaemon.store.sqlite.maintenance.health_check import try_writing
from oddaemon.store.sqlite.maintenance.integrity import verify
from tests.cli.sample_history import make_history
from tests.store.filled_database import fill_database, make_filled_database
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


READING_COMMANDS = (
    ("status",),
    ("office", "list"),
    ("explain", "bright-smiles"),
    ("balances", "bright-smiles"),
    ("balances", "--fleet"),
    ("changes", "bright-smiles"),
    ("history", "bright-smiles"),
    ("state", "verify"),
)


def test_every_reading_command_reads_a_closed_database_on_a_read_only_disk(
    small_disk: Path, remount: Callable[[str], None]
) -> None:
    history = make_history(small_disk)
    expected = [history.fleet.run(*command) for command in READING_COMMANDS]
    for leftover in small_disk.glob("state.db-*"):
        leftover.unlink()
    remount("ro")
    found = [history.fleet.run(*command) for command in READING_COMMANDS]
    assert [each.exit_code for each in found] == [0] * len(READING_COMMANDS), [each.stderr for each in found]
    assert [each.stdout for each in found] == [each.stdout for each in expected]


async def test_a_closed_database_in_a_directory_without_permission_is_read(unprivileged: Path) -> None:
    path = unprivileged / "oddaemon.db"
    await make_filled_database(path)
    set_mode(unprivileged, 0o500)
    async with SqliteDatabase.open_for_reading(str(path)) as database:
        assert len(await offices.list_all(database)) == 2
    assert verify(path).problems == []
    set_mode(unprivileged, 0o700)


async def test_a_log_that_cannot_be_read_in_its_directory_is_named_and_not_left_out(unprivileged: Path) -> None:
    path = unprivileged / "oddaemon.db"
    async with SqliteDatabase.open(str(path)) as database:
        await fill_database(database)
        copy = unprivileged / "copy.db"
        shutil.copy(path, copy)
        shutil.copy(get_wal_path(path), get_wal_path(copy))
    set_mode(unprivileged, 0o500)
    with pytest.raises(DatabaseUnusable, match=r"last transactions are in copy.db-wal"):
        async with SqliteDatabase.open_for_reading(str(copy)):
            pass
    with pytest.raises(DatabaseUnusable, match=r"Copy copy.db and copy.db-wal together"):
        verify(copy)
    set_mode(unprivileged, 0o700)
    assert verify(copy).problems == []
