"""A database without its log: nothing in it is wrong, and part of it is missing."""

import shutil
from pathlib import Path

from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.maintenance import vacuum
from oddaemon.store.sqlite.maintenance.backup import back_up
from oddaemon.store.sqlite.maintenance.integrity import verify
from tests.store.filled_database import fill_database, make_filled_database


def copy_alone(path: Path) -> Path:
    """A copy of the database's main file, without its log."""
    copy = path.with_name("copy.db")
    shutil.copy(path, copy)
    return copy


async def test_a_main_file_copied_from_an_open_database_is_not_called_intact(path: Path) -> None:
    async with SqliteDatabase.open(str(path)) as database:
        await fill_database(database)
        copy = copy_alone(path)
    (problem,) = verify(copy).problems
    assert "copy.db-wal is missing" in problem.what
    # Once an empty log has been left beside it by a reader, too.
    assert len(verify(copy).problems) == 1


async def test_a_main_file_copied_after_a_checkpoint_is_not_called_intact(path: Path) -> None:
    async with SqliteDatabase.open(str(path)) as database:
        await fill_database(database)
        await vacuum.checkpoint_wal(database)
        assert len(verify(copy_alone(path)).problems) == 1


async def test_an_open_a_closed_and_a_backed_up_database_are_intact(path: Path) -> None:
    async with SqliteDatabase.open(str(path)) as database:
        await fill_database(database)
        assert verify(path).problems == []
        await vacuum.checkpoint_wal(database)
        assert verify(path).problems == []
        back_up(path, path.with_name("backup.db"))
    for each in (path, path.with_name("backup.db"), copy_alone(path)):
        found = verify(each)
        assert (found.problems, found.offices) == ([], 2)


async def test_a_start_says_that_the_log_is_gone_once(path: Path) -> None:
    await make_filled_database(path)
    async with SqliteDatabase.open(str(path)) as database:
        assert not database.open_result.has_lost_log
        copy = copy_alone(path)
    found = []
    for _ in range(2):
        async with SqliteDatabase.open(str(copy)) as database:
            found.append(database.open_result.has_lost_log)
    assert found == [True, False]
