import sqlite3
from contextlib import closing
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from oddaemon.admin.app import serve_control
from oddaemon.admin.commands import Document
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.cli.sample_fleet import command
from tests.cli.sample_history import History, sample_history
from tests.web.admin_app import make_admin_app
from tests.web.test_tending import Housekeeper


@pytest.fixture
def history(tmp_path: Path) -> History:
    return sample_history(tmp_path)


def test_old_nights_are_pruned_by_hand(history: History) -> None:
    with closing(sqlite3.connect(history.directory / "state.db")) as connection:
        connection.execute("UPDATE snapshot SET aging_date = replace(aging_date, '2026', '2020')")
        connection.commit()
    said = history.run("state", "prune", "--older-than-days", "1")
    assert ": 2 snapshots, 4 versions of balances, 0 past days, 0 journal entries." in said
    assert len(history.run("history", "bright-smiles").splitlines()) == 2
    assert "is sound" in history.run("state", "verify")
    assert ": 0 snapshots" in history.run("state", "prune", "--older-than-days", "1")


def test_by_default_the_configured_period_is_kept(history: History) -> None:
    history.fleet.config.write_text(
        history.fleet.config.read_text().replace('database = "state.db"', 'database = "state.db"\nretain_days = 36500')
    )
    assert "older than 36500 days: 0 snapshots" in history.run("state", "prune")


def test_a_vacuum_makes_the_file_smaller(history: History) -> None:
    path = history.directory / "state.db"
    before = path.stat().st_size
    anyio.run(_fill_and_empty, path)
    assert path.stat().st_size > before + 100_000
    assert history.run("state", "vacuum").startswith(f"Vacuumed {path}")
    assert path.stat().st_size <= before
    assert "is sound" in history.run("state", "verify")


async def _fill_and_empty(path: Path) -> None:
    async with SqliteDatabase.open(str(path)) as db:
        insert = "INSERT INTO journal (office, at, level, event, fields) VALUES (1, '', '', '', hex(zeroblob(100000)))"
        await db.execute_one(insert)
        await db.execute_one("PRAGMA wal_checkpoint(TRUNCATE)")
        await db.execute_one("DELETE FROM journal")


@pytest.mark.parametrize("name", ["prune", "vacuum"])
def test_beside_a_daemon_that_takes_no_orders_it_says_what_to_do(history: History, name: str) -> None:
    async def beside() -> str:
        async with SqliteDatabase.open(str(history.directory / "state.db")):
            return await anyio.to_thread.run_sync(history.refused, "state", name)

    said = anyio.run(beside)
    assert "is in use by another oddaemon" in said
    assert f"nobody takes orders at {history.directory}/state.db.sock: stop it, run this again" in said


class _Leaving(Housekeeper):
    """Is gone when somebody looks."""

    def __init__(self) -> None:
        super().__init__()
        self.looked_at = anyio.Event()

    async def get_status(self, order: str, office: str) -> Document:
        self.looked_at.set()
        return await super().get_status(order, office)


@pytest.mark.parametrize("name", ["prune", "vacuum"])
def test_a_daemon_that_is_stopped_meanwhile_is_not_to_be_stopped(history: History, name: str) -> None:
    said: list[str] = []

    async def beside() -> None:
        house, socket = _Leaving(), history.directory / "state.db.sock"

        async def ask() -> None:
            said.append(await anyio.to_thread.run_sync(history.refused, "state", name))

        database = SqliteDatabase.open(str(history.directory / "state.db"))
        async with database, anyio.create_task_group() as tasks, anyio.create_task_group() as daemon:
            await daemon.start(serve_control, socket, make_admin_app(database=house))
            tasks.start_soon(ask)
            await house.looked_at.wait()
            daemon.cancel_scope.cancel()

    anyio.run(beside)
    assert "The daemon was stopped, and what was not done yet was broken off: run this again." in said[0]


@pytest.mark.parametrize("name", ["prune", "vacuum"])
def test_no_database_is_made_for_it(history: History, name: str) -> None:
    path = history.directory / "state.db"
    path.unlink()
    assert "There is no database" in history.refused("state", name)
    assert not path.exists()


@pytest.mark.parametrize("name", ["prune", "vacuum"])
def test_help_has_an_example(name: str) -> None:
    result = command("state", name, "--help")
    assert f"oddaemon state {name}" in " ".join(result.stdout.partition("Example")[2].split())
