"""A reader of a database that was copied without its log is warned that the results may be old."""

import json
import shutil
import warnings
from pathlib import Path

import anyio
import pytest

from oddaemon.api import DatabaseIncomplete, open_database
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.store.sqlite.maintenance.vacuum import checkpoint_wal
from tests.cli.sample_fleet import SampleFleet
from tests.cli.sample_history import make_history

LOG = "state.db-wal is missing"
SMILES = "bright-smiles"
READERS = (
    ("status",),
    ("explain", SMILES),
    ("balances", SMILES),
    ("history", SMILES),
    ("changes", SMILES),
    ("office", "list"),
    ("check", "--plan"),
    ("state", "backup", "--force", "backup.db"),
)


def lose_log(path: Path) -> None:
    """Leave a copy of the main file that was made while it was open; all that it holds is in it."""

    async def copy() -> None:
        async with SqliteDatabase.open(str(path)) as database:
            await checkpoint_wal(database)
            shutil.copy(path, path.with_name("alone.db"))

    anyio.run(copy)
    path.with_name("alone.db").replace(path)


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SampleFleet:
    monkeypatch.chdir(tmp_path)
    return make_history(tmp_path).fleet


@pytest.mark.parametrize("command", READERS, ids=" ".join)
def test_every_reading_command_warns_on_standard_error_and_prints_the_same(
    fleet: SampleFleet, tmp_path: Path, command: tuple[str, ...]
) -> None:
    before = fleet.run(*command)
    lose_log(tmp_path / "state.db")
    for _ in range(2):  # a reader leaves an empty log behind
        after = fleet.run(*command)
        assert (after.exit_code, LOG in before.stderr, LOG in after.stderr) == (before.exit_code, False, True)
        assert after.stderr.count(LOG) == 1
        assert LOG not in after.stdout


@pytest.mark.parametrize("command", [("status", "--json"), ("balances", SMILES, "--format", "json")], ids=" ".join)
def test_a_document_has_the_same_fields(fleet: SampleFleet, tmp_path: Path, command: tuple[str, ...]) -> None:
    before = json.loads(fleet.run(*command).stdout)
    lose_log(tmp_path / "state.db")
    assert json.loads(fleet.run(*command).stdout).keys() == before.keys()


def test_a_command_that_writes_warns_before_the_file_gets_a_new_log(fleet: SampleFleet, tmp_path: Path) -> None:
    lose_log(tmp_path / "state.db")
    assert LOG in fleet.run("state", "vacuum").stderr
    assert LOG not in fleet.run("status").stderr


@pytest.mark.usefixtures("fleet")
def test_the_python_api_warns_a_program_once_it_opens_the_file(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with open_database(tmp_path / "state.db"):
            pass
    lose_log(tmp_path / "state.db")
    with pytest.warns(DatabaseIncomplete, match=LOG) as caught, open_database(tmp_path / "state.db") as database:
        assert database.offices()
    assert caught[0].filename == __file__
