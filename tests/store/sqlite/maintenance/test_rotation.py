import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from oddaemon.store import snapshots
from oddaemon.store.errors import DatabaseDamaged, DatabaseUnusable
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.maintenance import rotation
from oddaemon.store.sqlite.maintenance.backup import Backup, BackupInterrupted, BackupRefused
from oddaemon.store.sqlite.maintenance.integrity import verify
from oddaemon.store.sqlite.maintenance.rotation import rotate
from oddaemon.store.sqlite.maintenance.vacuum import rotate_backups
from tests.store.filled_database import fill_database, make_true_snapshot
from tests.store.samples import ELM, NOW, make_balances, make_state

NIGHT = datetime(2026, 3, 2, 3, 30, tzinfo=UTC)


@pytest.fixture
def backups(tmp_path: Path) -> Path:
    directory = tmp_path / "backups"
    directory.mkdir()
    return directory


def list_names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def is_good_and_private(path: Path) -> bool:
    return not verify(path).problems and stat.S_IMODE(path.stat().st_mode) == 0o600


async def rotate_on_night(database: SqliteDatabase, backups: Path, day: int, keep: int = 3) -> rotation.BackupRotation:
    return await rotate_backups(database, backups, keep, NIGHT + timedelta(days=day))


async def test_the_newest_stay_and_each_is_whole_and_its_owner_s_alone(database: SqliteDatabase, backups: Path) -> None:
    await fill_database(database)
    done = [await rotate_on_night(database, backups, day) for day in range(5)]
    assert list_names(backups) == [f"oddaemon-2026030{day}T033000Z.db" for day in (4, 5, 6)]
    assert [(each.retained, len(each.removed)) for each in done] == [(1, 0), (2, 0), (3, 0), (3, 1), (3, 1)]
    assert all(is_good_and_private(backups / name) for name in list_names(backups))


async def test_what_is_no_backup_of_this_database_is_never_deleted(database: SqliteDatabase, backups: Path) -> None:
    await fill_database(database)
    (backups / "oddaemon-20200101T000000Z.db").write_text("a diary of that name")
    (backups / "oddaemon-20200101T000000Z.db.gz").write_text("x")
    (backups / "other-20200101T000000Z.db").write_bytes(database.path.read_bytes())
    (backups / "oddaemon.db").write_bytes(database.path.read_bytes())
    (backups / "oddaemon-20200102T000000Z.db").symlink_to(backups / "oddaemon.db")
    (backups / "oddaemon-20200103T000000Z.db").mkdir()
    before = list_names(backups)
    for day in range(3):
        await rotate_on_night(database, backups, day, keep=1)
    assert list_names(backups) == sorted([*before, "oddaemon-20260304T033000Z.db"])


async def test_an_old_backup_goes_only_once_the_new_one_is_checked(
    database: SqliteDatabase, backups: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill_database(database)
    await rotate_on_night(database, backups, 0)

    def refuse(_source: Path, target: Path, **_: object) -> Backup:
        raise DatabaseDamaged(target)

    monkeypatch.setattr(rotation, "back_up", refuse)
    with pytest.raises(DatabaseDamaged):
        await rotate_on_night(database, backups, 1, keep=1)
    assert list_names(backups) == ["oddaemon-20260302T033000Z.db"]


async def test_the_new_one_stays_though_the_clock_was_set_back_to_the_past(
    database: SqliteDatabase, backups: Path
) -> None:
    await fill_database(database)
    await rotate_on_night(database, backups, 10, keep=1)
    await rotate_on_night(database, backups, 0, keep=1)
    assert list_names(backups) == ["oddaemon-20260302T033000Z.db"]


async def test_a_directory_that_is_not_there_is_not_made(database: SqliteDatabase, tmp_path: Path) -> None:
    # The disk for backups may not be mounted, and its place is on the disk of the database.
    with pytest.raises(DatabaseUnusable, match="cannot be made"):
        await rotate_on_night(database, tmp_path / "nowhere", 0)
    assert not (tmp_path / "nowhere").exists()


async def test_a_backup_that_was_broken_off_leaves_nothing(database: SqliteDatabase, backups: Path) -> None:
    await fill_database(database)
    stop = threading.Event()
    stop.set()
    with pytest.raises(BackupInterrupted):
        rotate(database.path, backups, 3, NIGHT, stop)
    assert list_names(backups) == []


async def test_a_cancelled_backup_does_not_hold_up_a_shutdown(database: SqliteDatabase, backups: Path) -> None:
    await snapshots.publish(database, ELM, make_true_snapshot(make_balances(2000)), make_state(), NOW)
    with anyio.move_on_after(0) as scope:
        await rotate_on_night(database, backups, 0)
    assert scope.cancelled_caught


async def test_the_rest_of_a_killed_backup_is_swept_away(database: SqliteDatabase, backups: Path) -> None:
    await fill_database(database)
    (backups / ".oddaemon-20260301T033000Z.db.x7k_2b9q").write_text("half a database")
    (backups / ".something.else").write_text("not ours")
    await rotate_on_night(database, backups, 0)
    assert list_names(backups) == [".something.else", "oddaemon-20260302T033000Z.db"]


async def test_two_in_one_second_are_refused_and_the_first_stays(database: SqliteDatabase, backups: Path) -> None:
    await fill_database(database)
    await rotate_on_night(database, backups, 0)
    with pytest.raises(BackupRefused):
        await rotate_on_night(database, backups, 0)
    assert len(list_names(backups)) == 1
