from datetime import timedelta

from sqlalchemy import text

from oddaemon.store import snapshots
from oddaemon.store.history.published_feed import SETTLE_AFTER, PublishedFeed
from tests.store.postgresql.engines import AnyDatabase
from tests.store.samples import ELM, HARBOR, NOW, make_balances, make_snapshot, make_state

HIDE = ("CREATE TABLE uncommitted AS SELECT * FROM snapshot WHERE id = {id}", "DELETE FROM snapshot WHERE id = {id}")
COMMIT = ("INSERT INTO snapshot SELECT * FROM uncommitted", "DROP TABLE uncommitted")


async def publish(database: AnyDatabase, office_id: str, after: timedelta) -> int:
    snapshot = make_snapshot(make_balances(2))
    return (await snapshots.publish(database, office_id, snapshot, make_state(), NOW + after)).id


async def read_ids(database: AnyDatabase, feed: PublishedFeed) -> list[int]:
    return [each.id for each in await feed.read_new(database, NOW - timedelta(days=1))]


async def execute(database: AnyDatabase, statements: tuple[str, ...], snapshot_id: int = 0) -> None:
    async with database.transaction() as connection:
        for each in statements:
            await connection.execute(text(each.format(id=snapshot_id)))


async def test_each_snapshot_is_read_once(database: AnyDatabase) -> None:
    feed, seconds = PublishedFeed(), timedelta(seconds=50)
    ids = [await publish(database, ELM, number * seconds) for number in range(3)]
    assert await read_ids(database, feed) == ids
    assert await read_ids(database, feed) == []
    later = [await publish(database, HARBOR, number * seconds) for number in range(3, 9)]
    assert await read_ids(database, feed) == later
    assert await read_ids(database, feed) == []


async def test_what_is_older_than_the_period_is_not_read(database: AnyDatabase) -> None:
    await publish(database, ELM, -timedelta(days=2))
    assert await read_ids(database, PublishedFeed()) == []


async def test_a_snapshot_that_is_committed_after_a_later_one_is_read_too(database: AnyDatabase) -> None:
    feed = PublishedFeed()
    first = await publish(database, ELM, timedelta())
    late = await publish(database, ELM, timedelta(seconds=1))
    higher = await publish(database, HARBOR, timedelta(seconds=2))
    last = await publish(database, HARBOR, SETTLE_AFTER)
    await execute(database, HIDE, late)
    assert await read_ids(database, feed) == [first, higher, last]
    await execute(database, COMMIT)
    assert await read_ids(database, feed) == [late]
    assert await read_ids(database, feed) == []


async def test_ids_are_read_again_only_until_their_transactions_must_be_over(database: AnyDatabase) -> None:
    feed = PublishedFeed()
    never = await publish(database, ELM, timedelta())
    settled = await publish(database, ELM, timedelta(seconds=1))
    last = await publish(database, HARBOR, 2 * SETTLE_AFTER)
    await execute(database, HIDE, never)
    assert await read_ids(database, feed) == [settled, last]
    await execute(database, COMMIT)
    assert await read_ids(database, feed) == []
