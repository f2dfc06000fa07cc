from datetime import timedelta

import msgspec
import pytest

from oddaemon.core.model import Condition, OfficeSpec
from oddaemon.store import journal, offices, snapshots
from oddaemon.store.errors import OfficeNotRegistered
from oddaemon.store.journal import JournalEntry
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.golden import GoldenTexts
from tests.store.configured import register_offices
from tests.store.postgresql.engines import AnyDatabase
from tests.store.samples import ELM, HARBOR, NOW, OFFICES, get_latest_snapshot, make_balances, make_snapshot, make_state


async def test_a_state_comes_back_as_it_was_saved(database: AnyDatabase) -> None:
    assert await offices.load_state(database, ELM) is None
    await offices.save_state(database, ELM, make_state(attempts=3))
    assert await offices.load_state(database, ELM) == make_state(attempts=3)
    assert await offices.load_state(database, HARBOR) is None


async def test_a_person_can_look_at_a_state_with_the_sqlite3_shell(
    database: SqliteDatabase, golden: GoldenTexts
) -> None:
    await offices.save_state(database, ELM, make_state())
    row = await database.execute_one(
        f"SELECT condition, since, reason, owner, not_before FROM office WHERE id = '{ELM}'"
    )
    golden.check(row)


@pytest.mark.parametrize("stored", ['{"intent": "dance"}', "{}", "not json", "[]"])
async def test_a_state_of_another_version_is_unknown(database: AnyDatabase, stored: str) -> None:
    await database.execute_one("UPDATE office SET state = :state WHERE id = :id", {"state": stored, "id": ELM})
    assert await offices.load_state(database, ELM) is None
    assert [row.state for row in await offices.list_all(database)] == [None, None]


async def test_a_state_with_fields_of_a_newer_version_is_still_read(database: AnyDatabase) -> None:
    stored = msgspec.json.decode(msgspec.json.encode(make_state())) | {"mood": "cheerful"}
    values = {"state": msgspec.json.encode(stored).decode(), "id": ELM}
    await database.execute_one("UPDATE office SET state = :state WHERE id = :id", values)
    assert await offices.load_state(database, ELM) == make_state()


async def test_an_unknown_office_cannot_be_saved(database: SqliteDatabase, golden: GoldenTexts) -> None:
    with pytest.raises(OfficeNotRegistered) as caught:
        await offices.save_state(database, "nowhere", make_state())
    golden.check(caught.value)


async def test_an_office_that_is_no_longer_wanted_keeps_its_data(database: AnyDatabase) -> None:
    await offices.save_state(database, ELM, make_state())
    await snapshots.publish(database, ELM, make_snapshot(make_balances(4)), make_state(), NOW)
    await register_offices(database, OFFICES[1:])
    elm, harbor = await offices.list_all(database)
    assert (elm.id, elm.is_configured, harbor.id, harbor.is_configured) == (ELM, False, HARBOR, True)
    assert elm.state == make_state()
    assert await snapshots.load_balances(database, ELM) == list(make_balances(4))

    await register_offices(database, (OfficeSpec(ELM, "Elm Street & Sons"),))
    elm, harbor = await offices.list_all(database)
    assert (elm.name, elm.is_configured, harbor.is_configured) == ("Elm Street & Sons", True, False)
    assert elm.snapshot is not None


async def test_no_offices_at_all_can_be_wanted(database: AnyDatabase) -> None:
    await register_offices(database, ())
    assert [row.is_configured for row in await offices.list_all(database)] == [False, False]


async def test_the_list_shows_each_office_with_its_latest_snapshot(database: AnyDatabase) -> None:
    for day in (1, 2):
        await snapshots.publish(database, HARBOR, make_snapshot(make_balances(day), day), make_state(attempts=day), NOW)
    elm, harbor = await offices.list_all(database)
    assert (elm.name, elm.state, elm.snapshot) == ("Elm Street Dental", None, None)
    assert harbor.state is not None
    assert harbor.state.standing.condition is Condition.BLOCKED
    assert harbor.snapshot == await get_latest_snapshot(database, HARBOR)
    assert harbor.snapshot is not None
    assert (harbor.snapshot.aging_date.day, harbor.snapshot.totals.guarantors) == (2, 2)


async def test_offices_are_listed_with_the_amount_of_their_data_and_its_last_date(database: AnyDatabase) -> None:
    async def list_amounts() -> list[object]:
        return [
            (row.id, row.snapshots, row.backfilled_days, row.last_activity_at)
            for row in await offices.list_all(database)
        ]

    untouched = (HARBOR, 0, 0, None)
    assert await list_amounts() == [(ELM, 0, 0, None), untouched]
    await snapshots.publish(database, ELM, make_snapshot(make_balances(3)), make_state(), NOW)
    assert await list_amounts() == [(ELM, 1, 0, NOW), untouched]
    later = NOW + timedelta(days=1)
    await journal.append(database, [JournalEntry(ELM, later, "info", "office_stopped", {"why": "x"})], 10)
    await register_offices(database, [OFFICES[1]])
    assert await list_amounts() == [(ELM, 1, 0, later), untouched]


async def test_some_offices_are_read_as_all_are(database: AnyDatabase) -> None:
    await offices.save_state(database, ELM, make_state(attempts=3))
    await snapshots.publish(database, HARBOR, make_snapshot(make_balances(3)), make_state(), NOW)
    everything = await offices.list_all(database)
    assert [each.id for each in everything] == sorted([ELM, HARBOR])
    for wanted in ([ELM], [HARBOR], [HARBOR, ELM, "unknown"], []):
        assert await offices.list_some(database, wanted) == [each for each in everything if each.id in wanted]
