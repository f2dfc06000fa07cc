import random
import sqlite3
import tempfile
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddaemon.core.backfill.job import BackfillResult, BackfillTarget
from oddaemon.core.model import Balance
from oddaemon.core.snapshot.verify import compute_totals
from oddaemon.store import backfill_jobs, backfilled_days, journal, retention, snapshots
from oddaemon.store.history.integrity import IntegrityProblem
from oddaemon.store.journal import JournalEntry
from oddaemon.store.retention import PruneResult, prune
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.maintenance.integrity import verify
from tests.store.configured import register_offices
from tests.store.filled_database import make_true_snapshot
from tests.store.postgresql.engines import AnyDatabase
from tests.store.samples import ELM, HARBOR, NOW, OFFICES, make_balances, make_state


async def publish_nights(
    database: AnyDatabase, days: int, office_id: str = ELM, guarantors: int = 20
) -> dict[int, list[Balance]]:
    """This number of nights from 1 March on, some guarantors changing, coming and going in each; what each left."""
    draw = random.Random(days)
    published_rows: dict[int, list[Balance]] = {}
    for day in range(1, days + 1):
        rows = [row._replace(bal_total=draw.choice([1, 2, row.bal_total])) for row in make_balances(guarantors)]
        rows = [row for row in rows if draw.random() < 0.9]
        published = await snapshots.publish(database, office_id, make_true_snapshot(rows, day), make_state(), NOW)
        published_rows[published.id] = rows
    return published_rows


def find_problems(database: AnyDatabase) -> list[IntegrityProblem]:
    return verify(database.path).problems if isinstance(database, SqliteDatabase) else []


def make_march_instant(day: int) -> datetime:
    return datetime(2026, 3, day, 3, 0, tzinfo=UTC)


async def list_stored_days(database: AnyDatabase, office_id: str = ELM) -> list[int]:
    return [row.aging_date.day for row in await snapshots.list_latest(database, office_id, limit=100)][::-1]


async def test_what_is_older_than_the_period_goes_but_for_the_night_with_which_it_begins(
    database: AnyDatabase,
) -> None:
    published_rows = await publish_nights(database, 10)
    pruned = await prune(database, make_march_instant(6))
    assert await list_stored_days(database) == [5, 6, 7, 8, 9, 10]
    assert pruned.snapshots == 4
    assert pruned.versions > 0
    for snapshot_id, rows in published_rows.items():
        if snapshot_id >= 5:
            assert await snapshots.load_balances(database, ELM, snapshot_id) == rows
    assert await snapshots.load_balances(database, ELM) == published_rows[10]
    assert find_problems(database) == []


async def test_a_second_run_finds_nothing_more_to_do(database: AnyDatabase) -> None:
    await publish_nights(database, 10)
    await prune(database, make_march_instant(6))
    assert await prune(database, make_march_instant(6)) == PruneResult()


async def test_no_version_is_left_that_no_snapshot_needs(database: AnyDatabase) -> None:
    await publish_nights(database, 10)
    await prune(database, make_march_instant(6))
    rows = await database.execute_one("SELECT COUNT(*) FROM balance WHERE valid_to <= 5 OR valid_from > 10")
    assert rows == [(0,)]


async def test_versions_of_negative_numbers_go_like_the_others(database: AnyDatabase) -> None:
    """Open Dental can draw random numbers for patients."""
    rows = [row._replace(pat_num=-row.pat_num * 10**12) for row in make_balances(4)]
    for day in range(1, 11):
        changed = [row._replace(bal_total=day * 100) for row in rows]
        await snapshots.publish(database, ELM, make_true_snapshot(changed, day), make_state(), NOW)
    pruned = await prune(database, make_march_instant(6))
    assert pruned.versions == 16
    assert await database.execute_one("SELECT COUNT(*) FROM balance WHERE valid_to <= 5") == [(0,)]


async def test_the_latest_snapshot_stays_however_old_it_is(database: AnyDatabase) -> None:
    published_rows = await publish_nights(database, 3)
    await prune(database, make_march_instant(28))
    assert await list_stored_days(database) == [3]
    assert await snapshots.load_balances(database, ELM) == published_rows[3]
    assert find_problems(database) == []


async def test_an_office_that_was_published_today_for_the_first_time_keeps_it(database: AnyDatabase) -> None:
    await publish_nights(database, 1)
    assert await prune(database, make_march_instant(1)) == PruneResult()
    assert await prune(database, make_march_instant(28)) == PruneResult()
    assert await list_stored_days(database) == [1]


async def test_offices_are_pruned_each_by_its_own_nights(database: AnyDatabase) -> None:
    await publish_nights(database, 10)
    await publish_nights(database, 3, HARBOR)
    await prune(database, make_march_instant(6))
    assert await list_stored_days(database) == [5, 6, 7, 8, 9, 10]
    assert await list_stored_days(database, HARBOR) == [3]
    assert find_problems(database) == []


async def test_a_day_that_aged_twice_stays_whole(database: AnyDatabase) -> None:
    for day in (1, 2, 5, 5, 6):
        await snapshots.publish(database, ELM, make_true_snapshot(make_balances(3, seed=day), day), make_state(), NOW)
    await prune(database, make_march_instant(5))
    assert await list_stored_days(database) == [2, 5, 5, 6]


async def test_publishing_goes_on_after_pruning(database: AnyDatabase) -> None:
    await publish_nights(database, 10)
    await prune(database, make_march_instant(6))
    await snapshots.publish(database, ELM, make_true_snapshot(make_balances(8, seed=3), 11), make_state(), NOW)
    assert find_problems(database) == []
    await prune(database, make_march_instant(8))
    assert await list_stored_days(database) == [7, 8, 9, 10, 11]
    assert find_problems(database) == []


async def test_a_run_that_is_killed_between_its_bites_leaves_a_sound_database(
    database: AnyDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    published_rows = await publish_nights(database, 10)
    bites = 0

    async def interrupt(*_: object) -> int:
        nonlocal bites
        bites += 1
        raise InterruptedError

    monkeypatch.setattr(retention, "_prune_versions", interrupt)
    with pytest.raises(InterruptedError):
        await prune(database, make_march_instant(6))
    assert find_problems(database) == []
    assert await snapshots.load_balances(database, ELM, 7) == published_rows[7]
    monkeypatch.undo()
    assert (await prune(database, make_march_instant(6))).versions > 0
    assert find_problems(database) == []


async def test_bites_are_bounded_and_miss_nothing(database: AnyDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    await publish_nights(database, 10)
    monkeypatch.setattr(retention, "ROWS_PER_TRANSACTION", 7)
    assert (await prune(database, make_march_instant(9))).versions > 21
    assert await database.execute_one("SELECT COUNT(*) FROM balance WHERE valid_to <= 8") == [(0,)]
    assert find_problems(database) == []


async def test_old_lines_of_the_journal_go_too(database: AnyDatabase) -> None:
    entries = [JournalEntry(ELM, make_march_instant(day), "info", "x", {}) for day in range(1, 11)]
    await journal.append(database, entries, entries_max=100)
    assert await prune(database, make_march_instant(6)) == PruneResult(journal_entries=5)
    assert await database.execute_one("SELECT COUNT(*) FROM journal") == [(5,)]


async def test_past_days_go_as_long_after_they_were_read_as_snapshots_do(database: AnyDatabase) -> None:
    for number, read_at in enumerate((make_march_instant(2), make_march_instant(8))):
        job = await backfill_jobs.get_or_create(database, BackfillTarget(ELM, date(2020, 1, 1 + number)), read_at)
        rows = make_balances(3)
        await backfilled_days.publish(database, job, BackfillResult(rows, compute_totals(rows), 7), read_at)
    assert await prune(database, make_march_instant(6)) == PruneResult(backfilled_days=1)
    assert list(await backfilled_days.load_outcomes(database)) == [(ELM, date(2020, 1, 2))]
    assert await database.execute_one("SELECT COUNT(*) FROM historical_balance") == [(3,)]
    assert len(await backfill_jobs.list_jobs(database)) == 1


async def test_what_was_tampered_with_is_found_in_a_pruned_past_too(database: SqliteDatabase, path: Path) -> None:
    await publish_nights(database, 10)
    await prune(database, make_march_instant(6))

    def tamper_and_verify(sql: str) -> list[IntegrityProblem]:
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute(sql).rowcount > 0
            connection.commit()
        return verify(path).problems

    whole = verify(path).versions
    assert tamper_and_verify("UPDATE balance SET ins_est = ins_est + 1 WHERE valid_from < 5 AND valid_to IS NOT NULL")
    assert verify(path).versions == whole


async def test_a_snapshot_that_vanished_without_pruning_is_found(database: SqliteDatabase, path: Path) -> None:
    await publish_nights(database, 10)
    await prune(database, make_march_instant(6))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM snapshot WHERE id = 7")
        connection.commit()
    assert any("does not have" in problem.what for problem in verify(path).problems)


@settings(max_examples=25)
@given(days=st.integers(1, 12), day=st.integers(1, 20), again=st.integers(1, 20))
async def test_whatever_is_kept_reads_as_before_and_verifies(days: int, day: int, again: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        async with SqliteDatabase.open(str(Path(directory, "oddaemon.db"))) as database:
            await register_offices(database, OFFICES)
            published_rows = await publish_nights(database, days, guarantors=6)
            for each in (day, again):
                await prune(database, make_march_instant(each))
                assert find_problems(database) == []
            for row in await snapshots.list_latest(database, ELM, limit=100):
                assert await snapshots.load_balances(database, ELM, row.id) == published_rows[row.id]
            wanted = {each for each in range(1, days + 1) if each >= max(day, again)}
            assert wanted <= set(await list_stored_days(database))
