import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from oddaemon.store import snapshots
from oddaemon.store.errors import DatabaseMissing, DatabaseNewer, DatabaseUnusable, StoreError
from oddaemon.store.schema import REVISIONS
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.copy import Counts
from oddaemon.store.sqlite.maintenance.backup import BackupRefused, back_up
from oddaemon.store.sqlite.maintenance.integrity import verify
from tests.golden import GoldenTexts
from tests.store.filled_database import dump_database, fill_database, make_filled_database, make_true_snapshot
from tests.store.samples import ELM, NOW, make_balances, make_state


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "backups").mkdir()
    return tmp_path / "backups" / "oddaemon.db"


def get_size_and_mode(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, stat.S_IMODE(found.st_mode)


def list_siblings(target: Path) -> list[str]:
    return sorted(each.name for each in target.parent.iterdir())


async def test_a_backup_holds_everything_and_is_one_file_for_its_owner_alone(path: Path, target: Path) -> None:
    async with SqliteDatabase.open(str(path)) as database:
        await fill_database(database)
        made = back_up(path, target)
        assert dump_database(target) == dump_database(path)
    assert (made.path, made.revision, made.counts) == (target, REVISIONS[-1], Counts(offices=2, snapshots=4))
    assert (made.size_bytes, 0o600) == get_size_and_mode(target)
    assert list_siblings(target) == ["oddaemon.db"]
    assert verify(target).problems == []


async def test_a_backup_is_of_one_instant_while_the_daemon_publishes(path: Path, target: Path) -> None:
    steps: list[int] = []

    async with SqliteDatabase.open(str(path)) as database:
        await fill_database(database, guarantors=4000)

    def meanwhile(done: int, _total: int) -> None:
        steps.append(done)
        with closing(sqlite3.connect(path)) as other:
            other.execute("UPDATE balance SET bal_total = bal_total + 1")
            other.commit()

    before = dump_database(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("oddaemon.store.sqlite.copy.PAGES_PER_STEP", 20)
        back_up(path, target, progress=meanwhile)
    assert len(steps) > 5
    assert dump_database(target) == before
    assert dump_database(path) != before


async def test_a_daemon_can_go_on_with_a_backup(path: Path, target: Path) -> None:
    await make_filled_database(path)
    back_up(path, target)
    async with SqliteDatabase.open(str(target)) as database:
        await snapshots.publish(database, ELM, make_true_snapshot(make_balances(7), 4), make_state(), NOW)
    assert verify(target).problems == []


def test_an_existing_file_is_kept_unless_forced(path: Path, target: Path, golden: GoldenTexts) -> None:
    anyio.run(make_filled_database, path)
    target.write_bytes(b"last week's")
    with pytest.raises(BackupRefused) as caught:
        back_up(path, target)
    golden.check(caught.value)
    assert target.read_bytes() == b"last week's"
    back_up(path, target, overwrite=True)
    assert verify(target).problems == []


@pytest.mark.parametrize("name", ["oddaemon.db", "oddaemon.db-wal", "oddaemon.db.lock", "other-name.db", "link.db"])
async def test_the_database_itself_is_no_target_by_whatever_name(path: Path, name: str, golden: GoldenTexts) -> None:
    async with SqliteDatabase.open(str(path)) as database:
        await fill_database(database)
        path.with_name("other-name.db").hardlink_to(path)
        path.with_name("link.db").symlink_to(path)
        before = dump_database(path)
        with pytest.raises(BackupRefused) as caught:
            back_up(path, path.with_name(name), overwrite=True)
        golden.check(caught.value)
        assert dump_database(path) == before


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("nowhere/oddaemon.db", "There is no directory .*nowhere. Create it first"),
        ("backups", "backups is a directory. Choose a file in it"),
        ("oddaemon.db/x", "There is no directory"),
    ],
)
def test_an_impossible_target_is_explained(path: Path, target: Path, where: str, expected: str) -> None:
    anyio.run(make_filled_database, path)
    with pytest.raises(BackupRefused, match=expected):
        back_up(path, path.parent / where)
    assert list_siblings(target) == []


def test_missing_disk_space_is_reported_before_anything_is_copied(
    path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    anyio.run(make_filled_database, path)
    monkeypatch.setattr("oddaemon.store.sqlite.maintenance.backup.get_size_bytes", lambda _: 10**15)
    with pytest.raises(DatabaseUnusable, match=r"needs 1,000,000\.0 GB"):
        back_up(path, target)
    assert list_siblings(target) == []


def test_an_interrupted_backup_leaves_the_previous_one(path: Path, target: Path) -> None:
    anyio.run(make_filled_database, path)
    target.write_bytes(b"last week's")

    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(path, target, overwrite=True, progress=interrupt)
    assert list_siblings(target) == ["oddaemon.db"]
    assert target.read_bytes() == b"last week's"


def test_a_damaged_database_gives_no_backup(path: Path, target: Path) -> None:
    anyio.run(make_filled_database, path)
    with closing(sqlite3.connect(path)) as connection:
        ((page,),) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'balance'").fetchall()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    with pytest.raises(DatabaseUnusable, match="damaged"):
        back_up(path, target)
    assert list_siblings(target) == []


def test_a_newer_database_gives_no_backup(path: Path, target: Path, golden: GoldenTexts) -> None:
    anyio.run(make_filled_database, path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    with pytest.raises(DatabaseNewer) as caught:
        back_up(path, target)
    golden.check(caught.value)


def test_there_must_be_something_to_back_up(path: Path, target: Path, golden: GoldenTexts) -> None:
    with pytest.raises(DatabaseMissing) as caught:
        back_up(path, target)
    golden.check(caught.value)
    path.touch()
    with pytest.raises(DatabaseMissing, match="is empty"):
        back_up(path, target)


def test_a_link_to_the_target_stays_one(path: Path, target: Path, tmp_path: Path) -> None:
    anyio.run(make_filled_database, path)
    link = tmp_path / "latest.db"
    link.symlink_to(target)
    assert back_up(path, link).path == target
    assert link.is_symlink()


def test_every_refusal_says_what_to_do(path: Path, target: Path) -> None:
    with pytest.raises(StoreError) as caught:
        back_up(path, target)
    assert caught.value.advice
