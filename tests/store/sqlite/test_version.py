import sqlite3
import sys
from pathlib import Path

import anyio
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from oddaemon.store import schema
from oddaemon.store.errors import DatabaseMissing, DatabaseNewer, DatabaseOlder
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.version import prepare, require_newest
from tests.golden import GoldenTexts


def test_the_migrations_make_the_tables_that_the_code_knows(path: Path) -> None:
    prepare(create_file(path))
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
        sql = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = 'balance'").scalar_one()
    assert "WITHOUT ROWID" in sql


def test_the_known_revisions_are_those_that_are_packaged() -> None:
    config = Config()
    config.set_main_option("script_location", "oddaemon.store:migrations")
    packaged = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(packaged)) == schema.REVISIONS


async def test_what_was_stored_is_there_after_opening_again(path: Path) -> None:
    async with SqliteDatabase.open(str(path)) as database:
        await database.execute_one("INSERT INTO office (id, name, wanted) VALUES ('elm', 'Elm', 1)")
    async with SqliteDatabase.open(str(path)) as database:
        assert await database.execute_one("SELECT id FROM office") == [("elm",)]


async def test_an_up_to_date_database_opens_without_loading_alembic(path: Path) -> None:
    async with SqliteDatabase.open(str(path)):
        pass
    program = """
import sys
import anyio
from oddaemon.store.sqlite.connection import SqliteDatabase

async def look():
    async with SqliteDatabase.open(sys.argv[1]):
        print("alembic" in sys.modules)

anyio.run(look)
"""
    answer = await anyio.run_process([sys.executable, "-c", program, str(path)])
    assert answer.stdout == b"False\n"


async def test_a_newer_database_is_refused_by_its_revision(path: Path, golden: GoldenTexts) -> None:
    async with SqliteDatabase.open(str(path)) as database:
        await database.execute_one("UPDATE alembic_version SET version_num = '9999'")
    for way in (SqliteDatabase.open, SqliteDatabase.open_for_reading):
        with pytest.raises(DatabaseNewer) as caught:
            async with way(str(path)):
                pass
        golden.check(caught.value)


async def test_a_reader_does_not_migrate_but_says_who_will(path: Path, golden: GoldenTexts) -> None:
    async with SqliteDatabase.open(str(path)):
        pass
    with pytest.raises(DatabaseOlder) as caught:
        require_newest(path, (*schema.REVISIONS, "9001"))
    golden.check(caught.value)


async def test_a_reader_of_an_empty_database_is_advised_to_start_the_daemon(path: Path) -> None:
    sqlite3.connect(create_file(path)).close()
    with pytest.raises(DatabaseMissing, match="is empty"):
        async with SqliteDatabase.open_for_reading(str(path)):
            pass


def create_file(path: Path) -> Path:
    path.touch()
    return path
