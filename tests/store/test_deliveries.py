from dataclasses import replace
from datetime import date, timedelta

import pytest

from oddaemon.core.delivery import Attempt, DeliveryState, Former, Refused, SinkStanding
from oddaemon.core.model import Reader
from oddaemon.store import deliveries, snapshots
from oddaemon.store.database import Database
from oddaemon.store.outbox import KEPT
from tests.store.samples import ELM, HARBOR, NOW, snapshot, some_balances, state

LATER = NOW + timedelta(hours=1)


async def published(database: Database, day: int, *sinks: str, office: str = ELM, seed: int = 1) -> int:
    at = NOW + timedelta(days=day)
    done = await snapshots.publish(
        database, office, snapshot(some_balances(9, seed), 1 + day % 28), state(), at, sinks=sinks
    )
    return done.id


async def first(database: Database, sink: str = "lake") -> Attempt:
    queue = await deliveries.waiting(database, sink)
    assert queue.first is not None
    return queue.first


async def test_a_snapshot_and_its_deliveries_are_written_together_or_not_at_all(database: Database) -> None:
    number = await published(database, 1, "lake", "push")
    rows = await deliveries.overview(database)
    assert [(row.sink, row.office_id, row.delivery.snapshot_id) for row in rows] == [
        ("lake", ELM, number),
        ("push", ELM, number),
    ]
    assert len({row.delivery.delivery_id for row in rows}) == 2
    wrong = snapshot(some_balances(3))
    with pytest.raises(ValueError, match="as many"):
        await snapshots.publish(database, ELM, replace(wrong, balances=()), state(), NOW, sinks=("lake",))
    assert len(await deliveries.overview(database)) == 2


async def test_the_soonest_of_each_office_s_first_comes_first(database: Database) -> None:
    await published(database, 1, "lake")
    await published(database, 2, "lake")
    await published(database, 3, "lake", office=HARBOR)
    elm = await first(database)
    assert elm.delivery.office_id == ELM
    afterwards = replace(elm.delivery, attempts=1, not_before=NOW + 9 * KEPT)
    later = Refused(DeliveryState.DUE, afterwards, SinkStanding(1, LATER))
    await deliveries.refused(database, "lake", later, "No.", NOW)
    harbor = await first(database)
    assert harbor.delivery.office_id == HARBOR
    assert harbor.standing == SinkStanding(1, LATER)
    queue = await deliveries.waiting(database, "lake")
    assert (queue.pending, queue.oldest_at, queue.former) == (3, NOW + timedelta(days=1), None)


async def test_no_other_of_an_office_comes_while_one_is_on_its_way(database: Database) -> None:
    for day, office in ((1, ELM), (2, ELM), (3, HARBOR)):
        await published(database, day, "lake", office=office)
    queue = await deliveries.waiting(database, "lake", {ELM})
    assert queue.first is not None
    assert (queue.first.delivery.office_id, queue.pending) == (HARBOR, 3)
    queue = await deliveries.waiting(database, "lake", {ELM, HARBOR})
    assert (queue.first, queue.pending, queue.oldest_at) == (None, 3, NOW + timedelta(days=1))


async def test_what_came_before_is_told_with_how_it_ended(database: Database) -> None:
    one = await published(database, 1, "lake")
    two = await published(database, 2, "lake", seed=2)
    await deliveries.done(database, "lake", await first(database), LATER)
    queue = await deliveries.waiting(database, "lake")
    assert queue.first is not None
    assert (queue.former, queue.first.delivery.snapshot_id) == (Former(DeliveryState.DONE, one), two)
    parcel = await deliveries.parcel(database, queue.first.delivery, one)
    assert parcel is not None
    before = deliveries.Before(date(2026, 3, 2), Reader.STATEMENT, list(some_balances(9, 1)))
    assert (parcel.before, parcel.balances) == (before, list(some_balances(9, 2)))
    assert (parcel.snapshot.id, parcel.office_name) == (two, "Elm Street Dental")


async def test_a_snapshot_that_is_no_longer_kept_carries_nothing_or_the_whole(database: Database) -> None:
    one = await published(database, 1, "lake")
    await published(database, 2, "lake", seed=2)
    former = await first(database)
    await deliveries.done(database, "lake", former, LATER)
    await database.one_statement("DELETE FROM snapshot WHERE id = ?", (one,))
    assert await deliveries.parcel(database, former.delivery, None) is None
    parcel = await deliveries.parcel(database, (await first(database)).delivery, one)
    assert parcel is not None
    assert parcel.before is None


async def test_what_ended_long_ago_is_forgotten_but_for_each_office_s_last(database: Database) -> None:
    for day in (1, 2, 3):
        await published(database, day, "lake", seed=day)
        await deliveries.done(database, "lake", await first(database), NOW + timedelta(days=day))
    await published(database, 3 + KEPT.days + 1, "lake", seed=9)
    [(numbers,)] = await database.one_answer("SELECT group_concat(snapshot) FROM delivery")
    assert numbers == "3,4"
    queue = await deliveries.waiting(database, "lake")
    assert queue.former == Former(DeliveryState.DONE, 3)


async def test_a_sink_s_outbox_follows_the_configuration(database: Database) -> None:
    for office in (ELM, HARBOR):
        await published(database, 1, "lake", office=office)
    await deliveries.align(database, {"push": [ELM]}, LATER)
    assert [(row.sink, row.office_id) for row in await deliveries.overview(database)] == [("push", ELM)]
    await deliveries.align(database, {"push": [ELM, HARBOR]}, LATER)
    await deliveries.align(database, {"push": [ELM, HARBOR]}, LATER)
    assert [(row.sink, row.office_id) for row in await deliveries.overview(database)] == [
        ("push", ELM),
        ("push", HARBOR),
    ]


async def test_an_office_without_a_snapshot_has_nothing_to_start_with(database: Database) -> None:
    await deliveries.align(database, {"push": [ELM]}, LATER)
    assert await deliveries.waiting(database, "push") == deliveries.Queue(None, None, 0, None)
