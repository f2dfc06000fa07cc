from pathlib import Path

import pytest

from oddaemon.core.snapshot.balance_rows import BalanceRows
from oddaemon.store import open_pulls, snapshots
from oddaemon.store.errors import OfficeNotRegistered
from oddaemon.store.open_pulls import OpenPull
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.store.configured import register_offices
from tests.store.postgresql.engines import AnyDatabase
from tests.store.samples import (
    ELM,
    HARBOR,
    NOW,
    OFFICES,
    make_balances,
    make_checkpoint,
    make_snapshot,
    make_state,
)

ROWS = make_balances(300)


async def test_a_pull_goes_on_where_it_was_after_a_restart(path: Path) -> None:
    async with SqliteDatabase.open(str(path)) as database:
        await register_offices(database, OFFICES)
        await open_pulls.begin(database, ELM, (), make_checkpoint(0))
        await open_pulls.add_page(database, ELM, ROWS[:100], make_checkpoint(ROWS[99].pat_num, 3))
        await open_pulls.add_page(database, ELM, ROWS[100:200], make_checkpoint(ROWS[199].pat_num, 4))
    async with SqliteDatabase.open(str(path)) as database:
        assert await open_pulls.load(database, ELM) == OpenPull(
            make_checkpoint(ROWS[199].pat_num, 4), BalanceRows.of(ROWS[:200])
        )
        assert await open_pulls.load(database, HARBOR) is None


async def test_a_pull_that_has_only_begun_has_a_checkpoint_and_no_rows(database: AnyDatabase) -> None:
    await open_pulls.begin(database, ELM, (), make_checkpoint(0))
    assert await open_pulls.load(database, ELM) == OpenPull(make_checkpoint(0), BalanceRows.of(()))


async def test_beginning_drops_what_was_staged_before_for_this_office_alone(database: AnyDatabase) -> None:
    for office in (ELM, HARBOR):
        await open_pulls.begin(database, office, (), make_checkpoint(0))
        await open_pulls.add_page(database, office, ROWS[:100], make_checkpoint(ROWS[99].pat_num))
    await open_pulls.begin(database, ELM, (), make_checkpoint(0, 9))
    assert await open_pulls.load(database, ELM) == OpenPull(make_checkpoint(0, 9), BalanceRows.of(()))
    assert await open_pulls.load(database, HARBOR) == OpenPull(
        make_checkpoint(ROWS[99].pat_num), BalanceRows.of(ROWS[:100])
    )


async def test_a_row_that_is_read_again_replaces_the_earlier_one(database: AnyDatabase) -> None:
    await open_pulls.begin(database, ELM, (), make_checkpoint(0))
    await open_pulls.add_page(database, ELM, ROWS[:3], make_checkpoint(ROWS[2].pat_num))
    patched = ROWS[1]._replace(bal_total=1)
    await open_pulls.add_page(database, ELM, [patched], make_checkpoint(ROWS[2].pat_num, 5))
    assert await open_pulls.load(database, ELM) == OpenPull(
        make_checkpoint(ROWS[2].pat_num, 5), BalanceRows.of((ROWS[0], patched, ROWS[2]))
    )


async def test_a_discarded_pull_is_gone(database: AnyDatabase) -> None:
    await open_pulls.begin(database, ELM, (), make_checkpoint(0))
    await open_pulls.discard(database, ELM)
    await open_pulls.discard(database, ELM)
    assert await open_pulls.load(database, ELM) is None


async def test_publishing_ends_the_pull_of_this_office_alone(database: AnyDatabase) -> None:
    for office in (ELM, HARBOR):
        await open_pulls.begin(database, office, (), make_checkpoint(0))
    await snapshots.publish(database, ELM, make_snapshot(ROWS), make_state(), NOW)
    assert await open_pulls.load(database, ELM) is None
    assert await open_pulls.load(database, HARBOR) is not None


@pytest.mark.parametrize("column", ["checkpoint", "balances"])
async def test_a_pull_of_another_version_starts_again(database: AnyDatabase, column: str) -> None:
    await open_pulls.begin(database, ELM, (), make_checkpoint(0))
    await database.execute_one(f"UPDATE pull_page SET {column} = '{{}}'")
    assert await open_pulls.load(database, ELM) is None


async def test_an_unknown_office_can_stage_nothing(database: AnyDatabase) -> None:
    with pytest.raises(OfficeNotRegistered):
        await open_pulls.begin(database, "nowhere", (), make_checkpoint(0))
    with pytest.raises(OfficeNotRegistered):
        await open_pulls.add_page(database, "nowhere", ROWS, make_checkpoint(0))


def test_an_open_pull_hides_its_rows_from_logs() -> None:
    assert "balances" not in repr(OpenPull(make_checkpoint(0), BalanceRows.of(ROWS)))
