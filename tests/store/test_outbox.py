from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest

from oddaemon.core.delivery import DeliveryAttempt, DeliveryState, FailedAttempt, SinkState
from oddaemon.core.model import Balance, Reader
from oddaemon.core.snapshot.diff import SnapshotChanges, SnapshotDelta, diff
from oddaemon.core.snapshot.missing_columns import NONE_MISSING
from oddaemon.core.snapshot.payload import Payload
from oddaemon.store import outbox, snapshots
from oddaemon.store.outbox import RETENTION
from oddaemon.store.payloads import load_payload
from tests.store.configured import reconcile_sinks
from tests.store.postgresql.engines import AnyDatabase
from tests.store.samples import ELM, HARBOR, NOW, make_balances, make_snapshot, make_state

LATER = NOW + timedelta(hours=1)


async def publish_night(database: AnyDatabase, day: int, *sinks: str, office: str = ELM, seed: int = 1) -> int:
    at = NOW + timedelta(days=day)
    done = await snapshots.publish(
        database, office, make_snapshot(make_balances(9, seed), 1 + day % 28), make_state(), at, sinks=sinks
    )
    return done.id


async def get_first_attempt(
    database: AnyDatabase, sink: str = "lake", in_flight: Collection[str] = ()
) -> DeliveryAttempt:
    (attempt,) = await outbox.load_next(database, sink, in_flight)
    return attempt


async def require_nothing_due(database: AnyDatabase, sink: str) -> None:
    assert await outbox.load_next(database, sink) == []
    assert await outbox.load_backlog(database, sink) == outbox.SinkBacklog(0, None)


async def test_a_snapshot_and_its_deliveries_are_written_together_or_not_at_all(
    database: AnyDatabase,
) -> None:
    number = await publish_night(database, 1, "lake", "push")
    rows = await outbox.list_deliveries(database)
    assert [(row.sink, row.office_id, row.delivery.snapshot_id) for row in rows] == [
        ("lake", ELM, number),
        ("push", ELM, number),
    ]
    assert len({row.delivery.delivery_id for row in rows}) == 2
    invalid = make_snapshot(make_balances(3))
    with pytest.raises(ValueError, match="control totals"):
        await snapshots.publish(database, ELM, replace(invalid, balances={}), make_state(), NOW, sinks=("lake",))
    assert len(await outbox.list_deliveries(database)) == 2


async def test_the_soonest_of_each_office_s_first_comes_first(database: AnyDatabase) -> None:
    await publish_night(database, 1, "lake")
    await publish_night(database, 2, "lake")
    await publish_night(database, 3, "lake", office=HARBOR)
    elm = await get_first_attempt(database)
    assert elm.delivery.office_id == ELM
    afterwards = replace(elm.delivery, attempts=1, not_before=NOW + 9 * RETENTION)
    later = FailedAttempt(DeliveryState.DUE, afterwards, SinkState(1, LATER))
    await outbox.record_failure(database, "lake", later, "No.", NOW)
    harbor = await get_first_attempt(database)
    assert harbor.delivery.office_id == HARBOR
    assert harbor.sink_state == SinkState(1, LATER)
    assert await outbox.load_backlog(database, "lake") == outbox.SinkBacklog(3, NOW + timedelta(days=1))
    assert await outbox.load_next(database, "lake", count=9) == [
        harbor,
        await get_first_attempt(database, "lake", {HARBOR}),
    ]
    assert harbor.previous_snapshot_id is None


async def test_no_other_of_an_office_comes_while_one_is_on_its_way(database: AnyDatabase) -> None:
    for day, office in ((1, ELM), (2, ELM), (3, HARBOR)):
        await publish_night(database, day, "lake", office=office)
    (attempt,) = await outbox.load_next(database, "lake", {ELM}, 9)
    assert attempt.delivery.office_id == HARBOR
    assert await outbox.load_next(database, "lake", {ELM, HARBOR}, 9) == []
    assert await outbox.load_backlog(database, "lake") == outbox.SinkBacklog(3, NOW + timedelta(days=1))


async def test_changes_start_from_the_previous_delivery_only_if_it_is_done(database: AnyDatabase) -> None:
    one = await publish_night(database, 1, "lake")
    two = await publish_night(database, 2, "lake", seed=2)
    await outbox.mark_done(database, "lake", [await get_first_attempt(database)], LATER)
    attempt = await get_first_attempt(database)
    assert (attempt.previous_snapshot_id, attempt.delivery.snapshot_id) == (one, two)
    payload = await load_payload(database, attempt.delivery, one)
    assert payload is not None
    before, after = ({each.pat_num: each for each in make_balances(9, seed)} for seed in (1, 2))
    assert payload.delta == SnapshotDelta(one, date(2026, 3, 2), diff(before, after))
    assert (payload.balances, payload.missing_columns) == ((), NONE_MISSING)
    assert (payload.snapshot.id, payload.office_name) == (two, "Elm Street Dental")


async def test_after_a_delivery_that_was_skipped_or_given_up_nothing_is_known_of_the_consumer(
    database: AnyDatabase,
) -> None:
    for day in (1, 2, 3):
        await publish_night(database, day, "lake")
    await outbox.skip_first(database, "lake", ELM, NOW)
    second = await get_first_attempt(database)
    assert second.previous_snapshot_id is None
    failed = FailedAttempt(DeliveryState.DEAD, second.delivery, SinkState())
    await outbox.record_failure(database, "lake", failed, "No.", NOW)
    assert (await get_first_attempt(database)).previous_snapshot_id is None


async def test_a_snapshot_that_is_no_longer_kept_carries_nothing_or_the_whole(database: AnyDatabase) -> None:
    one = await publish_night(database, 1, "lake")
    await publish_night(database, 2, "lake", seed=2)
    previous = await get_first_attempt(database)
    await outbox.mark_done(database, "lake", [previous], LATER)
    await database.execute_one("DELETE FROM snapshot WHERE id = :id", {"id": one})
    assert await load_payload(database, previous.delivery, None) is None
    payload = await load_payload(database, (await get_first_attempt(database)).delivery, one)
    assert payload is not None
    assert (payload.delta, payload.balances) == (None, list(make_balances(9, 2)))


async def deliver_nights(database: AnyDatabase, *nights: tuple[Reader, Sequence[Balance]]) -> Payload:
    """What the delivery of the last of these nights carries to a consumer that has the first."""
    ids = []
    for day, (reader, balances) in enumerate(nights, start=1):
        night = replace(make_snapshot(balances, day), reader=reader)
        ids.append((await snapshots.publish(database, ELM, night, make_state(), NOW, sinks=("lake",))).id)
        if day < len(nights):
            await outbox.mark_done(database, "lake", [await get_first_attempt(database)], LATER)
    payload = await load_payload(database, (await get_first_attempt(database)).delivery, ids[0])
    assert payload is not None
    return payload


def without_optional(balances: Sequence[Balance]) -> list[Balance]:
    return [each._replace(clinic_num=0, est_balance=0) for each in balances]


async def test_only_what_differs_at_the_two_ends_is_carried(database: AnyDatabase) -> None:
    one, two, three = (list(make_balances(9, seed)) for seed in (1, 2, 3))
    kept, gone_between, returned, cleared = one[:4]
    middle, last = [kept, returned._replace(bal_total=7), cleared, *two[4:]], [kept, gone_between, returned, *three[4:]]
    data = await deliver_nights(database, *((Reader.STATEMENT, rows) for rows in (one, middle, last)))
    assert data.delta is not None
    assert data.delta.changes == SnapshotChanges((), tuple(zip(one[4:], three[4:], strict=True)), (cleared,))


async def test_a_report_s_missing_columns_are_known_from_the_versions(database: AnyDatabase) -> None:
    rows = without_optional(make_balances(9))
    data = await deliver_nights(database, (Reader.REPORT, rows[1:]), (Reader.REPORT, rows))
    assert data.delta is not None
    assert (data.delta.changes.new, data.delta.changes.changed) == ((rows[0],), ())
    assert data.missing_columns == {"clinic_num", "est_balance"}


async def test_a_report_that_gives_a_column_has_it(database: AnyDatabase) -> None:
    rows = [each._replace(est_balance=0) for each in make_balances(9)]
    data = await deliver_nights(database, (Reader.REPORT, rows[1:]), (Reader.REPORT, rows))
    assert (data.delta is not None, data.missing_columns) == (True, frozenset({"est_balance"}))


async def test_what_another_reader_gave_is_carried_whole(database: AnyDatabase) -> None:
    rows = list(make_balances(9))
    data = await deliver_nights(database, (Reader.REPORT, without_optional(rows)), (Reader.STATEMENT, rows))
    assert (data.delta, data.balances, data.missing_columns) == (None, rows, NONE_MISSING)


async def test_what_ended_long_ago_is_forgotten_but_for_each_office_s_last(database: AnyDatabase) -> None:
    for day in (1, 2, 3):
        await publish_night(database, day, "lake", seed=day)
        await outbox.mark_done(database, "lake", [await get_first_attempt(database)], NOW + timedelta(days=day))
    await publish_night(database, 3 + RETENTION.days + 1, "lake", seed=9)
    assert await database.fetch("SELECT snapshot FROM delivery ORDER BY number", {}, tuple) == [(3,), (4,)]
    assert (await get_first_attempt(database)).previous_snapshot_id == 3


async def test_a_sink_s_outbox_follows_the_configuration(database: AnyDatabase) -> None:
    for office in (ELM, HARBOR):
        await publish_night(database, 1, "lake", office=office)
    await reconcile_sinks(database, {"push": [ELM]}, LATER)
    assert [(row.sink, row.office_id) for row in await outbox.list_deliveries(database)] == [("push", ELM)]
    await reconcile_sinks(database, {"push": [ELM, HARBOR]}, LATER)
    await reconcile_sinks(database, {"push": [ELM, HARBOR]}, LATER)
    assert [(row.sink, row.office_id) for row in await outbox.list_deliveries(database)] == [
        ("push", ELM),
        ("push", HARBOR),
    ]


async def test_an_office_without_a_snapshot_has_nothing_to_start_with(database: AnyDatabase) -> None:
    await reconcile_sinks(database, {"push": [ELM]}, LATER)
    await require_nothing_due(database, "push")


async def test_a_sink_that_no_office_uses_has_an_empty_queue(database: AnyDatabase) -> None:
    await reconcile_sinks(database, {"lake": [ELM]}, NOW)
    await publish_night(database, 1, "lake")
    no_offices: list[str] = []
    for wanted in ({"lake": no_offices}, {}):
        await reconcile_sinks(database, wanted, NOW)
        await require_nothing_due(database, "lake")
