import json
import stat
from datetime import date
from pathlib import Path

import anyio
import pytest
from typer.testing import Result

from oddaemon.core.backfill.job import BackfillResult, BackfillTarget
from oddaemon.core.model import Balance
from oddaemon.core.snapshot.verify import compute_totals
from oddaemon.store import backfill_jobs, backfilled_days
from oddaemon.store.schema import REVISIONS
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.cli.sample_fleet import SampleFleet, invoke, parse_json
from tests.golden import GoldenTexts


async def _execute(path: Path, sql: str) -> None:
    async with SqliteDatabase.open(str(path)) as database:
        await database.execute_one(sql)


def execute_sql(fleet: SampleFleet, sql: str) -> None:
    anyio.run(_execute, fleet.config.with_name("state.db"), sql)


def test_every_problem_is_a_line_with_its_office_and_snapshot(fleet: SampleFleet, golden: GoldenTexts) -> None:
    execute_sql(fleet, "UPDATE balance SET ins_est = 1 WHERE pat_num = 205")
    execute_sql(fleet, "UPDATE office SET state = '{}' WHERE id = 'hill-street'")
    result = fleet.run("state", "verify")

    assert result.exit_code == 1
    golden.check(result.stdout)
    golden.check(result.stderr)


def test_a_spoilt_day_that_was_backfilled_is_named(fleet: SampleFleet, golden: GoldenTexts) -> None:
    day = date(2025, 12, 31)

    async def store_backfill() -> None:
        async with SqliteDatabase.open(str(fleet.config.with_name("state.db"))) as db:
            job = await backfill_jobs.get_or_create(db, BackfillTarget("bright-smiles", day), fleet.now)
            rows = (Balance(205, 0, 0, 300, 0, 0, 0, 0, 300),)
            await backfilled_days.publish(db, job, BackfillResult(rows, compute_totals(rows), 7), fleet.now)

    anyio.run(store_backfill)
    golden.check(fleet.run("state", "verify").stdout)
    execute_sql(fleet, "UPDATE historical_balance SET bal_total = 301")
    result = fleet.run("state", "verify")
    assert result.exit_code == 1
    golden.check(result.stdout)
    (problem,) = json.loads(fleet.run("state", "verify", "--json").stdout)["problems"]
    assert (problem["office"], problem["snapshot"], problem["as_of"]) == ("bright-smiles", None, "2025-12-31")


def test_json_has_the_same_for_programs(fleet: SampleFleet) -> None:
    assert parse_json(fleet.run("state", "verify", "--json")) == {
        "database": f"{fleet.config.parent}/state.db",
        "valid": True,
        "revision": REVISIONS[-1],
        "offices": 3,
        "snapshots": 1,
        "versions": 3,
        "backfilled_days": 0,
        "problems": [],
    }
    execute_sql(fleet, "UPDATE snapshot SET bal_total = 7")
    result = fleet.run("state", "verify", "--json")
    document = parse_json(result)

    assert (result.exit_code, document["valid"]) == (1, False)
    assert isinstance(document["problems"], list)
    assert "bal_total" in document["problems"][0].pop("problem")
    assert document["problems"][0] == {
        "office": "bright-smiles",
        "snapshot": 1,
        "as_of": None,
    }


def test_a_backup_is_made_and_verifies_without_a_configuration(fleet: SampleFleet, tmp_path: Path) -> None:
    target = tmp_path / "backup.db"
    result = fleet.run("state", "backup", str(target))

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"{target}: 1")
    assert f", revision {REVISIONS[-1]}, " in result.stdout
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert invoke("state", "verify", "--database", str(target)).exit_code == 0


def test_a_backup_replaces_a_file_only_when_forced(fleet: SampleFleet, tmp_path: Path, golden: GoldenTexts) -> None:
    target = tmp_path / "backup.db"
    target.write_text("last week's")
    refused = fleet.run("state", "backup", str(target))

    assert refused.exit_code == 1
    golden.check(refused.stderr)
    assert target.read_text() == "last week's"
    assert fleet.run("state", "backup", "--force", str(target)).exit_code == 0
    assert invoke("state", "verify", "--database", str(target)).exit_code == 0


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("state.db", "belongs to the database itself. Choose another file for the backup."),
        ("nowhere/backup.db", "Create it first"),
        (".", "is a directory. Choose a file in it."),
    ],
)
def test_an_impossible_target_is_a_message(fleet: SampleFleet, target: str, expected: str) -> None:
    result = fleet.run("state", "backup", str(fleet.config.parent / target), "--force")

    assert result.exit_code == 1
    assert expected in result.stderr
    assert _count_error_lines(result) == 1


@pytest.mark.parametrize("arguments", [("verify",), ("backup", "backup.db")])
def test_no_database_is_a_message(fleet: SampleFleet, arguments: tuple[str, ...], golden: GoldenTexts) -> None:
    fleet.config.with_name("state.db").unlink()
    result = fleet.run("state", *arguments)

    assert result.exit_code == 1
    golden.check(result.stderr)
    assert _count_error_lines(result) == 1


def test_what_is_no_database_is_a_message(tmp_path: Path, golden: GoldenTexts) -> None:
    diary = tmp_path / "diary.txt"
    diary.write_text("Dear diary, " * 500)
    result = invoke("state", "verify", "--database", str(diary))

    assert result.exit_code == 1
    golden.check(result.stderr)


@pytest.mark.parametrize("name", ["verify", "backup"])
def test_every_command_of_the_family_has_help_with_an_example_of_itself(name: str) -> None:
    result = invoke("state", name, "--help")

    assert result.exit_code == 0
    assert f"oddaemon state {name}" in " ".join(result.stdout.partition("Example")[2].split())


def test_the_family_lists_its_commands() -> None:
    result = invoke("state", "--help")

    assert result.exit_code == 0
    assert all(f" {name} " in result.stdout for name in ("verify", "backup"))


def _count_error_lines(result: Result) -> int:
    return len(result.stderr.splitlines())
