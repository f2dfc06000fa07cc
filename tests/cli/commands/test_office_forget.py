import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess

import anyio
import pytest

from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.cli.processes import TIMEOUT_SECONDS, run_command, running_command, wait_for_output
from tests.cli.sample_fleet import CONFIGURATION
from tests.cli.sample_history import History, make_history
from tests.golden import GoldenTexts

PAUSED_CONFIGURATION = CONFIGURATION.replace("[[office]]", "[[office]]\nenabled = false").replace(
    'customer_key_env = "RENO"\nenabled = false', 'customer_key_env = "RENO"'
)
"""Every office disabled: this daemon sends no requests."""


@pytest.fixture
def history(tmp_path: Path) -> History:
    return make_history(tmp_path)


def test_a_removed_office_is_erased_and_the_erasure_verified(history: History, golden: GoldenTexts) -> None:
    output = history.run("office", "forget", "left", "--yes")
    golden.check(output)
    golden.check(history.run_failing("office", "forget", "left", "--yes"))
    golden.check(history.run("state", "verify"))


def test_a_configured_office_is_not_erased_and_its_file_is_named(history: History, golden: GoldenTexts) -> None:
    stderr = history.run_failing("office", "forget", "hill-street", "--yes")
    golden.check(stderr)
    assert "3.00" in history.run("balances", "hill-street")


def test_nothing_is_erased_without_confirmation(history: History) -> None:
    done = history.fleet.run("office", "forget", "left")
    assert done.exit_code == 1
    assert "3.00" in history.run("balances", "left")


def test_removed_offices_are_listed_until_they_are_erased(history: History, golden: GoldenTexts) -> None:
    day = f"{history.fleet.now.astimezone():%Y-%m-%d}"
    *_, summary, gap, retained = history.run("office", "list").splitlines()
    assert (summary, gap) == ("4 offices, 1 disabled.", "")
    golden.check(retained, DAY=day)
    [found] = json.loads(history.run("office", "list", "--json"))["removed"]
    assert found.pop("data_until").startswith(f"{history.fleet.now:%Y-%m-%d}")
    assert found == {"id": "left", "name": "Left", "snapshots": 1, "backfilled_days": 0}
    history.run("office", "forget", "left", "--yes")
    golden.check(history.run("office", "list"))
    assert json.loads(history.run("office", "list", "--json"))["removed"] == []


def test_a_database_that_cannot_be_read_hides_no_configured_office(history: History, golden: GoldenTexts) -> None:
    (history.directory / "state.db").write_bytes(b"no database" * 1000)
    done = history.fleet.run("office", "list", "--json")
    assert (done.exit_code, len(json.loads(done.stdout)["offices"]), json.loads(done.stdout)["removed"]) == (0, 4, None)
    golden.check(done.stderr)


def test_a_misspelt_office_gets_a_suggestion(history: History, golden: GoldenTexts) -> None:
    golden.check(history.run_failing("office", "forget", "letf", "--yes"))


def test_beside_a_daemon_without_a_control_socket_it_says_what_to_do(history: History, golden: GoldenTexts) -> None:
    async def beside() -> str:
        async with SqliteDatabase.open(str(history.directory / "state.db")):
            return await anyio.to_thread.run_sync(history.run_failing, "office", "forget", "left", "--yes")

    output = anyio.run(beside)
    golden.check(output)
    assert "3.00" in history.run("balances", "left")


def test_copies_that_still_hold_it_are_named(history: History) -> None:
    config = history.fleet.config
    backups = history.directory / "backups"
    backups.mkdir()
    config.write_text(config.read_text() + '\n[maintenance]\nbackup_directory = "backups"\n')
    history.run("state", "backup", str(backups / "state-20260301T033000Z.db"))
    history.run("state", "backup", str(backups / "other.db"))
    (history.directory / "state.db.before-0001").write_text("an old one")
    output = history.run("office", "forget", "left", "--yes")
    assert "state-20260301T033000Z.db" in output
    assert "state.db.before-0001" in output
    assert "other.db" not in output


@contextmanager
def running_daemon(history: History) -> Iterator[Path]:
    """Where a daemon on this database writes its log; it ends in good order."""
    log, config = history.directory / "log", history.fleet.config
    config.write_text(
        f'{PAUSED_CONFIGURATION}\n[http]\nlisten = "127.0.0.1:0"\n[log]\nformat = "json"\n[daemon]\nwatch = false\n'
    )
    with running_command("run", "--config", str(config), output=log) as process:
        wait_for_output('"daemon_ready"', log, process)
        yield log
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_SECONDS) == 0


def run_against_daemon(history: History, *arguments: str) -> CompletedProcess[str]:
    return run_command(*arguments, "--config", str(history.fleet.config), cwd=history.directory)


@pytest.mark.real("starts a real daemon")
def test_a_running_daemon_does_it_and_the_proof_is_the_same(history: History, golden: GoldenTexts) -> None:
    database = history.directory / "state.db"
    files = [database, database.with_name("state.db-wal")]
    assert b"leftLeft" in database.read_bytes()
    with running_daemon(history) as log:
        done = run_against_daemon(history, "office", "forget", "left", "--yes")
        stored = b"".join(each.read_bytes() for each in files)
        again = run_against_daemon(history, "office", "forget", "left", "--yes")

    assert done.returncode == 0
    golden.check(done.stderr)
    golden.check(done.stdout)
    assert b"leftLeft" not in stored
    assert (again.returncode, again.stdout) == (1, "")
    golden.check(again.stderr)
    assert '"office_erased"' in log.read_text()
    assert "4 snapshots" in history.run("state", "verify")


@pytest.mark.real("starts a real daemon")
def test_an_office_that_a_running_daemon_monitors_is_not_erased(history: History, golden: GoldenTexts) -> None:
    with running_daemon(history):
        config = history.fleet.config
        config.write_text(config.read_text().replace('id = "hill-street"', 'id = "dale-street"'))
        refused = run_against_daemon(history, "office", "forget", "hill-street", "--yes")
        run_against_daemon(history, "reload")
        done = run_against_daemon(history, "office", "forget", "hill-street", "--yes")

    assert (refused.returncode, refused.stdout) == (1, "")
    golden.check(refused.stderr)
    assert "Erased hill-street." in done.stdout


@pytest.mark.real("starts a real daemon")
def test_a_running_daemon_prunes_and_vacuums(history: History, golden: GoldenTexts) -> None:
    with running_daemon(history) as log:
        pruned = run_against_daemon(history, "state", "prune", "--older-than-days", "90")
        written = run_against_daemon(history, "state", "vacuum")

    assert (pruned.returncode, written.returncode) == (0, 0)
    golden.check(pruned.stdout)
    assert written.stdout.startswith("Vacuumed ")
    assert log.read_text().count('"job_finished"') == 2
