from pathlib import Path

import anyio
import pytest

from oddaemon.store.database import Database
from tests.cli.sample_history import History, sample_history


@pytest.fixture
def history(tmp_path: Path) -> History:
    return sample_history(tmp_path)


def test_an_office_that_left_is_forgotten_with_its_proof(history: History) -> None:
    said = history.run("office", "forget", "left", "--yes")
    assert "left is forgotten. Rows removed: 1 of balance, 1 of office, 1 of snapshot." in said
    assert " were there before, 0 are there now." in said
    assert "is not touched" in said
    assert "knows no office 'left'" in history.refused("office", "forget", "left", "--yes")
    assert "2 offices, 4 snapshots" in history.run("state", "verify")


def test_one_that_is_configured_is_kept_and_where_it_stands_is_told(history: History) -> None:
    stderr = history.refused("office", "forget", "hill-street", "--yes")
    assert f"hill-street stands in {history.directory}/oddaemon.toml. Take it out there first" in stderr
    assert "3.00" in history.run("balances", "hill-street")


def test_nothing_is_forgotten_without_a_yes(history: History) -> None:
    done = history.fleet.run("office", "forget", "left")
    assert done.exit_code == 1
    assert "3.00" in history.run("balances", "left")


def test_a_misspelt_office_is_told_the_nearest(history: History) -> None:
    assert "Did you mean left?" in history.refused("office", "forget", "letf", "--yes")


def test_beside_a_daemon_that_takes_no_orders_it_says_what_to_do(history: History) -> None:
    async def beside() -> str:
        async with Database.open(str(history.directory / "state.db")):
            return await anyio.to_thread.run_sync(history.refused, "office", "forget", "left", "--yes")

    said = anyio.run(beside)
    assert "is in use by another oddaemon" in said
    assert "systemctl stop oddaemon" in said
    assert "3.00" in history.run("balances", "left")


def test_copies_that_still_hold_it_are_named(history: History) -> None:
    config = history.fleet.config
    backups = history.directory / "backups"
    backups.mkdir()
    config.write_text(config.read_text() + '\n[maintenance]\nbackup_directory = "backups"\n')
    history.run("state", "backup", str(backups / "state-20260301T033000Z.db"))
    history.run("state", "backup", str(backups / "other.db"))
    (history.directory / "state.db.before-0001").write_text("an old one")
    said = history.run("office", "forget", "left", "--yes")
    assert "state-20260301T033000Z.db" in said
    assert "state.db.before-0001" in said
    assert "other.db" not in said
