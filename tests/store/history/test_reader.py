import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from itertools import combinations, pairwise
from pathlib import Path

import pytest

from oddaemon.core.backfill.job import BackfillResult, BackfillTarget
from oddaemon.core.model import Balance, ChangeKind, PublishedSnapshot, Reader
from oddaemon.core.snapshot.diff import GuarantorChange, SnapshotChanges, diff
from oddaemon.core.snapshot.roll_rates import NO_FLOW, BucketFlow, compute_flow
from oddaemon.core.snapshot.verify import compute_totals
from oddaemon.store import backfill_jobs, backfilled_days, offices, snapshots
from oddaemon.store.errors import DatabaseClosed, DatabaseMissing, OfficeUnknown
from oddaemon.store.history import reader as reader_module
from oddaemon.store.history.day import DaySource, SnapshotMissing, get_column_sums, get_source, select_day
from oddaemon.store.opening import open_history
from oddaemon.store.retention import prune
from tests.core.apply_changes import apply_changes
from tests.golden import GoldenTexts
from tests.store.filled_database import make_true_snapshot
from tests.store.postgresql.engines import AnyDatabase
from tests.store.samples import ELM, HARBOR, NOW, make_balances, make_state

MANY_NIGHTS = 143
"""10,153 pairs."""
DAY_ONE = date(2026, 3, 1)


async def publish_random_nights(database: AnyDatabase, nights: int, guarantors: int = 10) -> list[dict[int, Balance]]:
    """Nights in which guarantors come, go, come back, and change to and fro between few values."""
    draw = random.Random(7)
    published_nights: list[dict[int, Balance]] = []
    for _ in range(nights):
        rows = [row._replace(bal_total=draw.choice([1, 2, 2, 2])) for row in make_balances(guarantors)]
        published_nights.append({row.pat_num: row for row in rows if draw.random() < 0.8})
    for number, night in enumerate(published_nights):
        snapshot = make_true_snapshot(night.values())
        await _publish(database, ELM, snapshot.balances, DAY_ONE + timedelta(days=number))
        if number % 5 == 0:
            await _publish(database, HARBOR, make_balances(3, seed=number), DAY_ONE + timedelta(days=number))
    return published_nights


async def _publish(
    database: AnyDatabase, office_id: str, rows: Iterable[Balance], day: date, reader: Reader = Reader.STATEMENT
) -> None:
    snapshot = replace(make_true_snapshot(rows), aging_date=day, reader=reader)
    await snapshots.publish(database, office_id, snapshot, make_state(), NOW)


def collect_changes(found: Iterable[list[GuarantorChange]]) -> SnapshotChanges:
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


@pytest.mark.parametrize("count", [40, pytest.param(MANY_NIGHTS, marks=pytest.mark.slow("ten thousand pairs"))])
async def test_any_snapshot_and_its_changes_make_any_later_one(database: AnyDatabase, url: str, count: int) -> None:
    past_nights = await publish_random_nights(database, count)
    with open_history(url) as reader:
        nights = reader.list_snapshots(ELM)
        for first, last in combinations(range(count), 2):
            changes = collect_changes(reader.read_changes(nights[first], nights[last]))
            assert apply_changes(past_nights[first], changes) == past_nights[last]
            assert all(before != after for before, after in changes.changed)


async def test_any_past_night_reads_as_it_was(database: AnyDatabase, url: str) -> None:
    nights = await publish_random_nights(database, 30)
    with open_history(url) as reader:
        for night, rows in zip(reader.list_snapshots(ELM), nights, strict=True):
            assert [row for batch in reader.read_balances(night) for row in batch] == list(rows.values())


async def test_a_cleared_guarantor_was_last_seen_on_the_last_day_that_had_them(database: AnyDatabase, url: str) -> None:
    past_nights = await publish_random_nights(database, 30)
    with open_history(url) as reader:
        nights = reader.list_snapshots(ELM)
        for first, last in combinations(range(30), 2):
            for batch in reader.read_changes(nights[first], nights[last]):
                for each in batch:
                    if each.change is ChangeKind.CLEARED:
                        last_day = max(number for number in range(last) if each.pat_num in past_nights[number])
                        assert each.last_seen == nights[last_day].aging_date


async def test_flows_are_those_of_each_pair_of_nights(database: AnyDatabase, url: str) -> None:
    past_nights = await publish_random_nights(database, 30)
    with open_history(url) as reader:
        nights = reader.list_snapshots(ELM)
        flows = reader.compute_flows(nights[4], nights[20])
        for number, (before, after) in enumerate(pairwise(past_nights[4:21]), start=5):
            wanted = NO_FLOW
            for pat_num in before.keys() | after.keys():
                wanted = wanted.add(compute_flow(before.get(pat_num), after.get(pat_num)))
            assert flows.get(nights[number].id, NO_FLOW) == wanted


async def store_days_with_gaps(database: AnyDatabase, days: int = 16) -> list[dict[int, Balance]]:
    """Days of which every third was pulled in its night and the others were read afterwards, latest first."""
    draw = random.Random(11)
    stored_days: list[dict[int, Balance]] = []
    for _ in range(days):
        rows = [row._replace(bal_total=draw.choice([1, 2, 2])) for row in make_balances(10)]
        stored_days.append({row.pat_num: row for row in rows if draw.random() < 0.7})
    for number, rows_of_day in enumerate(stored_days):
        if number % 3 == 1:
            await _publish(database, ELM, rows_of_day.values(), DAY_ONE + timedelta(days=number))
            await _publish(database, HARBOR, make_balances(3, seed=number), DAY_ONE + timedelta(days=number))
    for number, rows_of_day in reversed(list(enumerate(stored_days))):
        if number % 3 != 1:
            await store_backfill(database, DAY_ONE + timedelta(days=number), tuple(rows_of_day.values()))
    return stored_days


async def store_backfill(database: AnyDatabase, day: date, rows: tuple[Balance, ...]) -> None:
    job = await backfill_jobs.get_or_create(database, BackfillTarget(ELM, day), NOW)
    await backfilled_days.publish(database, job, BackfillResult(rows, compute_totals(rows), 7), NOW)


async def test_any_two_days_compare_whether_pulled_or_read_afterwards(database: AnyDatabase, url: str) -> None:
    nights = await store_days_with_gaps(database)
    with open_history(url) as reader:
        days = reader.list_days(ELM)
        assert [each.aging_date - DAY_ONE for each in days] == [timedelta(days=n) for n in range(len(nights))]
        for first, last in combinations(range(len(nights)), 2):
            changes = collect_changes(reader.read_changes(days[first], days[last]))
            assert apply_changes(nights[first], changes) == nights[last]
            assert changes == diff(nights[first], nights[last])


async def test_a_cleared_guarantor_was_last_seen_in_a_snapshot_or_on_the_first_day(
    database: AnyDatabase, url: str
) -> None:
    past_nights = await store_days_with_gaps(database)
    with open_history(url) as reader:
        days = reader.list_days(ELM)
        for first, last in combinations(range(len(past_nights)), 2):
            for each in (one for batch in reader.read_changes(days[first], days[last]) for one in batch):
                if each.change is ChangeKind.CLEARED:
                    nights = (n for n in range(first + 1, last) if n % 3 == 1 and each.pat_num in past_nights[n])
                    assert each.last_seen == days[max([first, *nights])].aging_date


async def test_no_guarantor_was_last_seen_before_the_stored_history(database: AnyDatabase, url: str) -> None:
    """A version that began before it, and is still true in it, says nothing of the days before."""
    family, other = make_balances(2)
    for number in (8, 9, 10):
        await _publish(database, ELM, [family, other], DAY_ONE + timedelta(days=number))
    await prune(database, datetime(2026, 3, 11, tzinfo=UTC))
    await store_backfill(database, DAY_ONE, (family, other))
    await store_backfill(database, DAY_ONE + timedelta(days=1), (other,))
    with open_history(url) as reader:
        first, last, *nights = reader.list_days(ELM)
        assert len(nights) == 2
        ((gone,),) = reader.read_changes(first, last)
        assert (gone.change, gone.pat_num, gone.last_seen) == (ChangeKind.CLEARED, family.pat_num, DAY_ONE)


async def test_flows_are_those_since_the_day_before(database: AnyDatabase, url: str) -> None:
    nights = await store_days_with_gaps(database)
    with open_history(url) as reader:
        first, *others = reader.compute_movements(reader.list_days(ELM))
        assert first is None
        for movement, (before, after) in zip(others, pairwise(nights), strict=True):
            changes = diff(before, after)
            assert movement is not None
            counts = (len(changes.new), len(changes.changed), len(changes.cleared))
            assert (movement.new, movement.changed, movement.cleared) == counts
            assert movement.flow == reduce(
                BucketFlow.add,
                (compute_flow(before.get(one), after.get(one)) for one in before.keys() | after.keys()),
                NO_FLOW,
            )


async def test_a_day_that_was_pulled_in_its_night_is_that_night_s(database: AnyDatabase, url: str) -> None:
    await _publish(database, ELM, make_balances(3, seed=1), DAY_ONE)
    await store_backfill(database, DAY_ONE, make_balances(2, seed=2))
    with open_history(url) as reader:
        (only,) = reader.list_days(ELM)
        assert (get_source(only), only.totals.guarantors) == (DaySource.NIGHT, 3)


async def test_an_office_may_have_days_that_were_read_afterwards_alone(
    database: AnyDatabase, url: str, golden: GoldenTexts
) -> None:
    for number in (0, 2):
        await store_backfill(database, DAY_ONE + timedelta(days=number), make_balances(3 + number))
    with open_history(url) as reader:
        days = reader.list_days(ELM)
        (found,) = reader.read_changes(*days)
        assert [each.change for each in found] == [ChangeKind.NEW] * 2
        assert select_day(days, DAY_ONE, ELM) is days[0]
        with pytest.raises(SnapshotMissing) as caught:
            select_day(days, DAY_ONE + timedelta(days=1), ELM)
        golden.check(caught.value)
        for wanted in (None, 7):
            with pytest.raises(SnapshotMissing) as caught:
                select_day(days, wanted, ELM)
            golden.check(caught.value)


def convert_to_report(rows: Iterable[Balance], *, clinics: bool = False) -> tuple[Balance, ...]:
    """What the vendor's report has of these, with the clinic of each only where clinics are asked for."""
    reported_rows = (each._replace(est_balance=0, clinic_num=each.clinic_num if clinics else 0) for each in rows)
    return tuple(each for each in reported_rows if any(each[2:]))


OWN_ALONE = Balance(7, 2, 900, 0, 0, 0, 0, 0, 0)
FAMILIES = (OWN_ALONE, *(each._replace(clinic_num=3) for each in make_balances(4)))


async def test_a_reader_with_fewer_columns_makes_no_change(database: AnyDatabase, url: str) -> None:
    changed = (OWN_ALONE, FAMILIES[1]._replace(bal_total=-1), *FAMILIES[2:4])
    nights = (
        (FAMILIES, Reader.STATEMENT),
        (convert_to_report(FAMILIES), Reader.REPORT),
        (convert_to_report(FAMILIES, clinics=True), Reader.REPORT),
        (changed, Reader.STATEMENT),
    )
    for number, (rows, reader) in enumerate(nights):
        await _publish(database, ELM, rows, DAY_ONE + timedelta(days=number), reader)
    await store_backfill(database, DAY_ONE - timedelta(days=1), convert_to_report(FAMILIES))
    with open_history(url) as history_reader:
        days = history_reader.list_days(ELM)
        missing_columns = [history_reader.find_missing_columns(each) for each in days]
        both, own = frozenset({"clinic_num", "est_balance"}), frozenset({"est_balance"})
        assert missing_columns == [both, frozenset(), both, own, frozenset()]
        assert [get_column_sums(each)["est_balance"] is None for each in days] == [True, False, True, True, False]
        for first, last in combinations(range(4), 2):
            assert list(history_reader.read_changes(days[first], days[last])) == []
        for first in range(4):
            (found,) = history_reader.read_changes(days[first], days[4])
            assert [(each.change, each.pat_num) for each in found] == [
                (ChangeKind.CHANGED, FAMILIES[1].pat_num),
                (ChangeKind.CLEARED, FAMILIES[4].pat_num),
            ]
        counts = [each and (each.new, each.changed, each.cleared) for each in history_reader.compute_movements(days)]
        assert counts == [None, (0, 0, 0), (0, 0, 0), (0, 4, 0), (0, 1, 1)]


async def test_a_query_that_has_a_column_provides_it(database: AnyDatabase, url: str) -> None:
    await store_backfill(database, DAY_ONE, FAMILIES)
    with open_history(url) as reader:
        (day,) = reader.list_days(ELM)
        assert reader.find_missing_columns(day) == frozenset()
        assert get_column_sums(day)["est_balance"] == sum(each.est_balance for each in FAMILIES)


async def test_a_day_pruned_or_replaced_while_it_is_read_is_detected(
    database: AnyDatabase, url: str, golden: GoldenTexts
) -> None:
    for number in range(3):
        await _publish(database, ELM, make_balances(5, seed=number), DAY_ONE + timedelta(days=number))
    await store_backfill(database, DAY_ONE - timedelta(days=1), make_balances(4))
    with open_history(url) as reader:
        day, first, *_, last = reader.list_days(ELM)
        assert isinstance(first, PublishedSnapshot)
        assert isinstance(last, PublishedSnapshot)
        await prune(database, datetime(2026, 3, 3, tzinfo=UTC))
        await store_backfill(database, day.aging_date, make_balances(3))
        for read in (
            lambda: list(reader.read_balances(first)),
            lambda: list(reader.read_balances(day)),
            lambda: list(reader.read_changes(first, last)),
            lambda: reader.compute_flows(first, last),
        ):
            with pytest.raises(SnapshotMissing) as caught:
                read()
            golden.check(caught.value)
        assert [len(rows) for rows in reader.read_balances(last)] == [5]


async def test_batches_are_bounded_and_miss_nothing(
    database: AnyDatabase, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights = await publish_random_nights(database, 3)
    monkeypatch.setattr(reader_module, "ROWS_PER_BATCH", 2)
    with open_history(url) as reader:
        first, _, last = reader.list_snapshots(ELM)
        batches = list(reader.read_balances(last))
        assert {len(batch) for batch in batches[:-1]} == {2}
        assert [row for batch in batches for row in batch] == list(nights[2].values())
        changes = list(reader.read_changes(first, last))
        assert all(len(batch) <= 2 for batch in changes)
        assert apply_changes(nights[0], collect_changes(changes)) == nights[2]


def test_a_missing_file_is_reported(path: Path) -> None:
    with pytest.raises(DatabaseMissing), open_history(str(path)):
        pass


async def test_a_missing_snapshot_is_reported(database: AnyDatabase, url: str, golden: GoldenTexts) -> None:
    assert await offices.list_all(database)
    with open_history(url) as reader:
        assert reader.list_snapshots(ELM) == []
        with pytest.raises(OfficeUnknown, match="no office 'oak'"):
            reader.list_days("oak")
        with pytest.raises(SnapshotMissing) as caught:
            select_day([], None, ELM)
        golden.check(caught.value)


async def test_an_error_of_the_caller_is_not_translated(database: AnyDatabase, url: str) -> None:
    assert await offices.list_all(database)
    with pytest.raises(BrokenPipeError), open_history(url):
        raise BrokenPipeError


async def test_rows_that_are_read_after_the_end_say_so(database: AnyDatabase, url: str) -> None:
    await publish_random_nights(database, 1)
    with open_history(url) as reader:
        (night,) = reader.list_snapshots(ELM)
        begun, unread = reader.read_balances(night), reader.read_balances(night)
        next(begun)
    with pytest.raises(DatabaseClosed):
        next(unread)


async def test_a_stream_that_is_left_leaves_nothing_open(database: AnyDatabase, url: str) -> None:
    await publish_random_nights(database, 2)
    with open_history(url) as reader:
        night, later = reader.list_snapshots(ELM)
        left, other = reader.read_balances(night), reader.read_balances(later)
        assert next(left) != next(other)
        del left
        assert list(reader.read_balances(night))
        del other
        await _publish(database, ELM, make_balances(3), DAY_ONE + timedelta(days=9))
        assert len(reader.list_snapshots(ELM)) == 3


async def test_of_a_day_that_aged_twice_the_last_is_meant(database: AnyDatabase, url: str) -> None:
    for seed in (1, 2):
        await _publish(database, ELM, make_balances(3, seed=seed), DAY_ONE)
    with open_history(url) as reader:
        nights: list[PublishedSnapshot] = reader.list_snapshots(ELM)
        assert select_day(nights, DAY_ONE, ELM) is nights[1]


async def test_it_reads_beside_a_daemon_that_writes(database: AnyDatabase, url: str) -> None:
    await publish_random_nights(database, 2)
    async with database.transaction():
        with open_history(url) as reader:
            assert len(reader.list_snapshots(ELM)) == 2
