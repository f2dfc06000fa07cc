import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess

import anyio
import pytest

from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.cli.processes import PATIENCE_SECONDS, finished, running, wait_for
from tests.cli.sample_fleet import CONFIGURATION
from tests.cli.sample_history import History, sample_history

QUIET = CONFIGURATION.replace("[[office]]", "[[office]]\nenabled = false").replace(
    'customer_key_env = "RENO"\nenabled = false', 'customer_key_env = "RENO"'
)
"""Every office switched off: this daemon asks nobody."""


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


def test_what_is_kept_of_whom_is_listed_until_it_is_forgotten(history: History) -> None:
    day = f"{history.fleet.now.astimezone():%Y-%m-%d}"
    *_, summary, gap, kept = history.run("office", "list").splitlines()
    assert (summary, gap) == ("4 offices, 1 switched off.", "")
    assert (
        kept == f"left: removed, data kept since {day}: 1 snapshot; `oddaemon office forget left` removes it for good."
    )
    [found] = json.loads(history.run("office", "list", "--json"))["removed"]
    assert found.pop("data_until").startswith(f"{history.fleet.now:%Y-%m-%d}")
    assert found == {"id": "left", "name": "Left", "snapshots": 1, "backfilled_days": 0}
    history.run("office", "forget", "left", "--yes")
    assert history.run("office", "list").endswith("\n4 offices, 1 switched off.\n")
    assert json.loads(history.run("office", "list", "--json"))["removed"] == []


def test_a_database_that_cannot_be_read_hides_no_configured_office(history: History) -> None:
    (history.directory / "state.db").write_bytes(b"no database" * 1000)
    done = history.fleet.run("office", "list", "--json")
    assert (done.exit_code, len(json.loads(done.stdout)["offices"]), json.loads(done.stdout)["removed"]) == (0, 4, None)
    assert done.stderr.startswith("oddaemon: offices that were removed are not listed: ")


def test_a_misspelt_office_is_told_the_nearest(history: History) -> None:
    assert "Did you mean left?" in history.refused("office", "forget", "letf", "--yes")


def test_beside_a_daemon_that_takes_no_orders_it_says_what_to_do(history: History) -> None:
    async def beside() -> str:
        async with SqliteDatabase.open(str(history.directory / "state.db")):
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


@contextmanager
def beside_a_daemon(history: History) -> Iterator[Path]:
    """Where a daemon on this database writes its log; it ends in good order."""
    log, config = history.directory / "log", history.fleet.config
    config.write_text(f'{QUIET}\n[http]\nlisten = "127.0.0.1:0"\n[log]\nformat = "json"\n[daemon]\nwatch = false\n')
    with running("run", "--config", str(config), output=log) as process:
        wait_for('"daemon_ready"', log, process)
        yield log
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0


def ordered(history: History, *arguments: str) -> CompletedProcess[str]:
    return finished(*arguments, "--config", str(history.fleet.config), cwd=history.directory)


@pytest.mark.real("starts a real daemon")
def test_a_running_daemon_does_it_and_the_proof_is_the_same(history: History) -> None:
    database = history.directory / "state.db"
    files = [database, database.with_name("state.db-wal")]
    assert b"leftLeft" in database.read_bytes()
    with beside_a_daemon(history) as log:
        done = ordered(history, "office", "forget", "left", "--yes")
        held = b"".join(each.read_bytes() for each in files)
        again = ordered(history, "office", "forget", "left", "--yes")

    begun = "It is done now, in its turn at the database's file."
    assert (done.returncode, done.stderr) == (0, f"The daemon has the database open. {begun}\n")
    assert "left is forgotten. Rows removed: 1 of balance, 1 of office, 1 of snapshot." in done.stdout
    assert " were there before, 0 are there now." in done.stdout
    assert b"leftLeft" not in held
    assert (again.returncode, again.stdout) == (1, "")
    assert "knows no office 'left'" in again.stderr
    assert '"office_erased"' in log.read_text()
    assert "4 snapshots" in history.run("state", "verify")


@pytest.mark.real("starts a real daemon")
def test_what_a_running_daemon_still_watches_is_kept(history: History) -> None:
    with beside_a_daemon(history):
        config = history.fleet.config
        config.write_text(config.read_text().replace('id = "hill-street"', 'id = "dale-street"'))
        refused = ordered(history, "office", "forget", "hill-street", "--yes")
        ordered(history, "reload")
        done = ordered(history, "office", "forget", "hill-street", "--yes")

    assert (refused.returncode, refused.stdout) == (1, "")
    assert (
        "hill-street is in the configuration in force. Take it out of its file, then `oddaemon reload`"
        in refused.stderr
    )
    assert "hill-street is forgotten." in done.stdout


@pytest.mark.real("starts a real daemon")
def test_a_running_daemon_prunes_and_writes_the_file_anew(history: History) -> None:
    with beside_a_daemon(history) as log:
        pruned = ordered(history, "state", "prune", "--older-than-days", "90")
        written = ordered(history, "state", "vacuum")

    assert (pruned.returncode, written.returncode) == (0, 0)
    assert pruned.stdout.startswith("Older than 90 days and gone: ")
    assert "state.db is written anew: " in written.stdout
    assert log.read_text().count('"job_finished"') == 2
