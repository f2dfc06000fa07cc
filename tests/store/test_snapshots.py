import random
from dataclasses import replace
from datetime import timedelta

import pytest

from oddaemon.core.model import Balance, ControlTotals, PublishedSnapshot, Reader
from oddaemon.store import offices, snapshots
from oddaemon.store.errors import OfficeNotRegistered
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.store.postgresql.engines import AnyDatabase
from tests.store.samples import ELM, HARBOR, NOW, get_latest_snapshot, make_balances, make_snapshot, make_state


async def test_a_snapshot_comes_back_as_it_was_published(database: AnyDatabase) -> None:
    expected = make_snapshot(make_balances(250))
    published = await snapshots.publish(database, ELM, expected, make_state(), NOW + timedelta(seconds=1))
    assert await snapshots.load_balances(database, ELM) == list(expected.balances)
    assert await get_latest_snapshot(database, ELM) == published
    assert published == PublishedSnapshot(
        id=published.id,
        office_id=ELM,
        aging_date=expected.aging_date,
        observed_at=expected.observed_at,
        published_at=NOW + timedelta(seconds=1),
        reader=Reader.STATEMENT,
        requests=3,
        totals=expected.totals,
        new=250,
        changed=0,
        cleared=0,
        verified=True,
    )


async def test_the_state_is_saved_with_the_snapshot(database: AnyDatabase) -> None:
    await snapshots.publish(database, ELM, make_snapshot(make_balances(2)), make_state(attempts=5), NOW)
    assert await offices.load_state(database, ELM) == make_state(attempts=5)


async def test_every_earlier_state_stays_readable(database: AnyDatabase) -> None:
    first = list(make_balances(5))
    second = [first[0]._replace(bal_total=-1), *first[2:], Balance(9999, 0, 1, 2, 3, 4, 5, 6, 7)]
    one = await snapshots.publish(database, ELM, make_snapshot(first, day=1), make_state(), NOW)
    two = await snapshots.publish(database, ELM, make_snapshot(second, day=2), make_state(), NOW)
    three = await snapshots.publish(database, ELM, make_snapshot(first, day=3), make_state(), NOW)
    assert (two.new, two.changed, two.cleared) == (1, 1, 1)
    assert await snapshots.load_balances(database, ELM, one.id) == first
    assert await snapshots.load_balances(database, ELM, two.id) == second
    assert await snapshots.load_balances(database, ELM, three.id) == first
    assert await snapshots.load_balances(database, ELM) == first
    assert await snapshots.load_balances(database, ELM, one.id - 1) == []
    assert [row.aging_date.day for row in await snapshots.list_latest(database, ELM, limit=2)] == [3, 2]


async def test_only_what_changed_is_written(database: AnyDatabase) -> None:
    first = list(make_balances(1000))
    await snapshots.publish(database, ELM, make_snapshot(first), make_state(), NOW)
    await snapshots.publish(database, ELM, make_snapshot([first[0]._replace(ins_est=1), *first[1:]]), make_state(), NOW)
    assert await database.execute_one("SELECT COUNT(*) FROM balance") == [(1001,)]


async def test_offices_do_not_touch_each_other(database: AnyDatabase) -> None:
    elm, harbor = list(make_balances(20, seed=1)), list(make_balances(30, seed=2))
    one = await snapshots.publish(database, ELM, make_snapshot(elm), make_state(), NOW)
    two = await snapshots.publish(database, HARBOR, make_snapshot(harbor), make_state(), NOW)
    assert two.new == 30
    assert await snapshots.load_balances(database, ELM) == elm
    assert await snapshots.load_balances(database, ELM, two.id) == elm
    assert await snapshots.load_balances(database, HARBOR, one.id) == []
    harbor = [harbor[0]._replace(bal_total=1), *harbor[2:]]
    await snapshots.publish(database, HARBOR, make_snapshot(harbor), make_state(), NOW)
    assert await snapshots.load_balances(database, ELM) == elm
    assert await snapshots.load_balances(database, HARBOR) == harbor
    assert await snapshots.list_latest(database, ELM, limit=9) == [await get_latest_snapshot(database, ELM)]


async def test_an_office_without_balances_is_a_snapshot_too(database: AnyDatabase) -> None:
    await snapshots.publish(database, ELM, make_snapshot(make_balances(3)), make_state(), NOW)
    published = await snapshots.publish(database, ELM, make_snapshot(()), make_state(), NOW)
    assert published.cleared == 3
    assert await snapshots.load_balances(database, ELM) == []


async def test_money_of_any_size_comes_back_to_the_cent(database: AnyDatabase) -> None:
    cents = 2**62
    rows = [Balance(2**62, 2**40, cents, -cents, 0, 1, -1, 99_999_999_999_999, cents - 1)]
    await snapshots.publish(
        database,
        ELM,
        replace(make_snapshot(()), totals=_make_totals(1), balances=rows),
        make_state(),
        NOW,
    )
    assert await snapshots.load_balances(database, ELM) == rows


async def test_a_snapshot_that_does_not_match_its_count_is_not_published(
    database: AnyDatabase,
) -> None:
    rows = make_balances(5)
    for bad in (
        replace(make_snapshot(rows), balances=rows[:4]),
        replace(make_snapshot(rows), totals=_make_totals(6)),
    ):
        with pytest.raises(ValueError, match="control totals"):
            await snapshots.publish(database, ELM, bad, make_state(), NOW)
    assert await get_latest_snapshot(database, ELM) is None


async def test_an_unknown_office_publishes_nothing(database: AnyDatabase) -> None:
    with pytest.raises(OfficeNotRegistered):
        await snapshots.publish(database, "nowhere", make_snapshot(make_balances(5)), make_state(), NOW)
    assert await snapshots.load_balances(database, "nowhere") == []
    assert await get_latest_snapshot(database, "nowhere") is None


async def test_a_naive_instant_is_refused(database: AnyDatabase) -> None:
    with pytest.raises(Exception, match="naive datetime"):
        await snapshots.publish(database, ELM, make_snapshot(make_balances(5)), make_state(), NOW.replace(tzinfo=None))
    assert await get_latest_snapshot(database, ELM) is None


async def test_the_database_itself_refuses_a_second_current_balance(database: AnyDatabase) -> None:
    await snapshots.publish(database, ELM, make_snapshot(make_balances(1)), make_state(), NOW)
    with pytest.raises(Exception, match=r"(?i)unique constraint"):
        await database.execute_one(
            "INSERT INTO balance SELECT office, pat_num, valid_from + 1, NULL, clinic_num, est_balance, bal_0_30, "
            "bal_31_60, bal_61_90, bal_over_90, ins_est, bal_total FROM balance"
        )


async def test_a_year_of_an_office_stays_small(database: SqliteDatabase) -> None:
    draw = random.Random(365)
    rows = list(make_balances(400))
    nights = {}
    for night in range(1, 366):
        for index in draw.sample(range(400), 32 if night > 1 else 0):
            rows[index] = rows[index]._replace(bal_total=draw.randrange(500_000))
        published = await snapshots.publish(database, ELM, make_snapshot(rows), make_state(), NOW)
        nights[published.id] = list(rows)
    for snapshot_id in draw.sample(sorted(nights), 10):
        assert await snapshots.load_balances(database, ELM, snapshot_id) == nights[snapshot_id]
    await database.execute_one("PRAGMA wal_checkpoint(TRUNCATE)")
    # A tenth of a real office: 4,000 guarantors of which 8 % change must stay under 25 MB.
    assert database.path.stat().st_size < 2_500_000


def _make_totals(guarantors: int) -> ControlTotals:
    return ControlTotals._make([guarantors, *[0] * 8])
