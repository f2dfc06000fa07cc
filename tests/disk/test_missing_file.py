"""A file that is deleted or replaced under a running daemon: SQLite would write on without readers."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from oddaemon.store import offices, open_pulls, snapshots
from oddaemon.store.errors import DatabaseReplaced, DatabaseUnusable
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.maintenance.backup import back_up
from oddaemon.store.sqlite.maintenance.health_check import require_healthy
from tests.store.configured import register_offices
from tests.store.filled_database import make_true_snapshot
from tests.store.samples import ELM, NOW, make_balances, make_checkpoint, make_state


def delete(path: Path) -> None:
    path.unlink()


def move_away(path: Path) -> None:
    path.rename(path.with_name("elsewhere.db"))


def replace_by_a_backup(path: Path) -> None:
    backup = path.with_name("backup.db")
    back_up(path, backup)
    backup.replace(path)


def delete_the_log(path: Path) -> None:
    path.with_name(path.name + "-wal").unlink()


def delete_the_directory(path: Path) -> None:
    shutil.rmtree(path.parent)


REMOVALS = [delete, move_away, replace_by_a_backup, delete_the_log, delete_the_directory]


@pytest.mark.parametrize("vanish", REMOVALS)
async def test_nothing_is_published_into_a_deleted_file(
    database: SqliteDatabase, vanish: Callable[[Path], None]
) -> None:
    vanish(database.path)
    with pytest.raises(DatabaseReplaced, match=r"while the database was open.*Restart the daemon") as caught:
        await snapshots.publish(database, ELM, make_true_snapshot(make_balances(3), 4), make_state(), NOW)
    assert not caught.value.is_transient
    with pytest.raises(DatabaseReplaced):
        await offices.save_state(database, ELM, make_state())
    with pytest.raises(DatabaseReplaced):
        await open_pulls.add_page(database, ELM, make_balances(3), make_checkpoint(3))


@pytest.mark.parametrize("vanish", REMOVALS)
async def test_it_is_noticed_without_a_write(database: SqliteDatabase, vanish: Callable[[Path], None]) -> None:
    await require_healthy(database)
    vanish(database.path)
    with pytest.raises(DatabaseReplaced):
        await require_healthy(database)


async def test_every_incident_is_reported_to_the_store_health(path: Path) -> None:
    emitted: list[DatabaseUnusable] = []
    async with SqliteDatabase.open(str(path), emitted.append) as database:
        await register_offices(database, ())
        assert emitted == []
        delete(path)
        for attempt in (register_offices(database, ()), require_healthy(database)):
            with pytest.raises(DatabaseReplaced):
                await attempt
    assert [type(error) for error in emitted] == [DatabaseReplaced] * 2


async def test_a_missing_file_is_created_again_at_the_next_start(database: SqliteDatabase) -> None:
    path = database.path
    delete(path)
    shutil.copytree(path.parent, path.parent.parent / "another")
    async with SqliteDatabase.open(str(path.parent.parent / "another" / path.name)) as recreated:
        assert recreated.open_result.is_new
        assert await offices.list_all(recreated) == []
