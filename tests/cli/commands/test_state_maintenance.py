import sqlite3
from contextlib import closing
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from oddaemon.admin.app import serve_control
from oddaemon.admin.commands import Document
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.admin.socket.test_database_routes import FakeDatabaseCommands
from tests.cli.sample_fleet import invoke
from tests.cli.sample_history import History, make_history
from tests.golden import GoldenTexts
from tests.web.admin_app import make_admin_app


@pytest.fixture
def history(tmp_path: Path) -> History:
    return make_history(tmp_path)


def test_old_nights_are_pruned_by_hand(history: History, golden: GoldenTexts) -> None:
    with closing(sqlite3.connect(history.directory / "state.db")) as connection:
        connection.execute("UPDATE snapshot SET aging_date = replace(aging_date, '2026', '2020')")
        connection.commit()
    output = history.run("state", "prune", "--older-than-days", "1")
    golden.check(output)
    assert len(history.run("history", "bright-smiles").splitlines()) == 2
    assert "is intact" in history.run("state", "verify")
    assert ": 0 snapshots" in history.run("state", "prune", "--older-than-days", "1")


def test_by_default_the_configured_period_is_kept(history: History, golden: GoldenTexts) -> None:
    history.fleet.config.write_text(
        history.fleet.config.read_text().replace('database = "state.db"', 'database = "state.db"\nretain_days = 36500')
    )
    golden.check(history.run("state", "prune"))


def test_a_vacuum_makes_the_file_smaller(history: History) -> None:
    path = history.directory / "state.db"
    before = path.stat().st_size
    anyio.run(_fill_and_empty, path)
    assert path.stat().st_size > before + 100_000
    assert history.run("state", "vacuum").startswith(f"Vacuumed {path}")
    assert path.stat().st_size <= before
    assert "is intact" in history.run("state", "verify")


async def _fill_and_empty(path: Path) -> None:
    async with SqliteDatabase.open(str(path)) as db:
        insert = "INSERT INTO journal (office, at, level, event, fields) VALUES (1, '', '', '', hex(zeroblob(100000)))"
        await db.execute_one(insert)
        await db.execute_one("PRAGMA wal_checkpoint(TRUNCATE)")
        await db.execute_one("DELETE FROM journal")


@pytest.mark.parametrize("name", ["prune", "vacuum"])
def test_beside_a_daemon_without_a_control_socket_it_says_what_to_do(
    history: History, name: str, golden: GoldenTexts
) -> None:
    async def beside() -> str:
        async with SqliteDatabase.open(str(history.directory / "state.db")):
            return await anyio.to_thread.run_sync(history.run_failing, "state", name)

    output = anyio.run(beside)
    golden.check(output)


class _VanishingCommands(FakeDatabaseCommands):
    """Is gone at the first poll."""

    def __init__(self) -> None:
        super().__init__()
        self.polled = anyio.Event()

    async def get_status(self, order: str, office: str) -> Document:
        self.polled.set()
        return await super().get_status(order, office)


@pytest.mark.parametrize("name", ["prune", "vacuum"])
def test_a_daemon_that_is_stopped_meanwhile_is_not_to_be_stopped(history: History, name: str) -> None:
    outputs: list[str] = []

    async def beside() -> None:
        commands, socket = _VanishingCommands(), history.directory / "state.db.sock"

        async def ask() -> None:
            outputs.append(await anyio.to_thread.run_sync(history.run_failing, "state", name))

        database = SqliteDatabase.open(str(history.directory / "state.db"))
        async with database, anyio.create_task_group() as tasks, anyio.create_task_group() as daemon:
            await daemon.start(serve_control, socket, make_admin_app(database=commands))
            tasks.start_soon(ask)
            await commands.polled.wait()
            daemon.cancel_scope.cancel()

    anyio.run(beside)
    assert "The daemon stopped" in outputs[0]


@pytest.mark.parametrize("name", ["prune", "vacuum"])
def test_no_database_is_made_for_it(history: History, name: str, golden: GoldenTexts) -> None:
    path = history.directory / "state.db"
    path.unlink()
    golden.check(history.run_failing("state", name))
    assert not path.exists()


@pytest.mark.parametrize("name", ["prune", "vacuum"])
def test_help_has_an_example(name: str) -> None:
    result = invoke("state", name, "--help")
    assert f"oddaemon state {name}" in " ".join(result.stdout.partition("Example")[2].split())
