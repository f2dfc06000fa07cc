import sqlite3
import stat
import threading
from pathlib import Path

import anyio
import pytest
from sqlalchemy.exc import IntegrityError

from oddaemon.store import offices, snapshots
from oddaemon.store.database import Transaction
from oddaemon.store.dialect import make_statement
from oddaemon.store.errors import DatabaseMissing, DatabaseUnusable
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.golden import GoldenTexts
from tests.store.configured import register_offices, write_state
from tests.store.samples import ELM, NOW, OFFICES, get_latest_snapshot, make_balances, make_snapshot, make_state


async def test_a_new_database_is_for_its_owner_alone(database: SqliteDatabase) -> None:
    for file in _list_directory(database.path):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name


async def test_the_directory_is_made(tmp_path: Path) -> None:
    async with SqliteDatabase.open(str(tmp_path / "state" / "oddaemon" / "x.db")) as database:
        assert database.path.exists()


@pytest.mark.parametrize("prefix", ["", "sqlite:///", "sqlite+aiosqlite:///"])
async def test_a_path_and_a_url_name_the_same_file(path: Path, prefix: str) -> None:
    async with SqliteDatabase.open(f"{prefix}{path}") as database:
        assert database.path == path


async def test_a_path_may_hold_what_a_uri_may_not(tmp_path: Path) -> None:
    path = tmp_path / "50% of #1? état.db"
    async with SqliteDatabase.open(str(path)):
        pass
    assert path.stat().st_size > 0


@pytest.mark.parametrize("url", ["postgresql://user:secret@host/x", "sqlite://", "sqlite+aiosqlite:///:memory:", "://"])
async def test_a_url_that_names_no_file_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(DatabaseUnusable) as caught:
        async with SqliteDatabase.open(url):
            pass
    assert "Set a file" in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_commits_survive_any_crash_of_the_machine(database: SqliteDatabase) -> None:
    assert await database.execute_one("PRAGMA journal_mode") == [("wal",)]
    assert await database.execute_one("PRAGMA synchronous") == [(2,)]
    assert await database.execute_one("PRAGMA foreign_keys") == [(1,)]
    assert await database.execute_one("PRAGMA busy_timeout") == [(5000,)]


async def test_a_transaction_that_raises_leaves_nothing(database: SqliteDatabase) -> None:
    with pytest.raises(ZeroDivisionError):
        await _delete_and_fail(database)
    assert len(await offices.list_all(database)) == len(OFFICES)


async def test_a_broken_constraint_is_no_database_incident(database: SqliteDatabase) -> None:
    with pytest.raises(IntegrityError):
        async with database.transaction() as connection:
            await connection.exec_driver_sql("INSERT INTO office (id, name, wanted) VALUES (?, 'x', 1)", (ELM,))
    await offices.save_state(database, ELM, make_state())


async def test_errors_carry_no_values(database: SqliteDatabase) -> None:
    with pytest.raises(IntegrityError) as caught:
        async with database.transaction() as connection:
            await connection.exec_driver_sql(
                "INSERT INTO office (id, name, wanted) VALUES (?, 'Mrs Secret', 1)", (ELM,)
            )
    assert ELM not in str(caught.value)


async def test_a_function_that_breaks_a_constraint_leaves_nothing_and_shows_no_value(database: SqliteDatabase) -> None:
    twice = make_statement("INSERT INTO sink (name, failures) VALUES (:name, 1), (:name, 2)")

    def write(transaction: Transaction) -> None:
        offices.write_state(transaction, ELM, make_state(attempts=7))
        transaction.execute(twice, {"name": "Mrs Secret"})

    with pytest.raises(IntegrityError) as caught:
        await database.run(write)
    assert "Secret" not in str(caught.value)
    assert await offices.load_state(database, ELM) is None
    await offices.save_state(database, ELM, make_state())


async def test_a_function_runs_in_the_thread_that_has_the_connection(database: SqliteDatabase) -> None:
    threads = {await database.run(lambda _: threading.get_ident()) for _ in range(2)}
    assert len(threads) == 1
    assert threading.get_ident() not in threads


async def test_a_reader_sees_the_state_before_while_a_writer_writes(database: SqliteDatabase) -> None:
    await offices.save_state(database, ELM, make_state(attempts=1))
    with anyio.fail_after(120):
        async with database.transaction() as connection:
            await write_state(connection, ELM, make_state(attempts=2))
            assert await offices.load_state(database, ELM) == make_state(attempts=1)
    assert await offices.load_state(database, ELM) == make_state(attempts=2)


async def test_a_reader_may_read_beside_the_daemon(database: SqliteDatabase) -> None:
    published = await snapshots.publish(database, ELM, make_snapshot(make_balances(9)), make_state(), NOW)
    async with SqliteDatabase.open_for_reading(str(database.path)) as reader:
        assert await snapshots.load_balances(reader, ELM) == list(make_balances(9))
        async with database.transaction():
            latest = await get_latest_snapshot(reader, ELM)
    assert latest is not None
    assert latest.id == published.id


async def test_a_reader_cannot_write(database: SqliteDatabase) -> None:
    async with SqliteDatabase.open_for_reading(str(database.path)) as reader:
        with pytest.raises(RuntimeError, match="opened for reading"):
            await register_offices(reader, OFFICES)
        with pytest.raises(DatabaseUnusable, match="cannot be written"):
            await reader.fetch("DELETE FROM office", (), tuple)


async def test_a_missing_database_is_reported_to_a_reader(path: Path) -> None:
    with pytest.raises(DatabaseMissing, match="Start the daemon"):
        async with SqliteDatabase.open_for_reading(str(path)):
            pass
    assert not _list_directory(path)


async def test_a_file_that_is_no_database_is_left_alone(path: Path, golden: GoldenTexts) -> None:
    diary = b"Dear diary, " * 500
    _overwrite(path, diary)
    for way in (SqliteDatabase.open, SqliteDatabase.open_for_reading):
        with pytest.raises(DatabaseUnusable) as caught:
            async with way(str(path)):
                pass
        golden.check(caught.value)
    assert _read_content(path) == diary


async def test_another_programs_database_is_left_alone(path: Path, golden: GoldenTexts) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE recipe (name TEXT)")
    connection.close()
    for way in (SqliteDatabase.open, SqliteDatabase.open_for_reading):
        with pytest.raises(DatabaseUnusable) as caught:
            async with way(str(path)):
                pass
        golden.check(caught.value)


@pytest.mark.parametrize(
    ("offset", "damage"), [(0, b"\xff" * 4096), (1, b"\xff\xf0")], ids=["a whole page", "two bytes of its header"]
)
async def test_a_damaged_table_of_offices_is_found_when_opening(path: Path, offset: int, damage: bytes) -> None:
    async with SqliteDatabase.open(str(path)) as database:
        await register_offices(database, OFFICES)
        ((page,),) = await database.execute_one("SELECT rootpage FROM sqlite_master WHERE name = 'office'")
    content = bytearray(_read_content(path))
    start = (page - 1) * 4096 + offset
    content[start : start + len(damage)] = damage
    _overwrite(path, bytes(content))
    with pytest.raises(DatabaseUnusable, match="damaged"):
        async with SqliteDatabase.open(str(path)):
            pass


async def test_a_directory_in_its_place_is_explained(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnusable, match="Is a directory"):
        async with SqliteDatabase.open(str(tmp_path)):
            pass


async def test_a_parent_that_is_a_file_is_explained(tmp_path: Path, golden: GoldenTexts) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseUnusable) as caught:
        async with SqliteDatabase.open(str(tmp_path / "file" / "x.db")):
            pass
    golden.check(caught.value)


async def test_a_full_disk_is_explained_and_leaves_nothing_half_written(
    database: SqliteDatabase, golden: GoldenTexts
) -> None:
    before = make_balances(10)
    await snapshots.publish(database, ELM, make_snapshot(before), make_state(attempts=1), NOW)
    ((pages,),) = await database.execute_one("PRAGMA page_count")
    await database.execute_one(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(DatabaseUnusable) as caught:
        await snapshots.publish(database, ELM, make_snapshot(make_balances(4000)), make_state(attempts=2), NOW)
    golden.check(caught.value)
    assert await snapshots.load_balances(database, ELM) == list(before)
    assert await offices.load_state(database, ELM) == make_state(attempts=1)

    await database.execute_one("PRAGMA max_page_count = 1000000")
    await snapshots.publish(database, ELM, make_snapshot(make_balances(4000)), make_state(attempts=3), NOW)
    assert len(await snapshots.load_balances(database, ELM)) == 4000


async def test_a_database_that_cannot_be_written_is_explained(database: SqliteDatabase) -> None:
    await database.execute_one("PRAGMA query_only = ON")
    with pytest.raises(DatabaseUnusable, match="cannot be written"):
        await offices.save_state(database, ELM, make_state())


async def test_another_programs_lock_is_explained(database: SqliteDatabase, golden: GoldenTexts) -> None:
    await database.execute_one("PRAGMA busy_timeout = 1")
    shell = sqlite3.connect(database.path, isolation_level=None)
    shell.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseUnusable) as caught:
        await offices.save_state(database, ELM, make_state())
    golden.check(caught.value)
    shell.close()
    await offices.save_state(database, ELM, make_state())


async def test_calls_in_flight_are_counted_from_begin_to_commit_but_not_while_waiting(database: SqliteDatabase) -> None:
    counts = []

    async def wait_for_the_turn() -> None:
        async with database.transaction():
            counts.append(SqliteDatabase.calls_in_flight)

    assert SqliteDatabase.calls_in_flight == 0
    async with anyio.create_task_group() as tasks, database.transaction():
        tasks.start_soon(wait_for_the_turn)
        await anyio.wait_all_tasks_blocked()
        counts.append(SqliteDatabase.calls_in_flight)
    assert counts == [1, 1]
    assert SqliteDatabase.calls_in_flight == 0


async def _delete_and_fail(database: SqliteDatabase) -> None:
    async with database.transaction() as connection:
        await connection.exec_driver_sql("DELETE FROM office")
        raise ZeroDivisionError


def _list_directory(path: Path) -> list[Path]:
    return list(path.parent.iterdir())


def _read_content(path: Path) -> bytes:
    return path.read_bytes()


def _overwrite(path: Path, content: bytes) -> None:
    path.write_bytes(content)


async def open_with_mode(path: Path, mode: int) -> tuple[int | None, set[int]]:
    """Open an existing database of a mode. Returns what the result says, and the modes of all files."""
    async with SqliteDatabase.open(str(path)):
        path.chmod(mode)  # noqa: ASYNC240 - a local file
    async with SqliteDatabase.open(str(path)) as database:
        modes = {stat.S_IMODE(file.stat().st_mode) for file in _list_directory(path) if file.suffix != ".lock"}
        return database.open_result.exposed_mode, modes


async def test_a_database_that_every_user_can_read_is_made_private(path: Path) -> None:
    assert await open_with_mode(path, 0o644) == (0o644, {0o600})


async def test_a_mode_that_an_operator_gave_to_a_group_stays(path: Path) -> None:
    assert await open_with_mode(path, 0o640) == (None, {0o640})
