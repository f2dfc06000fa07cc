import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from itertools import combinations, pairwise
from pathlib import Path

import pytest

from oddaemon.core.backfill.job import BackfillResult, BackfillTarget
from oddaemon.core.model import Balance, ChangeKind, Reader, index_balances
from oddaemon.core.snapshot.diff import GuarantorChange, SnapshotChanges, diff
from oddaemon.core.snapshot.roll_rates import NO_FLOW, BucketFlow, compute_flow
from oddaemon.core.snapshot.verify import compute_totals
from oddaemon.store import backfill_jobs, backfilled_days, snapshots
from oddaemon.store.errors import DatabaseMissing, OfficeUnknown
from oddaemon.store.history.day import DaySource, SnapshotMissing, get_column_sums, get_source, select_day
from oddaemon.store.retention import prune
from oddaemon.store.snapshot_rows import SnapshotRow
from oddaemon.store.sqlite import history_reader as archives
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.history_reader import HistoryReader
from tests.core.apply_changes import apply_changes
from tests.disk.stored import true_snapshot
from tests.store.samples import ELM, HARBOR, NOW, some_balances, state

NIGHTS = 143
"""10,153 pairs."""
DAY_ONE = date(2026, 3, 1)


async def random_past(database: SqliteDatabase, nights: int, guarantors: int = 10) -> list[dict[int, Balance]]:
    """Nights in which guarantors come, go, come back, and change to and fro between few values."""
    draw = random.Random(7)
    told: list[dict[int, Balance]] = []
    for _ in range(nights):
        rows = [row._replace(bal_total=draw.choice([1, 2, 2, 2])) for row in some_balances(guarantors)]
        told.append({row.pat_num: row for row in rows if draw.random() < 0.8})
    for number, night in enumerate(told):
        snapshot = true_snapshot(night.values())
        await _publish(database, ELM, snapshot.balances.values(), DAY_ONE + timedelta(days=number))
        if number % 5 == 0:
            await _publish(database, HARBOR, some_balances(3, seed=number), DAY_ONE + timedelta(days=number))
    return told


async def _publish(
    database: SqliteDatabase, office_id: str, rows: Iterable[Balance], day: date, reader: Reader = Reader.STATEMENT
) -> None:
    snapshot = replace(true_snapshot(rows), aging_date=day, reader=reader)
    await snapshots.publish(database, office_id, snapshot, state(), NOW)


def as_changes(found: Iterable[list[GuarantorChange]]) -> SnapshotChanges:
    new, changed, cleared = [], [], []
    for each in (difference for batch in found for difference in batch):
        match each:
            case GuarantorChange(ChangeKind.NEW, None, Balance() as after, None):
                new.append(after)
            case GuarantorChange(ChangeKind.CHANGED, Balance() as before, Balance() as after, None):
                changed.append((before, after))
            case GuarantorChange(ChangeKind.CLEARED, Balance() as before, None, date()):
                cleared.append(before)
            case _:
                pytest.fail(f"{each} is of no kind")
    return SnapshotChanges(tuple(new), tuple(changed), tuple(cleared))


async def test_any_snapshot_and_its_changes_make_any_later_one(database: SqliteDatabase, path: Path) -> None:
    told = await random_past(database, NIGHTS)
    with HistoryReader.open(path) as archive:
        office = archive.get_office(ELM)
        nights = archive.list_snapshots(office)
        pairs = list(combinations(range(NIGHTS), 2))
        assert len(pairs) > 10_000
        for first, last in pairs:
            changes = as_changes(archive.read_changes(office, nights[first], nights[last]))
            assert apply_changes(told[first], changes) == told[last]
            assert all(before != after for before, after in changes.changed)


async def test_any_past_night_reads_as_it_was(database: SqliteDatabase, path: Path) -> None:
    told = await random_past(database, 30)
    with HistoryReader.open(path) as archive:
        office = archive.get_office(ELM)
        for night, rows in zip(archive.list_snapshots(office), told, strict=True):
            assert [row for batch in archive.read_balances(office, night) for row in batch] == list(rows.values())


async def test_whoever_is_cleared_was_last_seen_on_the_last_day_that_had_them(
    database: SqliteDatabase, path: Path
) -> None:
    told = await random_past(database, 30)
    with HistoryReader.open(path) as archive:
        office = archive.get_office(ELM)
        nights = archive.list_snapshots(office)
        for first, last in combinations(range(30), 2):
            for batch in archive.read_changes(office, nights[first], nights[last]):
                for each in batch:
                    if each.change is ChangeKind.CLEARED:
                        seen = max(number for number in range(last) if each.pat_num in told[number])
                        assert each.last_seen == nights[seen].aging_date


async def test_flows_are_those_of_each_pair_of_nights(database: SqliteDatabase, path: Path) -> None:
    told = await random_past(database, 30)
    with HistoryReader.open(path) as archive:
        office = archive.get_office(ELM)
        nights = archive.list_snapshots(office)
        flows = archive.compute_flows(office, nights[4], nights[20])
        for number, (before, after) in enumerate(pairwise(told[4:21]), start=5):
            wanted = NO_FLOW
            for pat_num in before.keys() | after.keys():
                wanted = wanted.add(compute_flow(before.get(pat_num), after.get(pat_num)))
            assert flows.get(nights[number].id, NO_FLOW) == wanted


async def past_with_gaps(database: SqliteDatabase, days: int = 16) -> list[dict[int, Balance]]:
    """Days of which every third was pulled in its night and the others were read afterwards, latest first."""
    draw = random.Random(11)
    told: list[dict[int, Balance]] = []
    for _ in range(days):
        rows = [row._replace(bal_total=draw.choice([1, 2, 2])) for row in some_balances(10)]
        told.append({row.pat_num: row for row in rows if draw.random() < 0.7})
    for number, rows_of_day in enumerate(told):
        if number % 3 == 1:
            await _publish(database, ELM, rows_of_day.values(), DAY_ONE + timedelta(days=number))
            await _publish(database, HARBOR, some_balances(3, seed=number), DAY_ONE + timedelta(days=number))
    for number, rows_of_day in reversed(list(enumerate(told))):
        if number % 3 != 1:
            await backfilled(database, DAY_ONE + timedelta(days=number), tuple(rows_of_day.values()))
    return told


async def backfilled(database: SqliteDatabase, day: date, rows: tuple[Balance, ...]) -> None:
    order = await backfill_jobs.get_or_create(database, BackfillTarget(ELM, day), NOW)
    await backfilled_days.publish(database, order, BackfillResult(index_balances(rows), compute_totals(rows), 7), NOW)


async def test_any_two_days_compare_whether_pulled_or_read_afterwards(database: SqliteDatabase, path: Path) -> None:
    told = await past_with_gaps(database)
    with HistoryReader.open(path) as archive:
        office = archive.get_office(ELM)
        pictures = archive.list_days(office)
        assert [each.aging_date - DAY_ONE for each in pictures] == [timedelta(days=n) for n in range(len(told))]
        for first, last in combinations(range(len(told)), 2):
            changes = as_changes(archive.read_changes(office, pictures[first], pictures[last]))
            assert apply_changes(told[first], changes) == told[last]
            assert changes == diff(told[first], told[last])


async def test_whoever_is_cleared_was_last_seen_in_a_snapshot_or_on_the_first_day(
    database: SqliteDatabase, path: Path
) -> None:
    told = await past_with_gaps(database)
    with HistoryReader.open(path) as archive:
        office = archive.get_office(ELM)
        pictures = archive.list_days(office)
        for first, last in combinations(range(len(told)), 2):
            for each in (
                one for batch in archive.read_changes(office, pictures[first], pictures[last]) for one in batch
            ):
                if each.change is ChangeKind.CLEARED:
                    nights = (n for n in range(first + 1, last) if n % 3 == 1 and each.pat_num in told[n])
                    assert each.last_seen == pictures[max([first, *nights])].aging_date


async def test_before_the_history_that_is_kept_nobody_was_seen_in_its_latest_night(
    database: SqliteDatabase, path: Path
) -> None:
    """A version that began before it, and is still true in it, tells nothing of the days before."""
    family, other = some_balances(2)
    for number in (8, 9, 10):
        await _publish(database, ELM, [family, other], DAY_ONE + timedelta(days=number))
    await prune(database, datetime(2026, 3, 11, tzinfo=UTC))
    await backfilled(database, DAY_ONE, (family, other))
    await backfilled(database, DAY_ONE + timedelta(days=1), (other,))
    with HistoryReader.open(path) as archive:
        office = archive.get_office(ELM)
        first, last, *nights = archive.list_days(office)
        assert len(nights) == 2
        ((gone,),) = archive.read_changes(office, first, last)
        assert (gone.change, gone.pat_num, gone.last_seen) == (ChangeKind.CLEARED, family.pat_num, DAY_ONE)


async def test_movements_are_those_since_the_day_before(database: SqliteDatabase, path: Path) -> None:
    told = await past_with_gaps(database)
    with HistoryReader.open(path) as archive:
        office = archive.get_office(ELM)
        first, *others = archive.compute_movements(office, archive.list_days(office))
        assert first is None
        for moved, (before, after) in zip(others, pairwise(told), strict=True):
            changes = diff(before, after)
            assert moved is not None
            counts = (len(changes.new), len(changes.changed), len(changes.cleared))
            assert (moved.new, moved.changed, moved.cleared) == counts
            assert moved.flow == reduce(
                BucketFlow.add,
                (compute_flow(before.get(one), after.get(one)) for one in before.keys() | after.keys()),
                NO_FLOW,
            )


async def test_a_day_that_was_pulled_in_its_night_is_that_night_s(database: SqliteDatabase, path: Path) -> None:
    await _publish(database, ELM, some_balances(3, seed=1), DAY_ONE)
    await backfilled(database, DAY_ONE, some_balances(2, seed=2))
    with HistoryReader.open(path) as archive:
        (only,) = archive.list_days(archive.get_office(ELM))
        assert (get_source(only), only.totals.guarantors) == (DaySource.NIGHT, 3)


async def test_an_office_may_have_days_that_were_read_afterwards_alone(database: SqliteDatabase, path: Path) -> None:
    for number in (0, 2):
        await backfilled(database, DAY_ONE + timedelta(days=number), some_balances(3 + number))
    with HistoryReader.open(path) as archive:
        office = archive.get_office(ELM)
        pictures = archive.list_days(office)
        (found,) = archive.read_changes(office, *pictures)
        assert [each.change for each in found] == [ChangeKind.NEW] * 2
        assert select_day(pictures, DAY_ONE, ELM) is pictures[0]
        with pytest.raises(SnapshotMissing, match="the nearest are 2026-03-01 and 2026-03-03"):
            select_day(pictures, DAY_ONE + timedelta(days=1), ELM)
        for wanted in (None, 7):
            with pytest.raises(SnapshotMissing, match="no published snapshot yet"):
                select_day(pictures, wanted, ELM)


def reported(rows: Iterable[Balance], *, clinics: bool = False) -> tuple[Balance, ...]:
    """What the vendor's report tells of these, with the clinic of each only where clinics are asked for."""
    told = (each._replace(est_balance=0, clinic_num=each.clinic_num if clinics else 0) for each in rows)
    return tuple(each for each in told if any(each[2:]))


OWN_ALONE = Balance(7, 2, 900, 0, 0, 0, 0, 0, 0)
FAMILIES = (OWN_ALONE, *(each._replace(clinic_num=3) for each in some_balances(4)))


async def test_a_reader_that_tells_less_is_no_change(database: SqliteDatabase, path: Path) -> None:
    moved = (OWN_ALONE, FAMILIES[1]._replace(bal_total=-1), *FAMILIES[2:4])
    nights = (
        (FAMILIES, Reader.STATEMENT),
        (reported(FAMILIES), Reader.REPORT),
        (reported(FAMILIES, clinics=True), Reader.REPORT),
        (moved, Reader.STATEMENT),
    )
    for number, (rows, reader) in enumerate(nights):
        await _publish(database, ELM, rows, DAY_ONE + timedelta(days=number), reader)
    await backfilled(database, DAY_ONE - timedelta(days=1), reported(FAMILIES))
    with HistoryReader.open(path) as archive:
        office = archive.get_office(ELM)
        pictures = archive.list_days(office)
        untold = [archive.find_missing_columns(office, each) for each in pictures]
        both, own = frozenset({"clinic_num", "est_balance"}), frozenset({"est_balance"})
        assert untold == [both, frozenset(), both, own, frozenset()]
        assert [get_column_sums(each)["est_balance"] is None for each in pictures] == [True, False, True, True, False]
        for first, last in combinations(range(4), 2):
            assert list(archive.read_changes(office, pictures[first], pictures[last])) == []
        for first in range(4):
            (found,) = archive.read_changes(office, pictures[first], pictures[4])
            assert [(each.change, each.pat_num) for each in found] == [
                (ChangeKind.CHANGED, FAMILIES[1].pat_num),
                (ChangeKind.CLEARED, FAMILIES[4].pat_num),
            ]
        counts = [
            each and (each.new, each.changed, each.cleared) for each in archive.compute_movements(office, pictures)
        ]
        assert counts == [None, (0, 0, 0), (0, 0, 0), (0, 4, 0), (0, 1, 1)]


async def test_a_query_that_gives_a_column_tells_it(database: SqliteDatabase, path: Path) -> None:
    await backfilled(database, DAY_ONE, FAMILIES)
    with HistoryReader.open(path) as archive:
        office = archive.get_office(ELM)
        (day,) = archive.list_days(office)
        assert archive.find_missing_columns(office, day) == frozenset()
        assert get_column_sums(day)["est_balance"] == sum(each.est_balance for each in FAMILIES)


async def test_what_is_pruned_or_read_anew_while_it_is_read_is_not_taken_for_whole(
    database: SqliteDatabase, path: Path
) -> None:
    for number in range(3):
        await _publish(database, ELM, some_balances(5, seed=number), DAY_ONE + timedelta(days=number))
    await backfilled(database, DAY_ONE - timedelta(days=1), some_balances(4))
    with HistoryReader.open(path) as archive:
        office = archive.get_office(ELM)
        day, first, *_, last = archive.list_days(office)
        assert isinstance(first, SnapshotRow)
        assert isinstance(last, SnapshotRow)
        await prune(database, datetime(2026, 3, 3, tzinfo=UTC))
        await backfilled(database, day.aging_date, some_balances(3))
        for read in (
            lambda: list(archive.read_balances(office, first)),
            lambda: list(archive.read_balances(office, day)),
            lambda: list(archive.read_changes(office, first, last)),
            lambda: archive.compute_flows(office, first, last),
        ):
            with pytest.raises(
                SnapshotMissing, match=r"of elm-street of 2026-0\d-\d\d were pruned while they were read"
            ):
                read()
        assert [len(rows) for rows in archive.read_balances(office, last)] == [5]


async def test_batches_are_bounded_and_miss_nothing(
    database: SqliteDatabase, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = await random_past(database, 3)
    monkeypatch.setattr(archives, "ROWS_PER_BATCH", 2)
    with HistoryReader.open(path) as archive:
        office = archive.get_office(ELM)
        first, _, last = archive.list_snapshots(office)
        batches = list(archive.read_balances(office, last))
        assert {len(batch) for batch in batches[:-1]} == {2}
        assert [row for batch in batches for row in batch] == list(told[2].values())
        changes = list(archive.read_changes(office, first, last))
        assert all(len(batch) <= 2 for batch in changes)
        assert apply_changes(told[0], as_changes(changes)) == told[2]


async def test_what_is_not_there_is_told(database: SqliteDatabase, path: Path) -> None:
    with pytest.raises(DatabaseMissing), HistoryReader.open(path.with_name("nowhere.db")):
        pass
    with HistoryReader.open(database.path) as archive:
        assert archive.list_snapshots(archive.get_office(ELM)) == []
        with pytest.raises(OfficeUnknown, match="no office 'oak'"):
            archive.get_office("oak")
        with pytest.raises(SnapshotMissing, match="no published snapshot yet"):
            select_day([], None, ELM)


async def test_an_error_of_whoever_reads_stays_their_own(database: SqliteDatabase) -> None:
    with pytest.raises(BrokenPipeError), HistoryReader.open(database.path):
        raise BrokenPipeError


async def test_of_a_day_that_aged_twice_the_last_is_meant(database: SqliteDatabase, path: Path) -> None:
    for seed in (1, 2):
        await _publish(database, ELM, some_balances(3, seed=seed), DAY_ONE)
    with HistoryReader.open(path) as archive:
        nights: list[SnapshotRow] = archive.list_snapshots(archive.get_office(ELM))
        assert select_day(nights, DAY_ONE, ELM) is nights[1]


async def test_it_reads_beside_a_daemon_that_writes(database: SqliteDatabase, path: Path) -> None:
    await random_past(database, 2)
    async with database.transaction():
        with HistoryReader.open(path) as archive:
            assert len(archive.list_snapshots(archive.get_office(ELM))) == 2
