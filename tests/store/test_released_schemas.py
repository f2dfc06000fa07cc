import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from oddaemon.core.model import Balance
from oddaemon.core.snapshot.balance_rows import BalanceRows
from oddaemon.store import offices, open_pulls, snapshots
from oddaemon.store.schema import REVISIONS
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.maintenance.integrity import verify
from oddaemon.store.sqlite.version import prepare
from tests.golden import GoldenTexts
from tests.store.released import get_dump_path, restore_database
from tests.store.samples import ELM, HARBOR, make_balances

GUARANTORS = 4


def read_schema(path: Path) -> set[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        return set(connection.execute("SELECT name, sql FROM sqlite_master"))


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_released_revision_has_a_dump(revision: str) -> None:
    assert get_dump_path(revision).is_file(), "a release dumps its revision: python -m tests.store.released"


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_released_revision_becomes_the_newest(path: Path, tmp_path: Path, revision: str) -> None:
    restore_database(revision, path)
    prepare(path)
    fresh = tmp_path / "fresh.db"
    fresh.touch()
    prepare(fresh)
    assert read_schema(path) == read_schema(fresh)
    assert verify(path).problems == []


@pytest.mark.parametrize("revision", REVISIONS)
async def test_what_a_released_revision_held_is_all_there(path: Path, revision: str, golden: GoldenTexts) -> None:
    restore_database(revision, path)
    first = list(make_balances(GUARANTORS))
    second = [first[0]._replace(bal_total=-1), *first[2:], Balance(9999, 0, 1, 2, 3, 4, 5, 6, 7)]
    async with SqliteDatabase.open(str(path)) as database:
        history = await snapshots.list_latest(database, ELM, limit=9)
        assert [(row.id, row.aging_date.day, row.new, row.changed, row.cleared) for row in history] == [
            (3, 3, 1, 1, 1),
            (2, 2, 1, 1, 1),
            (1, 1, 4, 0, 0),
        ]
        assert [await snapshots.load_balances(database, ELM, row.id) for row in history] == [first, second, first]
        assert await snapshots.load_balances(database, ELM) == first
        assert await snapshots.load_balances(database, HARBOR) == list(make_balances(GUARANTORS, seed=2))
        elm, harbor = [row.state for row in await offices.list_all(database)]
        assert elm is not None
        assert harbor is not None
        assert (elm.attempts, harbor.attempts) == (3, 0)
        golden.check(elm.standing.reason)
        pull = await open_pulls.load(database, HARBOR)
        assert pull is not None
        assert (pull.balances, pull.checkpoint.last_pat_num) == (BalanceRows.of(make_balances(5)), 112)
