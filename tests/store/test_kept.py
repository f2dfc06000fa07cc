from datetime import timedelta

from oddaemon.store import journal, offices, snapshots
from oddaemon.store.database import Database
from oddaemon.store.journal import Entry
from oddaemon.store.kept import KeptOffice, kept_offices
from tests.store.samples import ELM, HARBOR, NOW, OFFICES, snapshot, some_balances, state


async def test_what_left_is_told_with_what_is_there_and_since_when_nothing_is_added(database: Database) -> None:
    assert await kept_offices(database, {ELM, HARBOR}) == []
    assert await kept_offices(database, {HARBOR}) == [KeptOffice(ELM, "Elm Street Dental", 0, 0, None)]
    await snapshots.publish(database, ELM, snapshot(some_balances(3)), state(), NOW)
    assert await kept_offices(database, {HARBOR}) == [KeptOffice(ELM, "Elm Street Dental", 1, 0, NOW)]
    later = NOW + timedelta(days=1)
    await journal.append(database, [Entry(ELM, later, "info", "office_stopped", {"why": "x"})], 10)
    await offices.enroll(database, [OFFICES[1]])
    assert await kept_offices(database, {HARBOR}) == [KeptOffice(ELM, "Elm Street Dental", 1, 0, later)]
