from datetime import timedelta

import pytest

from oddaemon.store import journal
from oddaemon.store.errors import DatabaseDamaged
from oddaemon.store.journal import JournalEntry
from tests.store.postgresql.engines import AnyDatabase
from tests.store.samples import ELM, HARBOR, NOW


def make_entry(number: int, office_id: str = ELM) -> JournalEntry:
    fields = {"number": number, "reason": 'The office said "é".', "kinds": {"preferences": 2}, "retry_at": None}
    return JournalEntry(office_id, NOW + timedelta(seconds=number), "warning", "failure_seen", fields)


async def test_what_is_read_is_what_was_written_oldest_first(database: AnyDatabase) -> None:
    await journal.append(database, [make_entry(1), make_entry(2, HARBOR), make_entry(3)], entries_max=10)
    await journal.append(database, [make_entry(4)], entries_max=10)
    assert await journal.list_latest(database, ELM, 10) == [make_entry(1), make_entry(3), make_entry(4)]
    assert await journal.list_latest(database, ELM, 2) == [make_entry(3), make_entry(4)]
    assert await journal.list_latest(database, HARBOR, 10) == [make_entry(2, HARBOR)]


async def test_each_office_keeps_its_own_last_entries(database: AnyDatabase) -> None:
    await journal.append(database, [make_entry(0, HARBOR)], entries_max=3)
    for number in range(20):
        await journal.append(database, [make_entry(2 * number), make_entry(2 * number + 1)], entries_max=3)
    assert await journal.list_latest(database, ELM, 100) == [make_entry(37), make_entry(38), make_entry(39)]
    assert await journal.list_latest(database, HARBOR, 100) == [make_entry(0, HARBOR)]


async def test_an_unknown_office_has_no_journal_and_spoils_no_other_s(database: AnyDatabase) -> None:
    await journal.append(database, [make_entry(1, "nowhere"), make_entry(2)], entries_max=3)
    await journal.append(database, [], entries_max=3)
    assert await journal.list_latest(database, "nowhere", 10) == []
    assert await journal.list_latest(database, ELM, 10) == [make_entry(2)]


async def test_impossible_fields_are_reported_as_damage(database: AnyDatabase) -> None:
    await journal.append(database, [make_entry(1)], entries_max=3)
    await database.execute_one("UPDATE journal SET fields = '[1'")
    with pytest.raises(DatabaseDamaged):
        await journal.list_latest(database, ELM, 10)


async def test_a_journal_of_an_older_version_is_read_under_the_present_names(database: AnyDatabase) -> None:
    old: list[tuple[str, dict[str, object]]] = [
        ("key_not_in_force", {"key": "former", "until": "2026-03-09"}),
        ("failure_seen", {"kind": "lane_cut", "attempt": 1}),
        ("delivery_refused", {"why": "It is full.", "attempt": 1}),
    ]
    entries = [JournalEntry(ELM, NOW, "info", event, fields) for event, fields in old]
    await journal.append(database, entries, entries_max=10)
    assert [(each.event, dict(each.fields)) for each in await journal.list_latest(database, ELM, 10)] == [
        ("key_rejected_during_rotation", {"key": "old", "until": "2026-03-09"}),
        ("failure_seen", {"kind": "column_truncated", "attempt": 1}),
        ("delivery_attempt_failed", {"reason": "It is full.", "attempt": 1}),
    ]
