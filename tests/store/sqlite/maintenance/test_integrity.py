import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddaemon.core.backfill.job import BackfillResult, BackfillTarget
from oddaemon.core.model import MONEY_COLUMNS, Balance
from oddaemon.core.snapshot.verify import compute_totals
from oddaemon.store import backfill_jobs, backfilled_days, snapshots
from oddaemon.store.errors import DatabaseMissing, DatabaseNewer
from oddaemon.store.history.integrity import IntegrityProblem
from oddaemon.store.history.replay import Replay
from oddaemon.store.schema import REVISIONS
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.maintenance.integrity import verify
from tests.golden import GoldenTexts
from tests.store.configured import register_offices
from tests.store.filled_database import fill_database, make_true_snapshot
from tests.store.samples import ELM, HARBOR, NOW, make_balances, make_state

Tamper = Callable[..., list[IntegrityProblem]]


def make_tamperer(path: Path) -> Tamper:
    """A change of a database, and what is found then."""

    def run(sql: str) -> list[IntegrityProblem]:
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute(sql).rowcount > 0
            connection.commit()
        return verify(path).problems

    return run


@pytest.fixture
async def tamper(path: Path) -> Tamper:
    """Change a sound database behind its back, and see what is found."""
    async with SqliteDatabase.open(str(path)) as database:
        await fill_database(database)

    return make_tamperer(path)


@pytest.mark.usefixtures("tamper")
async def test_a_sound_database_has_no_problems(path: Path) -> None:
    found = verify(path)
    assert found.problems == []
    assert (found.revision, found.offices, found.snapshots, found.versions) == (REVISIONS[-1], 2, 4, 64)


async def test_it_is_verified_beside_a_daemon_that_writes(path: Path) -> None:
    async with SqliteDatabase.open(str(path)) as database:
        await fill_database(database)
        async with database.transaction():
            assert verify(path).problems == []


def list_places(problems: list[IntegrityProblem]) -> list[tuple[str | None, int | None, str | None]]:
    return [(problem.office, problem.snapshot, problem.as_of) for problem in problems]


def join_sentences(problems: list[IntegrityProblem]) -> str:
    return "\n".join(problem.what for problem in problems)


@pytest.mark.parametrize("column", ["clinic_num", *MONEY_COLUMNS])
async def test_a_changed_amount_of_today_is_found(tamper: Tamper, column: str, golden: GoldenTexts) -> None:
    found = tamper(f"UPDATE balance SET {column} = {column} + 1 WHERE office = 2 AND pat_num = 109")
    assert list_places(found) == [(HARBOR, 4, None), (HARBOR, 4, None)]
    golden.check(join_sentences(found))


async def test_a_changed_amount_of_the_past_is_found_in_the_snapshots_that_held_it(tamper: Tamper) -> None:
    found = tamper("UPDATE balance SET ins_est = 7 WHERE valid_from = 2 AND valid_to = 3 AND pat_num = 100")
    assert list_places(found) == [(ELM, 2, None)]
    assert "ins_est" in found[0].what


async def test_two_errors_that_cancel_each_other_are_found(tamper: Tamper, golden: GoldenTexts) -> None:
    found = tamper(
        "UPDATE balance SET bal_total = bal_total + CASE pat_num WHEN 109 THEN 5 ELSE -5 END "
        "WHERE office = 2 AND pat_num IN (109, 112)"
    )
    golden.check(join_sentences(found))


async def test_a_lost_version_is_found(tamper: Tamper, golden: GoldenTexts) -> None:
    found = tamper("DELETE FROM balance WHERE office = 1 AND pat_num = 9999")
    assert list_places(found) == [(ELM, 2, None), (ELM, 2, None), (ELM, 3, None)]
    golden.check(join_sentences(found))


async def test_versions_that_overlap_are_found(tamper: Tamper, golden: GoldenTexts) -> None:
    found = tamper("UPDATE balance SET valid_to = 3 WHERE office = 1 AND pat_num = 100 AND valid_to = 2")
    assert (ELM, None, None) in list_places(found)
    golden.check(join_sentences(found))


async def test_versions_that_end_before_they_begin_are_found(tamper: Tamper, golden: GoldenTexts) -> None:
    found = tamper("UPDATE balance SET valid_to = 1 WHERE office = 1 AND pat_num = 9999")
    assert (ELM, None, None) in list_places(found)
    golden.check(join_sentences(found))


async def test_versions_of_another_offices_snapshot_are_found(tamper: Tamper, golden: GoldenTexts) -> None:
    found = tamper("UPDATE balance SET valid_to = 4 WHERE office = 1 AND pat_num = 100 AND valid_to IS NULL")
    assert (ELM, None, None) in list_places(found)
    golden.check(join_sentences(found))


@pytest.mark.parametrize("column", ["guarantors", "checksum", "new_guarantors", "cleared_guarantors", *MONEY_COLUMNS])
async def test_changed_totals_are_found(tamper: Tamper, column: str) -> None:
    found = tamper(f"UPDATE snapshot SET {column} = {column} + 1 WHERE id = 2")
    assert [(problem.office, problem.snapshot) for problem in found] == [(ELM, 2)]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE office SET state = '{}' WHERE id = 'harbor'",
        "UPDATE office SET state = 7 WHERE id = 'harbor'",
        "UPDATE pull_page SET balances = '[['",
        "UPDATE snapshot SET reader = 'crystal ball' WHERE id = 4",
        "UPDATE snapshot SET observed_at = 'yesterday' WHERE id = 4",
        "UPDATE balance SET bal_0_30 = x'00' WHERE office = 2 AND pat_num = 109",
    ],
)
async def test_what_cannot_be_read_is_a_problem_of_its_office_alone(
    tamper: Tamper, sql: str, golden: GoldenTexts
) -> None:
    found = tamper(sql)
    assert {problem.office for problem in found} == {HARBOR}
    golden.check(join_sentences(found))


async def test_rows_of_no_office_are_found(tamper: Tamper, golden: GoldenTexts) -> None:
    found = tamper("UPDATE balance SET office = 77 WHERE office = 2 AND pat_num = 109")
    assert None in {problem.office for problem in found}
    golden.check(join_sentences(found))


@pytest.mark.usefixtures("tamper")
async def test_tables_that_were_changed_by_hand_are_found(path: Path, golden: GoldenTexts) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP INDEX balance_current")
    golden.check(join_sentences(verify(path).problems))


@pytest.mark.usefixtures("tamper")
async def test_a_damaged_index_is_found_and_the_offices_are_looked_at_all_the_same(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        ((page,),) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'balance_current'").fetchall()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    found = verify(path)
    assert found.problems[0].what.startswith("it is damaged: ")
    assert found.offices == 2


async def test_a_newer_revision_is_not_judged(tamper: Tamper) -> None:
    with pytest.raises(DatabaseNewer, match="has revision 9999"):
        tamper("UPDATE alembic_version SET version_num = '9999'")


def test_there_must_be_something_to_verify(path: Path, golden: GoldenTexts) -> None:
    with pytest.raises(DatabaseMissing) as caught:
        verify(path)
    golden.check(caught.value)


async def test_no_amount_and_no_guarantor_is_shown(tamper: Tamper) -> None:
    found = tamper("UPDATE balance SET bal_total = 87654321, pat_num = 7654321 WHERE office = 2 AND pat_num = 109")
    text = str(found)
    assert found
    assert "7654321" not in text


async def test_an_office_without_snapshots_is_sound(path: Path) -> None:
    async with SqliteDatabase.open(str(path)) as database:
        await fill_database(database, guarantors=2)
        await snapshots.publish(database, HARBOR, make_true_snapshot(()), make_state(), NOW)
        await register_offices(database, ())
    assert verify(path).problems == []


# --- days that were read afterwards -----------------------------------------------------------------------------------


DAY = date(2025, 12, 31)


@pytest.fixture
async def tamper_backfill(path: Path) -> Tamper:
    """The same with two past days of each office."""
    async with SqliteDatabase.open(str(path)) as database:
        await fill_database(database)
        for office_id in (ELM, HARBOR):
            for seed, day in enumerate((DAY, date(2025, 11, 30)), start=1):
                job = await backfill_jobs.get_or_create(database, BackfillTarget(office_id, day), NOW)
                rows = make_balances(30, seed)
                await backfilled_days.publish(database, job, BackfillResult(rows, compute_totals(rows), 7), NOW)

    return make_tamperer(path)


@pytest.mark.usefixtures("tamper_backfill")
async def test_past_days_that_are_as_they_were_read_are_sound_and_counted(path: Path) -> None:
    found = verify(path)
    assert (found.problems, found.backfilled_days, found.snapshots) == ([], 4, 4)


@pytest.mark.parametrize("column", ["clinic_num", *MONEY_COLUMNS])
async def test_a_changed_amount_of_a_past_day_is_found(
    tamper_backfill: Tamper, column: str, golden: GoldenTexts
) -> None:
    found = tamper_backfill(
        f"UPDATE historical_balance SET {column} = {column} + 1 WHERE snapshot = 1 AND pat_num = 109"
    )
    assert list_places(found) == [(ELM, None, "2025-12-31")]
    golden.check(join_sentences(found))


@pytest.mark.parametrize("column", ["guarantors", "checksum", *MONEY_COLUMNS])
async def test_changed_totals_of_a_past_day_are_found(tamper_backfill: Tamper, column: str) -> None:
    found = tamper_backfill(f"UPDATE historical_snapshot SET {column} = {column} + 1 WHERE id = 2")
    assert [(problem.office, problem.snapshot, problem.as_of) for problem in found] == [(ELM, None, "2025-11-30")]


async def test_a_lost_row_of_a_past_day_is_found(tamper_backfill: Tamper, golden: GoldenTexts) -> None:
    (found,) = tamper_backfill("DELETE FROM historical_balance WHERE snapshot = 3 AND pat_num = 109")
    assert (found.office, found.as_of) == (HARBOR, "2025-12-31")
    golden.check(found.what)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE historical_balance SET bal_0_30 = x'00' WHERE snapshot = 4 AND pat_num = 109",
        "UPDATE historical_snapshot SET via = 'crystal ball' WHERE id = 4",
        "UPDATE historical_snapshot SET published_at = 'yesterday' WHERE id = 4",
    ],
)
async def test_what_cannot_be_read_is_a_problem_of_its_day_alone(
    tamper_backfill: Tamper, sql: str, golden: GoldenTexts
) -> None:
    (found,) = tamper_backfill(sql)
    assert (found.office, found.as_of) == (HARBOR, "2025-11-30")
    golden.check(found.what)


async def test_past_days_of_no_office_are_found(tamper_backfill: Tamper, golden: GoldenTexts) -> None:
    golden.check(join_sentences(tamper_backfill("UPDATE historical_snapshot SET office = 77 WHERE id = 4")))


NIGHTS = st.lists(
    st.dictionaries(st.integers(1, 5), st.tuples(*[st.integers(-3, 3)] * 8), max_size=5).map(
        lambda rows: tuple(Balance(pat_num, *rows[pat_num]) for pat_num in sorted(rows))
    ),
    min_size=1,
    max_size=6,
)


@given(nights=NIGHTS)
@settings(max_examples=50)
def test_one_pass_over_the_versions_says_what_reading_each_snapshot_would(nights: list[tuple[Balance, ...]]) -> None:
    versions, ids = _make_versions(nights), range(1, len(nights) + 1)
    replay = Replay()
    for version in versions:
        replay.add_versions([version])
    assert list(replay.find_problems(set(ids))) == []
    for snapshot_id, totals, _ in replay.compute_snapshots(set(ids)):
        as_of = [
            Balance._make(row)
            for start, end, *row in versions
            if start <= snapshot_id and (end is None or end > snapshot_id)
        ]
        assert totals == compute_totals(as_of) == compute_totals(nights[snapshot_id - 1])


def _make_versions(nights: list[tuple[Balance, ...]]) -> list[tuple[Any, ...]]:
    """What publishing these one after the other leaves, in the order of the table."""
    ended: list[tuple[Any, ...]] = []
    open_since: dict[Balance, int] = {}
    for number, rows in enumerate(nights, start=1):
        over = [each for each in open_since if each not in rows]
        ended += [(open_since.pop(balance), number, *balance) for balance in over]
        for balance in rows:
            open_since.setdefault(balance, number)
    ended += [(since, None, *balance) for balance, since in open_since.items()]
    return sorted(ended, key=lambda version: (version[2], version[0]))
