"""A database on a server is verified by its catalog and by its control totals."""

from datetime import date

import psycopg
import pytest

from oddaemon.core.backfill.job import BackfillResult, BackfillTarget
from oddaemon.core.dsn import parse_dsn
from oddaemon.core.snapshot.verify import compute_totals
from oddaemon.store import backfill_jobs, backfilled_days
from oddaemon.store.history.integrity import IntegrityProblem
from oddaemon.store.postgresql.connection import PostgresDatabase
from oddaemon.store.postgresql.integrity import verify
from oddaemon.store.schema import REVISIONS
from tests.store.filled_database import fill_database
from tests.store.postgresql.engines import on_postgresql
from tests.store.samples import ELM, HARBOR, NOW, make_balances

pytestmark = on_postgresql
DAY = date(2025, 12, 31)


@pytest.fixture
async def filled(database: PostgresDatabase) -> PostgresDatabase:
    await fill_database(database)
    rows = make_balances(30)
    job = await backfill_jobs.get_or_create(database, BackfillTarget(HARBOR, DAY), NOW)
    await backfilled_days.publish(database, job, BackfillResult(rows, compute_totals(rows), 7), NOW)
    return database


def tamper(url: str, change: str, back: str = "") -> list[IntegrityProblem]:
    """What is found after a change behind the program's back."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(change.encode())
        try:
            return verify(url).problems
        finally:
            if back:
                connection.execute(back.encode())


@pytest.mark.usefixtures("filled")
async def test_a_sound_database_has_no_problems(url: str) -> None:
    found = verify(url)
    assert found.problems == []
    assert (found.revision, found.offices, found.snapshots, found.versions) == (REVISIONS[-1], 2, 4, 64)
    assert found.backfilled_days == 1
    assert found.database == parse_dsn(url).where


async def test_it_is_verified_beside_a_daemon_that_writes(filled: PostgresDatabase, url: str) -> None:
    async with filled.transaction():
        assert verify(url).problems == []


@pytest.mark.usefixtures("filled")
async def test_what_was_changed_is_found_where_it_is(url: str) -> None:
    (found, *others) = tamper(
        url,
        "UPDATE balance SET bal_total = bal_total + 1 WHERE pat_num = 103 AND office = "
        "(SELECT key FROM office WHERE id = 'elm-street')",
    )
    assert (found.office, others == []) == (ELM, False)
    (found,) = tamper(url, "UPDATE historical_snapshot SET bal_total = bal_total + 1")[-1:]
    assert (found.office, found.as_of) == (HARBOR, "2025-12-31")
    assert "103" not in found.what


@pytest.mark.usefixtures("filled")
async def test_an_open_pull_that_is_no_json_is_a_problem_of_its_office(url: str) -> None:
    (found,) = tamper(url, "UPDATE pull_page SET balances = '[[1,'")
    assert found.office == HARBOR


@pytest.mark.parametrize(
    ("change", "back"),
    [
        (
            "DROP INDEX balance_current",
            "CREATE UNIQUE INDEX balance_current ON balance (office, pat_num) WHERE valid_to IS NULL",
        ),
        ("ALTER TABLE balance ALTER bal_total TYPE integer", "ALTER TABLE balance ALTER bal_total TYPE bigint"),
        ("ALTER TABLE snapshot ALTER reader DROP NOT NULL", "ALTER TABLE snapshot ALTER reader SET NOT NULL"),
        (
            "ALTER TABLE journal DROP CONSTRAINT journal_office_fkey",
            "ALTER TABLE journal ADD CONSTRAINT journal_office_fkey FOREIGN KEY (office) REFERENCES office (key)",
        ),
        (
            'ALTER TABLE office ALTER id TYPE text COLLATE "und-x-icu"',
            'ALTER TABLE office ALTER id TYPE text COLLATE "C"',
        ),
    ],
    ids=["index", "type", "null", "reference", "collation"],
)
@pytest.mark.usefixtures("database")
async def test_tables_that_were_changed_by_hand_are_found(url: str, change: str, back: str) -> None:
    assert len(tamper(url, change, back)) == 1
    assert verify(url).problems == []


@pytest.mark.usefixtures("database")
async def test_an_index_and_a_column_more_are_no_harm(url: str) -> None:
    assert tamper(url, "CREATE INDEX own ON journal (at)", "DROP INDEX own") == []
