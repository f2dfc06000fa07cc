"""Revisions of a database on a server: several daemons make them at once, and a newer one may let older ones write."""

import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.to_thread
import psycopg
import pytest

from oddaemon.store import migrations, schema
from oddaemon.store.errors import DatabaseDamaged, DatabaseMissing, DatabaseNewer, DatabaseOlder, MigrationFailed
from oddaemon.store.postgresql import migration
from oddaemon.store.postgresql.connecting import build_conninfo, open_connection, parse_url
from oddaemon.store.postgresql.connection import PostgresDatabase
from oddaemon.store.postgresql.migration import prepare
from tests.golden import GoldenTexts
from tests.postgres_server import PostgresServer
from tests.store.postgresql.engines import needs_postgresql

pytestmark = needs_postgresql
NEXT = "9001"
KNOWN = (*schema.REVISIONS, NEXT)
REVISION = f"""
from alembic import op

revision = "{NEXT}"
down_revision = "{schema.REVISIONS[-1]}"
branch_labels = None
depends_on = None


def upgrade():
    op.execute("CREATE TABLE added (number int)")
"""
OPEN = """
import sys, anyio
from oddaemon.store.postgresql.connection import PostgresDatabase

async def main():
    async with PostgresDatabase.open(sys.argv[1]) as database:
        print(database.open_result.is_new)

anyio.run(main)
"""


@pytest.fixture
def url(server: PostgresServer) -> Iterator[str]:
    """Of an empty database."""
    server.execute("CREATE DATABASE migrated")
    yield server.make_url(database="migrated")
    server.execute("DROP DATABASE migrated WITH (FORCE)")


def make_location(directory: Path, text: str = REVISION) -> str:
    """All revisions, and one that does not exist yet."""
    package = Path(migrations.__path__[0])
    (directory / "versions").mkdir(parents=True)
    for source in (*package.glob("*.py"), *package.glob("versions/*.py")):
        (directory / source.relative_to(package)).write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    (directory / "versions" / f"next_{NEXT}.py").write_text(text, encoding="utf-8")
    return str(directory)


async def migrate(url: str, location: str) -> str | None:
    dsn = parse_url(url)
    async with open_connection(dsn, "test", {}) as connection:
        conninfo = build_conninfo(dsn, "test", is_for_writing=True)
        return (await prepare(connection, conninfo, KNOWN, location)).previous_revision


async def test_four_processes_open_an_empty_database_at_once(url: str) -> None:
    """Takes seconds: four interpreters start."""
    found: list[str] = []

    async def open_in_process() -> None:
        result = await anyio.run_process([sys.executable, "-P", "-c", OPEN, url], env=None)
        found.append(result.stdout.decode().strip())

    with anyio.fail_after(120):
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(open_in_process)
    assert len(found) == 4
    assert set(found) <= {"True", "False"}
    async with PostgresDatabase.open(url) as database:
        assert await database.execute_one("SELECT serves_from FROM compatibility") == [(schema.REVISIONS[-1],)]
        assert not database.open_result.is_new


async def test_an_older_database_is_migrated_by_a_daemon_and_refused_by_a_reader(
    url: str, tmp_path: Path, golden: GoldenTexts
) -> None:
    with pytest.raises(DatabaseMissing) as missing:
        async with PostgresDatabase.open_for_reading(url):
            pass
    async with PostgresDatabase.open(url):
        pass
    dsn = parse_url(url)
    async with open_connection(dsn, "test", {}) as connection:
        with pytest.raises(DatabaseOlder) as older:
            await migration.require_newest(connection, KNOWN)
    for error in (missing.value, older.value):
        golden.check(str(error).replace(dsn.where, "WHERE"))
    assert await migrate(url, make_location(tmp_path / "location")) == schema.REVISIONS[-1]
    assert await migrate(url, "nowhere") is None


async def test_a_newer_database_says_who_may_still_write(url: str, server: PostgresServer, golden: GoldenTexts) -> None:
    async with PostgresDatabase.open(url):
        pass
    server.execute("UPDATE alembic_version SET version_num = '9999'", "migrated")
    async with PostgresDatabase.open(url), PostgresDatabase.open_for_reading(url):
        pass
    server.execute("UPDATE compatibility SET serves_from = '9998'", "migrated")
    for opening in (PostgresDatabase.open(url), PostgresDatabase.open_for_reading(url)):
        with pytest.raises(DatabaseNewer) as caught:
            async with opening:
                pass
        golden.check(str(caught.value).replace(str(server.port), "PORT"))


async def test_a_revision_that_fails_leaves_nothing_and_shows_no_row(
    url: str, tmp_path: Path, server: PostgresServer, golden: GoldenTexts
) -> None:
    async with PostgresDatabase.open(url):
        pass
    for number, statement in enumerate(
        ("INSERT INTO compatibility VALUES ('0004')", "ALTER TABLE office ALTER name TYPE int USING 1/0")
    ):
        text = REVISION + f"    op.execute({statement!r})\n"
        with pytest.raises(MigrationFailed) as caught:
            await migrate(url, make_location(tmp_path / str(number), text))
        golden.check(str(caught.value).replace(str(server.port), "PORT"))
    assert server.execute("SELECT to_regclass('added'), version_num FROM alembic_version", "migrated") == [
        (None, schema.REVISIONS[-1])
    ]


async def test_a_revision_waits_for_a_lock_of_another_session_again_and_again(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, golden: GoldenTexts
) -> None:
    monkeypatch.setitem(migration._SETTINGS, "lock_timeout", "50ms")
    monkeypatch.setattr(migration, "_PAUSE_SECONDS", 0.05)
    location = make_location(tmp_path / "location", REVISION + '    op.execute("ALTER TABLE office ADD added int")\n')
    async with PostgresDatabase.open(url):
        pass
    async with await psycopg.AsyncConnection.connect(url) as other, anyio.create_task_group() as tasks:
        await other.execute("SELECT FROM office")  # a dump, for example
        tasks.start_soon(migrate, url, location)
        await anyio.sleep(0.3)
        await other.rollback()
    assert await migrate(url, location) is None
    monkeypatch.setattr(migration, "_ATTEMPTS", 2)
    async with await psycopg.AsyncConnection.connect(url) as other:
        await other.execute("UPDATE alembic_version SET version_num = '0004'")
        await other.execute("ALTER TABLE office DROP added; DROP TABLE added")
        await other.commit()
        await other.execute("SELECT FROM office")
        with pytest.raises(MigrationFailed) as caught:
            await migrate(url, location)
        await other.rollback()
    assert caught.value.is_transient
    golden.check(str(caught.value).replace(parse_url(url).where, "WHERE"))


async def test_tables_that_lack_something_are_no_database_of_ours(
    url: str, server: PostgresServer, golden: GoldenTexts
) -> None:
    async with PostgresDatabase.open(url):
        pass
    for statement in ("ALTER TABLE snapshot DROP late_at", "DELETE FROM alembic_version"):
        server.execute(statement, "migrated")
        with pytest.raises(DatabaseDamaged) as caught:
            async with PostgresDatabase.open(url):
                pass
        golden.check(str(caught.value).replace(str(server.port), "PORT"))
