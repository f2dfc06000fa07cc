import anyio

from oddaemon.store import maintenance, snapshots
from oddaemon.store.database import Database
from tests.store.samples import ELM, NOW, snapshot, some_balances, state


async def test_a_checkpoint_empties_the_log(database: Database) -> None:
    await snapshots.publish(database, ELM, snapshot(some_balances(500)), state(), NOW)
    log = database.path.with_name(database.path.name + "-wal")
    assert log.stat().st_size > 0
    assert await maintenance.wal_checkpoint(database)
    assert log.stat().st_size == 0
    assert len(await snapshots.balances(database, ELM)) == 500


async def test_a_checkpoint_gives_way_to_a_reader(database: Database) -> None:
    await database.one_statement("PRAGMA busy_timeout = 1")
    async with database.reading() as connection:
        await connection.exec_driver_sql("SELECT COUNT(*) FROM office")
        await snapshots.publish(database, ELM, snapshot(some_balances(5)), state(), NOW)
        assert not await maintenance.wal_checkpoint(database)


async def test_a_sound_database_has_no_problems_even_while_it_is_written(database: Database) -> None:
    await snapshots.publish(database, ELM, snapshot(some_balances(500)), state(), NOW)
    async with database.transaction():
        assert await maintenance.integrity_check(database) == []


async def test_a_damaged_page_is_found_and_named(database: Database) -> None:
    await snapshots.publish(database, ELM, snapshot(some_balances(2000)), state(), NOW)
    await maintenance.wal_checkpoint(database)
    ((page,),) = await database.one_statement("SELECT rootpage FROM sqlite_master WHERE name = 'balance_current'")
    with database.path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    problems = await maintenance.integrity_check(database)
    assert 0 < len(problems) <= maintenance.PROBLEMS_MAX


async def test_a_cancelled_check_does_not_hold_up_a_shutdown(database: Database) -> None:
    await snapshots.publish(database, ELM, snapshot(some_balances(2000)), state(), NOW)
    with anyio.move_on_after(0) as scope:
        await maintenance.integrity_check(database)
    assert scope.cancelled_caught
