from datetime import timedelta

from oddaemon.store import journal, snapshots
from oddaemon.store.journal import JournalEntry
from oddaemon.store.offices import list_all
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.store.configured import register_offices
from tests.store.samples import ELM, HARBOR, NOW, OFFICES, make_balances, make_snapshot, make_state


async def test_offices_are_listed_with_the_amount_of_their_data_and_its_last_date(database: SqliteDatabase) -> None:
    async def list_amounts() -> list[object]:
        return [(row.id, row.snapshots, row.backfilled_days, row.last_activity_at) for row in await list_all(database)]

    untouched = (HARBOR, 0, 0, None)
    assert await list_amounts() == [(ELM, 0, 0, None), untouched]
    await snapshots.publish(database, ELM, make_snapshot(make_balances(3)), make_state(), NOW)
    assert await list_amounts() == [(ELM, 1, 0, NOW), untouched]
    later = NOW + timedelta(days=1)
    await journal.append(database, [JournalEntry(ELM, later, "info", "office_stopped", {"why": "x"})], 10)
    await register_offices(database, [OFFICES[1]])
    assert await list_amounts() == [(ELM, 1, 0, later), untouched]
