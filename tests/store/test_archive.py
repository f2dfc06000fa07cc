import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from itertools import combinations, pairwise
from pathlib import Path

import pytest

from oddaemon.core.diff import Changes, Difference, apply
from oddaemon.core.model import Balance, Change
from oddaemon.core.rolling import STILL, flow
from oddaemon.store import archive as archives
from oddaemon.store import snapshots
from oddaemon.store.archive import Archive, OfficeUnknown, SnapshotMissing, chosen
from oddaemon.store.database import Database
from oddaemon.store.errors import DatabaseMissing
from oddaemon.store.snapshot_row import SnapshotRow
from tests.disk.stored import true_snapshot
from tests.store.samples import ELM, HARBOR, NOW, some_balances, state

NIGHTS = 143
"""10,153 pairs."""
DAY_ONE = date(2026, 3, 1)


async def random_past(database: Database, nights: int, guarantors: int = 10) -> list[dict[int, Balance]]:
    """Nights in which guarantors come, go, come back, and change to and fro between few values."""
    draw = random.Random(7)
    told: list[dict[int, Balance]] = []
    for _ in range(nights):
        rows = [row._replace(bal_total=draw.choice([1, 2, 2, 2])) for row in some_balances(guarantors)]
        told.append({row.pat_num: row for row in rows if draw.random() < 0.8})
    for number, night in enumerate(told):
        snapshot = true_snapshot(night.values())
        await _publish(database, ELM, snapshot.balances, DAY_ONE + timedelta(days=number))
        if number % 5 == 0:
            await _publish(database, HARBOR, some_balances(3, seed=number), DAY_ONE + timedelta(days=number))
    return told


async def _publish(database: Database, office_id: str, rows: Iterable[Balance], day: date) -> None:
    await snapshots.publish(database, office_id, replace(true_snapshot(rows), aging_date=day), state(), NOW)


def as_changes(found: Iterable[list[Difference]]) -> Changes:
    new, changed, cleared = [], [], []
    for each in (difference for batch in found for difference in batch):
        match each:
            case Difference(Change.NEW, None, Balance() as after, None):
                new.append(after)
            case Difference(Change.CHANGED, Balance() as before, Balance() as after, None):
                changed.append((before, after))
            case Difference(Change.CLEARED, Balance() as before, None, date()):
                cleared.append(before)
            case _:
                pytest.fail(f"{each} is of no kind")
    return Changes(tuple(new), tuple(changed), tuple(cleared))


async def test_any_snapshot_and_its_changes_make_any_later_one(database: Database, path: Path) -> None:
    told = await random_past(database, NIGHTS)
    with Archive.open(path) as archive:
        office = archive.office(ELM)
        nights = archive.snapshots(office)
        pairs = list(combinations(range(NIGHTS), 2))
        assert len(pairs) > 10_000
        for first, last in pairs:
            changes = as_changes(archive.changes(office, nights[first], nights[last]))
            assert apply(told[first], changes) == told[last]
            assert all(before != after for before, after in changes.changed)


async def test_any_past_night_reads_as_it_was(database: Database, path: Path) -> None:
    told = await random_past(database, 30)
    with Archive.open(path) as archive:
        office = archive.office(ELM)
        for night, rows in zip(archive.snapshots(office), told, strict=True):
            assert [row for batch in archive.balances(office, night) for row in batch] == list(rows.values())


async def test_whoever_is_cleared_was_last_seen_on_the_last_day_that_had_them(database: Database, path: Path) -> None:
    told = await random_past(database, 30)
    with Archive.open(path) as archive:
        office = archive.office(ELM)
        nights = archive.snapshots(office)
        for first, last in combinations(range(30), 2):
            for batch in archive.changes(office, nights[first], nights[last]):
                for each in batch:
                    if each.change is Change.CLEARED:
                        seen = max(number for number in range(last) if each.pat_num in told[number])
                        assert each.last_seen == nights[seen].aging_date


async def test_flows_are_those_of_each_pair_of_nights(database: Database, path: Path) -> None:
    told = await random_past(database, 30)
    with Archive.open(path) as archive:
        office = archive.office(ELM)
        nights = archive.snapshots(office)
        flows = archive.flows(office, nights[4], nights[20])
        for number, (before, after) in enumerate(pairwise(told[4:21]), start=5):
            wanted = STILL
            for pat_num in before.keys() | after.keys():
                wanted = wanted.plus(flow(before.get(pat_num), after.get(pat_num)))
            assert flows.get(nights[number].id, STILL) == wanted


async def test_batches_are_bounded_and_miss_nothing(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = await random_past(database, 3)
    monkeypatch.setattr(archives, "ROWS_A_BATCH", 2)
    with Archive.open(path) as archive:
        office = archive.office(ELM)
        first, _, last = archive.snapshots(office)
        batches = list(archive.balances(office, last))
        assert {len(batch) for batch in batches[:-1]} == {2}
        assert [row for batch in batches for row in batch] == list(told[2].values())
        changes = list(archive.changes(office, first, last))
        assert all(len(batch) <= 2 for batch in changes)
        assert apply(told[0], as_changes(changes)) == told[2]


async def test_what_is_not_there_is_told(database: Database, path: Path) -> None:
    with pytest.raises(DatabaseMissing), Archive.open(path.with_name("nowhere.db")):
        pass
    with Archive.open(database.path) as archive:
        assert archive.snapshots(archive.office(ELM)) == []
        with pytest.raises(OfficeUnknown, match="no office 'oak'"):
            archive.office("oak")
        with pytest.raises(SnapshotMissing, match="no published snapshot yet"):
            chosen([], None, ELM)


async def test_an_error_of_whoever_reads_stays_their_own(database: Database) -> None:
    with pytest.raises(BrokenPipeError), Archive.open(database.path):
        raise BrokenPipeError


async def test_of_a_day_that_aged_twice_the_last_is_meant(database: Database, path: Path) -> None:
    for seed in (1, 2):
        await _publish(database, ELM, some_balances(3, seed=seed), DAY_ONE)
    with Archive.open(path) as archive:
        nights: list[SnapshotRow] = archive.snapshots(archive.office(ELM))
        assert chosen(nights, DAY_ONE, ELM).id == 2


async def test_it_reads_beside_a_daemon_that_writes(database: Database, path: Path) -> None:
    await random_past(database, 2)
    async with database.transaction():
        with Archive.open(path) as archive:
            assert len(archive.snapshots(archive.office(ELM))) == 2
