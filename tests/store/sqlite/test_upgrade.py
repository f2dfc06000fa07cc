"""A migration that is not released yet, so that the way every later one takes is walked today."""

import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from oddaemon.store import migrations
from oddaemon.store.database import OpenResult
from oddaemon.store.errors import DatabaseUnusable, MigrationFailed, StoreError
from oddaemon.store.schema import REVISIONS
from oddaemon.store.sqlite.upgrade import enable_incremental_vacuum
from oddaemon.store.sqlite.version import prepare
from tests.golden import GoldenTexts
from tests.store.filled_database import dump_database, make_filled_database

NEXT = "9001"
BACKUP_NAME = f"oddaemon.db.before-{REVISIONS[-1]}"
KNOWN = (*REVISIONS, NEXT)
MIGRATION = f"""
import sqlalchemy as sa
from alembic import op

revision = "{NEXT}"
down_revision = "{REVISIONS[-1]}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("office", sa.Column("mood", sa.Text))
    op.execute("UPDATE office SET mood = 'cheerful'")
    {{more}}
"""

Migrate = Callable[..., OpenResult]


@pytest.fixture
def migrate(path: Path, tmp_path: Path) -> Migrate:
    """Bring the database to a revision that is made up, which also runs the given function."""

    def run(more: str = "") -> OpenResult:
        place = tmp_path / "migrations"
        shutil.copytree(Path(*migrations.__path__), place, ignore=shutil.ignore_patterns("__pycache__"))
        (place / "versions" / "next_9001.py").write_text(MIGRATION.format(more=more))
        return prepare(path, KNOWN, str(place))

    return run


@pytest.fixture
def database_file(path: Path) -> bytes:
    anyio.run(make_filled_database, path)
    return read_content(path)


def read_content(path: Path) -> bytes:
    return path.read_bytes()


def list_names(path: Path) -> set[str]:
    """What is in the directory, besides the log and its index, which a reader makes and leaves empty."""
    return {each.name for each in path.parent.iterdir() if not each.name.endswith(("migrations", "-wal", "-shm"))}


def read_moods(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [mood for (mood,) in connection.execute("SELECT mood FROM office")]


def test_the_database_is_migrated_and_the_previous_one_is_kept_as_it_was(
    path: Path, migrate: Migrate, database_file: bytes
) -> None:
    before = dump_database(path)
    prepared = migrate()
    retained = path.with_name(BACKUP_NAME)
    assert prepared == OpenResult(previous_revision=REVISIONS[-1], previous_file=retained)
    assert read_moods(path) == ["cheerful", "cheerful"]
    assert dump_database(retained) == before
    assert len(read_content(retained)) == len(database_file)
    assert list_names(path) == {"oddaemon.db", BACKUP_NAME, "oddaemon.db.lock"}


@pytest.mark.usefixtures("database_file")
def test_the_previous_one_is_restored_by_renaming_it(path: Path, migrate: Migrate) -> None:
    before = dump_database(path)
    prepared = migrate()
    assert prepared.previous_file is not None
    prepared.previous_file.replace(path)
    prepare(path)
    assert dump_database(path) == before


@pytest.mark.usefixtures("database_file")
def test_a_copy_is_for_those_alone_who_may_read_the_database(path: Path, migrate: Migrate) -> None:
    path.chmod(0o640)
    migrate()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize(
    "broken",
    [
        "raise RuntimeError('half-way')",
        "op.execute('INSERT INTO nowhere VALUES (1)')",
        "op.execute('UPDATE office SET id = 1')",
        "op.execute('DELETE FROM balance'); op.execute('DELETE FROM snapshot')",
        "op.execute('PRAGMA foreign_keys = OFF'); op.execute('DELETE FROM office')",
        "op.execute('PRAGMA max_page_count = 1'); op.execute('CREATE TABLE more (x)')",
    ],
    ids=["an error of Python", "an error of SQL", "a constraint", "lost snapshots", "lost offices", "no room"],
)
def test_a_migration_that_fails_half_way_leaves_every_byte_of_the_database(
    path: Path, migrate: Migrate, database_file: bytes, broken: str, golden: GoldenTexts
) -> None:
    with pytest.raises(MigrationFailed) as caught:
        migrate(broken)
    golden.check(str(caught.value))
    assert caught.value.advice
    assert read_content(path) == database_file
    assert list_names(path) == {"oddaemon.db", "oddaemon.db.lock"}
    assert prepare(path) == OpenResult()


def test_an_up_to_date_database_is_not_touched(path: Path, database_file: bytes) -> None:
    assert prepare(path) == OpenResult()
    assert read_content(path) == database_file
    assert list_names(path) == {"oddaemon.db", "oddaemon.db.lock"}


def test_a_database_in_which_nothing_is_keeps_nothing(path: Path, migrate: Migrate) -> None:
    path.touch()
    assert migrate() == OpenResult(is_new=True)
    assert list_names(path) == {"oddaemon.db"}


@pytest.mark.usefixtures("database_file")
def test_what_a_killed_migration_left_is_thrown_away(path: Path, migrate: Migrate) -> None:
    for name in ("oddaemon.db.migrating", "oddaemon.db.migrating-journal"):
        path.with_name(name).write_bytes(b"half of a copy")
    migrate()
    assert read_moods(path) == ["cheerful", "cheerful"]
    assert not [name for name in list_names(path) if "migrating" in name]


@pytest.mark.usefixtures("database_file")
def test_a_migration_killed_between_the_two_names_is_made_again(path: Path, migrate: Migrate) -> None:
    before = dump_database(path)
    retained = path.with_name(BACKUP_NAME)
    retained.hardlink_to(path)
    assert migrate().previous_file == retained
    assert (dump_database(retained), read_moods(path)) == (before, ["cheerful", "cheerful"])


@pytest.mark.usefixtures("database_file")
def test_what_an_earlier_migration_kept_is_never_overwritten(path: Path, migrate: Migrate) -> None:
    path.with_name(BACKUP_NAME).write_bytes(b"earlier")
    assert migrate().previous_file == path.with_name(f"{BACKUP_NAME}-2")
    assert read_content(path.with_name(BACKUP_NAME)) == b"earlier"


@pytest.mark.usefixtures("database_file")
def test_what_stands_in_the_log_alone_is_migrated_and_kept_too(path: Path, migrate: Migrate) -> None:
    written, log = path.with_name("written.db"), path.with_name("written.db-wal")
    shutil.copy(path, written)
    with closing(sqlite3.connect(written)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("UPDATE office SET name = 'only in the log'")
        connection.commit()
        shutil.copy(written, path)
        shutil.copy(log, path.with_name("oddaemon.db-wal"))
    prepared = migrate()
    for each in (path, prepared.previous_file):
        assert each is not None
        assert "in the log" in "".join(dump_database(each))


@pytest.fixture
def reader(path: Path, database_file: bytes) -> Iterator[sqlite3.Connection]:
    assert database_file
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("SELECT * FROM office").fetchall()
        yield connection


def test_the_files_are_not_exchanged_while_a_reader_is_open(
    path: Path, migrate: Migrate, reader: sqlite3.Connection, golden: GoldenTexts
) -> None:
    with pytest.raises(MigrationFailed) as caught:
        migrate()
    golden.check(caught.value)
    assert caught.value.is_transient
    assert reader.execute("SELECT COUNT(*) FROM office").fetchone() == (2,)
    assert list_names(path) >= {"oddaemon.db"}
    assert not [name for name in list_names(path) if "before" in name or "migrating" in name]


@pytest.mark.usefixtures("database_file")
def test_what_another_program_writes_meanwhile_is_not_lost(path: Path, migrate: Migrate, golden: GoldenTexts) -> None:
    write = (
        f"import sqlite3; other = sqlite3.connect({str(path)!r}); "
        "other.execute(\"UPDATE office SET name = 'meanwhile'\"); other.commit(); other.close()"
    )
    with pytest.raises(MigrationFailed) as caught:
        migrate(write)
    golden.check(caught.value)
    assert caught.value.is_transient
    assert "meanwhile" in "".join(dump_database(path))


def test_missing_disk_space_for_the_copy_is_reported_in_megabytes(
    path: Path, migrate: Migrate, database_file: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oddaemon.store.sqlite.upgrade.get_size_bytes", lambda _: 10**15)
    with pytest.raises(StoreError, match=r"needs 1,000,000\.0 GB, .* [kMG]B free") as caught:
        migrate()
    assert caught.value.is_transient
    assert read_content(path) == database_file


def test_a_damaged_database_is_not_put_in_place(path: Path, migrate: Migrate, database_file: bytes) -> None:
    with closing(sqlite3.connect(path)) as connection:
        ((page,),) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'balance'").fetchall()
    damaged = bytearray(database_file)
    damaged[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    path.write_bytes(damaged)
    with pytest.raises((MigrationFailed, DatabaseUnusable), match="damaged"):
        migrate()
    assert read_content(path) == damaged


def test_the_copy_that_a_migration_rewrites_is_written_beside_the_database(path: Path, database_file: bytes) -> None:
    assert database_file
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA temp_store_directory = ''")
        connection.execute("PRAGMA auto_vacuum = 0")
        connection.execute("VACUUM")
        enable_incremental_vacuum(path)
        # A setting of the whole process.
        assert connection.execute("PRAGMA temp_store_directory").fetchone() == (str(path.parent),)
