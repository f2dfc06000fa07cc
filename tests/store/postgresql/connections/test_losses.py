"""What happens to an open database: cancelled, slow, severed and failing statements, and servers that go away."""

import os
import pwd
import subprocess
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

import anyio
import anyio.to_thread
import psycopg
import pytest
from sqlalchemy.exc import ProgrammingError

from oddaemon.core.model import Balance
from oddaemon.store import offices, schema, snapshots
from oddaemon.store.dialect import make_statement
from oddaemon.store.errors import DatabaseDamaged, DatabaseLost, DatabaseUnusable
from oddaemon.store.postgresql import connection as connection_module
from oddaemon.store.postgresql import statement_connection
from oddaemon.store.postgresql.connection import PostgresDatabase
from oddaemon.store.postgresql.statement_connection import StatementConnection
from tests.golden import GoldenTexts
from tests.postgres_server import PostgresServer, running_server
from tests.store.configured import register_offices, write_state
from tests.store.postgresql.engines import needs_postgresql
from tests.store.samples import ELM, NOW, OFFICES, make_balances, make_snapshot, make_state

pytestmark = needs_postgresql
SLEEP = make_statement("SELECT pg_sleep(:seconds)")
PLANTED = 7_654_321
"""A PatNum that no error may show."""


@pytest.fixture(scope="module")
def victim() -> Iterator[PostgresServer]:
    """A server that tests stop, kill and fill."""
    with running_server(has_port=True) as victim:
        yield victim


@pytest.fixture
def tiny_disk(victim: PostgresServer) -> Iterator[Path]:
    """A file system of a few megabytes, on which the server may write."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    directory = victim.directory / "tiny"
    directory.mkdir()
    user = pwd.getpwnam("postgres")
    options = f"size=24m,uid={user.pw_uid},gid={user.pw_gid},mode=0700"
    command = ["mount", "-t", "tmpfs", "-o", options, "none", str(directory)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("this machine mounts no tmpfs")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", directory], check=True)


@pytest.fixture
def faults() -> list[DatabaseUnusable]:
    return []


@pytest.fixture
async def database(victim: PostgresServer, faults: list[DatabaseUnusable]) -> AsyncIterator[PostgresDatabase]:
    async with PostgresDatabase.open(victim.make_url(), faults.append) as database:
        await register_offices(database, OFFICES)
        yield database
    assert StatementConnection.calls_in_flight == 0


def check(golden: GoldenTexts, error: DatabaseUnusable, victim: PostgresServer) -> None:
    golden.check(str(error).replace(str(victim.port), "PORT"))


async def test_a_session_that_is_ended_by_the_server_is_lost_and_stays_lost(
    database: PostgresDatabase, victim: PostgresServer, faults: list[DatabaseUnusable], golden: GoldenTexts
) -> None:
    own = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{database.session}'"
    assert await anyio.to_thread.run_sync(victim.execute, own) == [(True,)] * 4
    with pytest.raises(DatabaseLost) as caught:
        await offices.save_state(database, ELM, make_state())
    check(golden, caught.value, victim)
    assert faults == [caught.value]
    for attempt in (
        lambda: offices.save_state(database, ELM, make_state()),
        lambda: offices.list_all(database),
        lambda: database.select(schema.office.select(), tuple),
        lambda: database.execute_one("SELECT 1"),
        lambda: database.turns.execute("SELECT 1"),
        lambda: database.keeper.wait_notification(5),
    ):
        with anyio.fail_after(1), pytest.raises(DatabaseLost):
            await attempt()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_server_that_is_restarted(
    mode: Literal["fast", "immediate"], database: PostgresDatabase, victim: PostgresServer
) -> None:
    async def restart() -> None:
        await anyio.sleep(0.2)
        await anyio.to_thread.run_sync(victim.restart, mode)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(restart)
        with pytest.raises(DatabaseLost) as caught:
            await database.execute_one(SLEEP, {"seconds": 5})
    assert caught.value.is_transient
    async with PostgresDatabase.open(victim.make_url()):
        pass


async def test_a_server_that_stands_still_is_given_up_at_the_deadline(
    database: PostgresDatabase, victim: PostgresServer, monkeypatch: pytest.MonkeyPatch, golden: GoldenTexts
) -> None:
    for module in (connection_module, statement_connection):
        monkeypatch.setattr(module, "STATEMENT_SECONDS", 0.3)
    monkeypatch.setattr(connection_module, "TRANSACTION_SECONDS", 0.3)
    await anyio.to_thread.run_sync(victim.pause)
    try:
        with anyio.fail_after(5):
            for attempt in (
                lambda: database.turns.execute("SELECT 1"),
                lambda: offices.list_all(database),
                lambda: offices.save_state(database, ELM, make_state()),
            ):
                with pytest.raises(DatabaseLost) as caught:
                    await attempt()
                check(golden, caught.value, victim)
    finally:
        await anyio.to_thread.run_sync(victim.resume)


async def test_a_daemon_that_stops_does_not_wait_for_a_server_that_stands_still(
    victim: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statement_connection, "CLOSE_SECONDS", 0.3)
    async with anyio.create_task_group() as tasks:
        async with PostgresDatabase.open(victim.make_url()) as database:
            await anyio.to_thread.run_sync(victim.pause)
            try:
                tasks.start_soon(_expect_loss, database)
                await anyio.sleep(0.1)
            finally:
                began = anyio.current_time()
                tasks.start_soon(_resume_later, victim, 3.0)
        assert anyio.current_time() - began < 2.5


async def _expect_loss(database: PostgresDatabase) -> None:
    with pytest.raises(DatabaseLost):
        await database.execute_one("SELECT 1")


async def _resume_later(victim: PostgresServer, seconds: float) -> None:
    await anyio.sleep(seconds)
    await anyio.to_thread.run_sync(victim.resume)


async def test_severed_connections_end_every_call_at_once(
    database: PostgresDatabase, victim: PostgresServer, golden: GoldenTexts
) -> None:
    lost: list[DatabaseLost] = []

    async def expect_loss(attempt: object) -> None:
        with pytest.raises(DatabaseLost) as caught:
            await attempt()  # type: ignore[operator]  # a coroutine function
        lost.append(caught.value)

    async def write() -> None:
        async with database.transaction() as connection:
            await connection.execute(SLEEP, {"seconds": 9})

    with anyio.fail_after(3):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(expect_loss, write)
            tasks.start_soon(expect_loss, lambda: database.fetch(SLEEP, {"seconds": 9}, tuple))
            tasks.start_soon(expect_loss, lambda: database.turns.execute(SLEEP, {"seconds": 9}))
            tasks.start_soon(expect_loss, lambda: database.keeper.wait_notification(9))
            await anyio.sleep(0.2)
            assert StatementConnection.calls_in_flight == 3
            database.sever()
    assert len(lost) == 4
    check(golden, lost[0], victim)
    assert {str(each) for each in lost} == {str(lost[0])}


async def test_a_statement_that_is_cancelled_by_an_administrator_leaves_the_connection_in_use(
    database: PostgresDatabase, victim: PostgresServer, golden: GoldenTexts
) -> None:
    async def cancel() -> None:
        await anyio.sleep(0.2)
        own = "query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()"
        query = f"SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE {own}"
        await anyio.to_thread.run_sync(victim.execute, query)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cancel)
        with pytest.raises(DatabaseUnusable) as caught:
            await database.execute_one(SLEEP, {"seconds": 9})
    assert not isinstance(caught.value, DatabaseLost)
    check(golden, caught.value, victim)
    assert await database.execute_one("SELECT 1") == [(1,)]


async def test_a_lock_of_another_session_is_waited_for_shortly(
    database: PostgresDatabase, victim: PostgresServer, golden: GoldenTexts
) -> None:
    await database.execute_one("SET lock_timeout = '100ms'")
    async with await psycopg.AsyncConnection.connect(victim.make_url()) as other:
        await other.execute("LOCK TABLE office")
        with pytest.raises(DatabaseUnusable) as caught:
            await offices.save_state(database, ELM, make_state())
    check(golden, caught.value, victim)
    await offices.save_state(database, ELM, make_state())


async def test_a_host_that_stands_still_in_a_transaction_locks_no_one_out(
    database: PostgresDatabase, victim: PostgresServer, golden: GoldenTexts
) -> None:
    await database.execute_one("SET idle_in_transaction_session_timeout = '100ms'")

    async def stand_still() -> None:
        async with database.transaction() as connection:
            await write_state(connection, ELM, make_state(attempts=77))
            await anyio.sleep(0.5)

    with pytest.raises(DatabaseLost) as caught:
        await stand_still()
    check(golden, caught.value, victim)
    async with PostgresDatabase.open(victim.make_url()) as again:
        assert await offices.load_state(again, ELM) != make_state(attempts=77)
        await offices.save_state(again, ELM, make_state())


async def test_a_server_that_became_read_only_is_lost(
    database: PostgresDatabase, victim: PostgresServer, golden: GoldenTexts
) -> None:
    await database.execute_one("SET default_transaction_read_only = on")
    with pytest.raises(DatabaseLost) as caught:
        await offices.save_state(database, ELM, make_state())
    check(golden, caught.value, victim)


async def test_a_collision_is_transient_and_the_connection_stays(
    database: PostgresDatabase, victim: PostgresServer, golden: GoldenTexts
) -> None:
    raises = "DO $$ BEGIN RAISE EXCEPTION 'planted' USING ERRCODE = '{}'; END $$"
    for sqlstate in ("40001", "40P01", "53100", "53200", "42501", "58030", "XX001"):
        with pytest.raises(DatabaseUnusable) as caught:
            await database.execute_one(raises.format(sqlstate))
        assert "planted" not in str(caught.value)
        check(golden, caught.value, victim)
    assert await database.execute_one("SELECT 1") == [(1,)]


async def test_rows_that_contradict_each_other_are_damage_and_are_not_quoted(database: PostgresDatabase) -> None:
    rows = (*make_balances(3), Balance(PLANTED, 0, *[1] * 7))
    await snapshots.publish(database, ELM, make_snapshot(rows), make_state(), NOW)
    await database.execute_one("UPDATE balance SET valid_from = 2, valid_to = 9 WHERE pat_num = 7654321")
    changed = (*make_balances(3), Balance(PLANTED, 0, *[2] * 7))
    await database.execute_one("SELECT setval(pg_get_serial_sequence('snapshot', 'id'), 1)")
    with pytest.raises(DatabaseDamaged) as caught:
        await snapshots.publish(database, ELM, make_snapshot(changed, 2), make_state(), NOW)
    shown = "".join(traceback.format_exception(caught.value))
    assert str(PLANTED) not in shown
    assert len(await snapshots.list_latest(database, ELM, 9)) == 1


async def test_a_transaction_whose_error_was_ignored_is_not_committed(database: PostgresDatabase) -> None:
    before = await offices.load_state(database, ELM)

    async def ignore_error() -> None:
        async with database.transaction() as connection:
            await write_state(connection, ELM, make_state(attempts=9))
            with suppress(ProgrammingError):
                await connection.execute(make_statement("SELECT missing"))

    with pytest.raises(RuntimeError):
        await ignore_error()
    assert await offices.load_state(database, ELM) == before
    await offices.save_state(database, ELM, make_state(attempts=9))


async def test_a_notification_ends_the_wait_and_one_that_came_before_does_too(
    database: PostgresDatabase, victim: PostgresServer
) -> None:
    keeper = database.keeper
    await keeper.listen("oddaemon")
    assert not await keeper.wait_notification(0.05)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(database.turns.execute, "NOTIFY oddaemon")
            assert await keeper.wait_notification(5)
        await database.turns.execute("NOTIFY oddaemon")
        await keeper.execute("SELECT 1")
        assert await keeper.wait_notification(5)
    assert not await keeper.wait_notification(0)
    with anyio.move_on_after(0.05) as scope:
        await keeper.wait_notification(60)
    assert scope.cancelled_caught
    assert await keeper.execute("SELECT 1") == [(1,)]
    assert victim.port


async def test_every_connection_has_its_own_settings(database: PostgresDatabase) -> None:
    query = (
        "SELECT current_setting('statement_timeout'), current_setting('lock_timeout'), "
        "current_setting('idle_in_transaction_session_timeout'), current_setting('transaction_read_only'), "
        "current_setting('transaction_isolation'), current_setting('application_name'), current_setting('TimeZone')"
    )
    shared = (database.session, "UTC")
    plain = ("10s", "2s", "5s", "off", "read committed", *shared)
    assert await database.keeper.execute(query) == await database.turns.execute(query) == [plain]
    assert await database.execute_one(query) == [("30s", *plain[1:])]
    reading = await database.fetch(query, None, tuple)
    assert reading == [("10s", "2s", "5s", "on", "repeatable read", *shared)]


async def test_a_full_disk_of_the_server_is_said_and_gone_once_there_is_space(
    victim: PostgresServer, tiny_disk: Path, golden: GoldenTexts
) -> None:
    victim.execute(f"CREATE TABLESPACE tiny LOCATION '{tiny_disk}'")
    victim.execute("CREATE DATABASE full_disk TABLESPACE tiny")
    async with PostgresDatabase.open(victim.make_url(database="full_disk")) as database:
        await register_offices(database, OFFICES)
        await database.execute_one("CREATE TABLE ballast (text text)")
        fill = "INSERT INTO ballast SELECT repeat('x', 900) FROM generate_series(1, 40000)"
        with pytest.raises(DatabaseUnusable) as caught:
            await database.execute_one(fill)
        assert not isinstance(caught.value, DatabaseLost)
        check(golden, caught.value, victim)
        await database.execute_one("DROP TABLE ballast")
        await snapshots.publish(database, ELM, make_snapshot(make_balances(50)), make_state(), NOW)
    victim.execute("DROP DATABASE full_disk")
    victim.execute("DROP TABLESPACE tiny")
