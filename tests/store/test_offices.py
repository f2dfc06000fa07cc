import msgspec
import pytest

from oddaemon.core.model import Condition, Office
from oddaemon.store import offices, snapshots
from oddaemon.store.database import Database
from oddaemon.store.errors import OfficeNotEnrolled
from tests.store.samples import ELM, HARBOR, NOW, OFFICES, snapshot, some_balances, state


async def test_a_state_comes_back_as_it_was_saved(database: Database) -> None:
    assert await offices.load_state(database, ELM) is None
    await offices.save_state(database, ELM, state(attempts=3))
    assert await offices.load_state(database, ELM) == state(attempts=3)
    assert await offices.load_state(database, HARBOR) is None


async def test_a_person_can_look_at_a_state_with_the_sqlite3_shell(database: Database) -> None:
    await offices.save_state(database, ELM, state())
    seen = await database.one_statement(
        f"SELECT condition, since, reason, owner, not_before FROM office WHERE id = '{ELM}'"
    )
    assert seen == [
        ("blocked", "2026-03-02T08:30:00.250000Z", "The key is disabled.", "office", "2026-03-02T08:30:00.250000Z")
    ]


@pytest.mark.parametrize("stored", ['{"intent": "dance"}', "{}", "not json", "[]"])
async def test_a_state_of_another_version_is_unknown(database: Database, stored: str) -> None:
    await database.one_statement("UPDATE office SET state = ? WHERE id = ?", (stored, ELM))
    assert await offices.load_state(database, ELM) is None
    assert [row.state for row in await offices.standings(database)] == [None, None]


async def test_a_state_with_fields_of_a_newer_version_is_still_read(database: Database) -> None:
    stored = msgspec.json.decode(msgspec.json.encode(state())) | {"mood": "cheerful"}
    await database.one_statement(
        "UPDATE office SET state = ? WHERE id = ?", (msgspec.json.encode(stored).decode(), ELM)
    )
    assert await offices.load_state(database, ELM) == state()


async def test_an_unknown_office_cannot_be_saved(database: Database) -> None:
    with pytest.raises(OfficeNotEnrolled, match="'nowhere' is not in the database"):
        await offices.save_state(database, "nowhere", state())


async def test_an_office_that_is_no_longer_wanted_keeps_its_data(database: Database) -> None:
    await offices.save_state(database, ELM, state())
    await snapshots.publish(database, ELM, snapshot(some_balances(4)), state(), NOW)
    await offices.enroll(database, OFFICES[1:])
    elm, harbor = await offices.standings(database)
    assert (elm.id, elm.wanted, harbor.id, harbor.wanted) == (ELM, False, HARBOR, True)
    assert elm.state == state()
    assert await snapshots.balances(database, ELM) == list(some_balances(4))

    await offices.enroll(database, (Office(ELM, "Elm Street & Sons"),))
    elm, harbor = await offices.standings(database)
    assert (elm.name, elm.wanted, harbor.wanted) == ("Elm Street & Sons", True, False)
    assert elm.snapshot is not None


async def test_no_offices_at_all_can_be_wanted(database: Database) -> None:
    await offices.enroll(database, ())
    assert [row.wanted for row in await offices.standings(database)] == [False, False]


async def test_standings_show_each_office_with_its_latest_snapshot(database: Database) -> None:
    for day in (1, 2):
        await snapshots.publish(database, HARBOR, snapshot(some_balances(day), day), state(attempts=day), NOW)
    elm, harbor = await offices.standings(database)
    assert (elm.name, elm.state, elm.snapshot) == ("Elm Street Dental", None, None)
    assert harbor.state is not None
    assert harbor.state.standing.condition is Condition.BLOCKED
    assert harbor.snapshot == await snapshots.latest(database, HARBOR)
    assert harbor.snapshot is not None
    assert (harbor.snapshot.aging_date.day, harbor.snapshot.totals.guarantors) == (2, 2)
