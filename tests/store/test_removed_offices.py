from datetime import timedelta

from oddaemon.store import journal, snapshots
from oddaemon.store.journal import JournalEntry
from oddaemon.store.offices import RemovedOffice, list_removed_offices
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.store.configured import register_offices
from tests.store.samples import ELM, HARBOR, NOW, OFFICES, make_balances, make_snapshot, make_state


async def test_removed_offices_are_listed_with_their_data_and_its_last_date(database: SqliteDatabase) -> None:
    assert await list_removed_offices(database, {ELM, HARBOR}) == []
    assert await list_removed_offices(database, {HARBOR}) == [RemovedOffice(ELM, "Elm Street Dental", 0, 0, None)]
    await snapshots.publish(database, ELM, make_snapshot(make_balances(3)), make_state(), NOW)
    assert await list_removed_offices(database, {HARBOR}) == [RemovedOffice(ELM, "Elm Street Dental", 1, 0, NOW)]
    later = NOW + timedelta(days=1)
    await journal.append(database, [JournalEntry(ELM, later, "info", "office_stopped", {"why": "x"})], 10)
    await register_offices(database, [OFFICES[1]])
    assert await list_removed_offices(database, {HARBOR}) == [RemovedOffice(ELM, "Elm Street Dental", 1, 0, later)]
