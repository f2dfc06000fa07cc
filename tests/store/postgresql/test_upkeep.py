"""The upkeep of a database on a real server, and how one is opened by its URL."""

import sys
from pathlib import Path

import anyio
import pytest

from oddaemon.core.backfill.job import BackfillTarget
from oddaemon.store import backfill_jobs, offices, schema, snapshots
from oddaemon.store.dialect import make_statement
from oddaemon.store.errors import DatabaseLost, DatabaseUnusable, OfficeUnknown, StoreError
from oddaemon.store.opening import get_upkeep, open_database, open_for_reading
from oddaemon.store.postgresql.connection import PostgresDatabase
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.golden import GoldenTexts
from tests.store.filled_database import fill_database
from tests.store.postgresql.engines import needs_postgresql, on_postgresql
from tests.store.samples import ELM, HARBOR, NOW

pytestmark = needs_postgresql


@on_postgresql
async def test_an_office_is_erased_with_everything_that_names_it(database: PostgresDatabase) -> None:
    await fill_database(database)
    await backfill_jobs.get_or_create(database, BackfillTarget(ELM, NOW.date()), NOW)
    async with database.transaction() as connection:
        await connection.execute(schema.lease.insert(), [{"kind": "office", "name": name} for name in (ELM, HARBOR)])
    kept = await snapshots.load_balances(database, HARBOR)
    rows = await get_upkeep(database).erase_office(ELM)
    assert {"office": 1, "snapshot": 3, "backfill": 1, "lease": 1}.items() <= rows.items()
    assert [row.id for row in await offices.list_all(database)] == [HARBOR]
    assert await snapshots.load_balances(database, HARBOR) == kept
    with pytest.raises(OfficeUnknown):
        await get_upkeep(database).erase_office(ELM)


@on_postgresql
async def test_a_vacuum_and_the_space_of_what_was_pruned(database: PostgresDatabase, golden: GoldenTexts) -> None:
    upkeep = get_upkeep(database)
    await upkeep.reclaim_pruned()
    golden.check((await upkeep.vacuum()).replace(database.where, "WHERE"))
    assert (dict(upkeep.jobs), upkeep.can_back_up, upkeep.get_log_bytes()) == ({}, False, None)
    with pytest.raises(StoreError) as caught:
        await upkeep.back_up(Path(), 1, NOW)
    golden.check(str(caught.value).replace(database.where, "WHERE"))


@on_postgresql
async def test_a_cancelled_vacuum_ends_at_once_and_leaves_the_database_as_it_is(database: PostgresDatabase) -> None:
    with anyio.fail_after(10):
        async with database.open_maintenance_connection() as connection:
            with anyio.move_on_after(0.2) as scope:
                await connection.execute_long("SELECT pg_sleep(60)", 60)
            assert scope.cancelled_caught
            with pytest.raises(DatabaseLost):
                await connection.execute("SELECT 1")
    await get_upkeep(database).try_writing()


@on_postgresql
async def test_what_is_known_of_the_server(database: PostgresDatabase) -> None:
    await fill_database(database)
    info = await get_upkeep(database).read_info()
    assert (info["where"], info["revision"], info["offices"], info["snapshots"]) == (
        database.where,
        schema.REVISIONS[-1],
        2,
        4,
    )
    assert (info["is_standby"], info["standbys"], info["timeline"]) == (False, [], 1)
    assert str(info["server"]).startswith("PostgreSQL ")


@on_postgresql
async def test_a_database_that_answers_and_can_be_written_is_healthy(database: PostgresDatabase) -> None:
    upkeep = get_upkeep(database)
    await upkeep.require_healthy()
    await upkeep.try_writing()
    database.writing_since = anyio.current_time() - 60
    with pytest.raises(DatabaseUnusable):
        await upkeep.require_healthy()
    database.writing_since = None
    database.sever()
    for attempt in (upkeep.require_healthy, upkeep.try_writing):
        with pytest.raises(DatabaseLost):
            await attempt()


async def test_the_url_says_which_kind_of_database_it_is(postgresql: str, path: Path) -> None:
    async with open_database(str(path)) as file, open_database(postgresql) as server:
        assert (type(file), type(server)) == (SqliteDatabase, PostgresDatabase)
        assert file.open_result.is_new
    async with open_for_reading(str(path)) as file, open_for_reading(postgresql) as server:
        assert await offices.list_all(file) == []
        with pytest.raises(RuntimeError):
            await server.execute_one(make_statement("DELETE FROM office"), {})


async def test_without_the_driver_a_file_is_opened_and_a_server_is_not(
    monkeypatch: pytest.MonkeyPatch, path: Path, golden: GoldenTexts
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    for name in [name for name in sys.modules if name.startswith("oddaemon.store.postgresql.")]:
        monkeypatch.delitem(sys.modules, name)
    async with open_database(str(path)) as file:
        assert await offices.list_all(file) == []
    with pytest.raises(StoreError) as caught:
        async with open_database("postgresql://localhost/oddaemon"):
            pass
    golden.check(str(caught.value))
