"""A database that is moved is the same in its new place, whatever kind that is, and goes on there."""

import sqlite3
import sys
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread
import psycopg
import pytest

from oddaemon.core.backfill.job import BackfillTarget
from oddaemon.core.snapshot.aging_report import ReportCursor
from oddaemon.store import backfill_jobs, snapshots
from oddaemon.store.database import Database
from oddaemon.store.errors import DatabaseDamaged, DatabaseLocked, DatabaseMissing, DatabaseUnfinished, StoreError
from oddaemon.store.move.move import MoveResult, move_database
from oddaemon.store.move.target import TargetNotEmpty
from oddaemon.store.opening import open_history
from oddaemon.store.postgresql.connection import PostgresDatabase
from oddaemon.store.schema import command, lease, member, metadata
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.golden import GoldenTexts
from tests.store.filled_database import dump_database, make_true_snapshot
from tests.store.postgresql.engines import needs_postgresql
from tests.store.postgresql.test_same_rows import dump, work
from tests.store.samples import ELM, NOW, make_balances, make_state

_names = (f"moved_{number}" for number in count())
T = TypeVar("T", bound=Callable[..., object])


def on_a_server(test: T) -> T:
    """A test that needs PostgreSQL."""
    for mark in needs_postgresql:
        test = mark(test)
    return test


async def fill(database: Database) -> None:
    """At least one row in every table, and gaps behind the last numbers."""
    await work(database)
    job = await backfill_jobs.get_or_create(database, BackfillTarget(ELM, date(2025, 11, 30)), NOW)
    await backfill_jobs.add_page(database, job.number, make_balances(9), ReportCursor(), "all:")
    instants = dict.fromkeys(("joined_at", "renewed_at", "expires_at"), NOW)
    texts = dict.fromkeys(("network", "version", "revision", "address", "session"), "ö")
    async with database.transaction() as connection:
        for host in ("a", "b"):
            await connection.execute(member.insert().values(host=host, pid=7, stage="gone", **texts, **instants))
        await connection.execute(member.delete().where(member.c.host == "b"))
        await connection.execute(
            lease.insert().values(
                kind="office", name=ELM, holder=1, generation=2**40, asked_at=NOW, spacing_seconds=0.1
            )
        )
        await connection.execute(
            command.insert().values(
                kind="office", name=ELM, verb="sync", argument="", given_at=NOW, by_host="a", is_refused=True
            )
        )


@pytest.fixture
async def source(path: Path) -> str:
    async with SqliteDatabase.open(str(path)) as database:
        await fill(database)
    return str(path)


@pytest.fixture
def server(postgresql: str) -> Iterator[str]:
    """An empty database."""
    name = next(_names)
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield postgresql.replace("/postgres?", f"/{name}?")
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


async def move(source: str, target: str) -> MoveResult:
    return await anyio.to_thread.run_sync(move_database, source, target)


@pytest.mark.parametrize("is_far", [False, pytest.param(True, marks=needs_postgresql)])
async def test_there_and_back_it_is_the_same(
    source: str, tmp_path: Path, is_far: bool, request: pytest.FixtureRequest
) -> None:
    there = str(request.getfixturevalue("server")) if is_far else str(tmp_path / "there.db")
    back = tmp_path / "deep" / "back.db"
    first, second = await move(source, there), await move(there, str(back))
    assert first.tables == second.tables
    assert set(first.tables) == set(metadata.tables)
    assert [name for name, table in first.tables.items() if not table.rows] == []
    assert sorted(dump_database(back)) == sorted(dump_database(Path(source)))
    assert (back.stat().st_mode & 0o777, first.verification.problems) == (0o600, [])


@on_a_server
async def test_a_server_has_the_same_rows_and_goes_on_numbering(source: str, server: str) -> None:
    await move(source, server)
    async with SqliteDatabase.open(source) as old, PostgresDatabase.open(server) as new:
        assert await dump(old) == await dump(new)
        for database in (old, new):
            assert not database.open_result.is_new
            published = await snapshots.publish(
                database,
                ELM,
                make_true_snapshot(make_balances(5), 9),
                make_state(),
                NOW + timedelta(days=9),
                sinks=["lake"],
            )
            assert published.id == 6
            async with database.transaction() as connection:
                number = await connection.scalar(
                    member.insert()
                    .values(
                        host="c", pid=7, stage="gone", network="", version="", revision="", address="", session="",
                        joined_at=NOW, renewed_at=NOW, expires_at=NOW,
                    )
                    .returning(member.c.number)
                )  # fmt: skip
            assert number == 3


@on_a_server
async def test_a_server_moves_to_another_one(source: str, server: str, postgresql: str) -> None:
    await move(source, server)
    name = next(_names)
    other = postgresql.replace("/postgres?", f"/{name}?")
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    assert (await move(server, other)).tables == (await move(other, f"{source}.again")).tables
    assert sorted(dump_database(Path(f"{source}.again"))) == sorted(dump_database(Path(source)))


KILLED = """
import os, signal, sys
from oddaemon.store.move.move import move_database

def kill(done, total):
    if done > total * float(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

move_database(sys.argv[1], sys.argv[2], kill)
"""


@pytest.mark.parametrize("share", ["0.1", "0.7"], ids=["copying", "comparing"])
@pytest.mark.parametrize("is_far", [False, pytest.param(True, marks=needs_postgresql)])
async def test_a_kill_in_the_middle_leaves_an_unfinished_copy_that_the_next_attempt_replaces(
    source: str, tmp_path: Path, is_far: bool, share: str, request: pytest.FixtureRequest
) -> None:
    target = str(request.getfixturevalue("server")) if is_far else str(tmp_path / "target.db")
    before = dump_database(Path(source))
    killed = await anyio.run_process([sys.executable, "-c", KILLED, source, target, share], check=False)
    assert killed.returncode == -9
    assert dump_database(Path(source)) == before
    kind = PostgresDatabase if is_far else SqliteDatabase
    with pytest.raises(DatabaseUnfinished):
        async with kind.open(target):
            pass
    with pytest.raises(DatabaseUnfinished), open_history(target):
        pass
    await move(source, target)
    with open_history(target) as reader:
        assert [office for office, *_ in reader.list_offices()]


async def test_a_target_that_holds_something_is_left_alone(source: str, tmp_path: Path, golden: GoldenTexts) -> None:
    text, own = tmp_path / "notes.txt", tmp_path / "own.db"
    text.write_text("Buy milk.")
    async with SqliteDatabase.open(str(own)):
        pass
    for target in (text, own, tmp_path):
        with pytest.raises(StoreError) as caught:
            await move(source, str(target))
        golden.check(caught.value)
    assert text.read_text() == "Buy milk."


@on_a_server
async def test_a_server_that_holds_something_is_left_alone(source: str, server: str) -> None:
    async with PostgresDatabase.open(server) as database:
        await work(database)
        before = await dump(database)
    with pytest.raises(TargetNotEmpty, match="not empty"):
        await move(source, server)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("DROP TABLE alembic_version")
        with pytest.raises(StoreError, match="another program"):
            await move(source, server)
        connection.execute("CREATE TABLE alembic_version AS SELECT '0004' AS version_num")
    async with PostgresDatabase.open(server) as database:
        assert await dump(database) == before


async def test_no_daemon_works_on_a_file_that_is_moved(source: str, tmp_path: Path) -> None:
    async with SqliteDatabase.open(source):
        with pytest.raises(DatabaseLocked):
            await move(source, str(tmp_path / "target.db"))
    assert not (tmp_path / "target.db").exists()


@on_a_server
async def test_no_daemon_works_on_a_server_that_is_moved(source: str, server: str, tmp_path: Path) -> None:
    await move(source, server)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("UPDATE member SET stage = 'working', expires_at = now() + interval '1 h', host = 'od-1'")
        with pytest.raises(DatabaseLocked, match="od-1"):
            await move(server, str(tmp_path / "target.db"))
        connection.execute("UPDATE member SET expires_at = now() - interval '1 h'")
    await move(server, str(tmp_path / "target.db"))


async def test_without_a_source_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(DatabaseMissing):
        await move(str(tmp_path / "nowhere.db"), str(tmp_path / "target.db"))
    assert [each async for each in anyio.Path(tmp_path).iterdir()] == []


async def test_what_is_damaged_is_not_moved_as_if_it_were_sound(source: str, tmp_path: Path) -> None:
    with sqlite3.connect(source) as connection:
        connection.execute("UPDATE balance SET bal_total = bal_total + 1 WHERE valid_to IS NULL")
    connection.close()
    with pytest.raises(DatabaseDamaged, match="state verify"):
        await move(source, str(tmp_path / "target.db"))


@on_a_server
@pytest.mark.parametrize(
    ("change", "is_moved"),
    [
        ("UPDATE office SET name = 'a' || char(0) || 'b' WHERE id = 'harbor'", True),
        ("UPDATE snapshot SET requests = 3000000000", False),
        ("UPDATE office SET wanted = 'perhaps'", False),
        ("UPDATE journal SET at = 'yesterday'", False),
        ("UPDATE maintenance SET result = x'ff'", False),
    ],
)
async def test_values_that_only_one_of_them_stores(source: str, server: str, change: str, is_moved: bool) -> None:
    with sqlite3.connect(source) as connection:
        connection.execute(change)
    connection.close()
    if not is_moved:
        with pytest.raises(DatabaseDamaged):
            await move(source, server)
        return
    await move(source, server)
    with open_history(server) as reader:
        assert "a\ufffdb" in [name for _, name, _ in reader.list_offices()]
