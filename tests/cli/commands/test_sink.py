"""The outbox as its operator sees it: from the database alone, and through a real daemon."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from oddaemon.core.delivery import DeliveryAttempt, DeliveryFailure, RetryPolicy, fail_attempt
from oddaemon.core.model import Reader, Snapshot
from oddaemon.core.snapshot.verify import compute_totals
from oddaemon.store import outbox, snapshots
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.cli.processes import run_command, running_command, wait_for_output
from tests.cli.sample_fleet import BALANCES, CONFIGURATION, SampleFleet, make_fleet, make_fresh_state, parse_json
from tests.golden import GoldenTexts
from tests.store.configured import reconcile_sinks

SINKS = """
[[sink]]
name = "lake"
kind = "files"
directory = "lake"
backoff_base_seconds = 500.0

[[sink]]
name = "elsewhere"
kind = "files"
directory = "elsewhere"
offices = ["hill-street"]
"""

REFUSAL = "Cannot write to /lake: Permission denied."


def add_sinks(fleet: SampleFleet) -> SampleFleet:
    text = CONFIGURATION.replace("[state]", '[http]\nlisten = "127.0.0.1:0"\n[state]')
    text = text.replace("[api]", '[api]\nbase_url = "http://127.0.0.1:9/api/v1"')
    fleet.config.write_text(text + SINKS)
    return fleet


async def _record_failed_attempt(path: Path, *, retry_policy: RetryPolicy) -> None:
    now = datetime.now(UTC)
    async with SqliteDatabase.open(str(path)) as database:
        await reconcile_sinks(database, {"lake": ["bright-smiles"]}, now - timedelta(hours=3))
        (attempt,) = await outbox.load_next(database, "lake")
        what = DeliveryFailure(REFUSAL)
        after = fail_attempt(DeliveryAttempt(attempt.delivery, attempt.sink_state), what, now, 1.0, retry_policy)
        await outbox.record_failure(database, "lake", after, what.reason, now)


@pytest.fixture
def refusing(fleet: SampleFleet) -> SampleFleet:
    """One delivery was refused, and waits."""
    anyio.run(
        lambda: _record_failed_attempt(
            fleet.config.with_name("state.db"), retry_policy=RetryPolicy(backoff_base_seconds=600.0)
        )
    )
    return add_sinks(fleet)


@pytest.fixture
def abandoned(fleet: SampleFleet) -> SampleFleet:
    """One delivery was given up."""
    anyio.run(
        lambda: _record_failed_attempt(
            fleet.config.with_name("state.db"), retry_policy=RetryPolicy(give_up_after_seconds=1.0)
        )
    )
    return add_sinks(fleet)


@pytest.fixture
def permanently_failed(fleet: SampleFleet) -> SampleFleet:
    """What was first sent was given up; a new night waits, and was not tried yet."""
    path = fleet.config.with_name("state.db")

    async def publish_night() -> None:
        await _record_failed_attempt(path, retry_policy=RetryPolicy(give_up_after_seconds=1.0))
        async with SqliteDatabase.open(str(path)) as database:
            now = datetime.now(UTC)
            again = Snapshot(date(2026, 3, 3), now, Reader.STATEMENT, 1, compute_totals(BALANCES), BALANCES)
            await snapshots.publish(database, "bright-smiles", again, make_fresh_state(now), now, sinks=("lake",))

    anyio.run(publish_night)
    return add_sinks(fleet)


def list_deliveries(fleet: SampleFleet) -> list[dict[str, Any]]:
    document: Any = parse_json(fleet.run("sink", "status", "lake", "--json"))
    found: list[dict[str, Any]] = document["sinks"][0]["deliveries"]
    return found


def test_without_sinks_it_says_how_to_have_one(fleet: SampleFleet, golden: GoldenTexts) -> None:
    golden.check(fleet.run("sink", "status").stdout)
    assert parse_json(fleet.run("sink", "status", "--json")) == {"sinks": []}


def test_what_waits_is_shown_with_its_reason_and_its_next_try(refusing: SampleFleet) -> None:
    result = refusing.run("sink", "status")
    assert (result.exit_code, result.stderr) == (0, "")
    header, lake, elsewhere = result.stdout.splitlines()
    assert header.split()[:6] == ["SINK", "KIND", "OFFICES", "DELIVERED", "DUE", "DEAD"]
    assert lake.split()[:7] == ["lake", "files", "4", "0", "1", "0", "3"]
    assert lake.endswith(REFUSAL)
    assert "in 10 min" in lake or "in 9 min" in lake
    assert elsewhere.split() == ["elsewhere", "files", "1", "0", "0", "0", "-", "-", "-"]


def test_a_sink_that_takes_nothing_says_why_although_something_new_waits(
    permanently_failed: SampleFleet,
) -> None:
    result = permanently_failed.run("sink", "status")
    lake = result.stdout.splitlines()[1]
    assert lake.split()[:7] == ["lake", "files", "4", "0", "1", "1", "since"]
    assert lake.endswith(REFUSAL)
    document: Any = parse_json(permanently_failed.run("sink", "status", "lake", "--json"))
    [sink_status] = document["sinks"]
    assert (sink_status["due"], sink_status["dead"], sink_status["error"]) == (
        1,
        1,
        REFUSAL,
    )
    assert (
        sink_status["error_at"]
        == sink_status["dead_first_at"]
        == sink_status["dead_last_at"]
        == sink_status["deliveries"][0]["ended_at"]
    )
    assert [each["state"] for each in sink_status["deliveries"]] == ["dead", "due"]


async def _record_delivery(path: Path) -> None:
    async with SqliteDatabase.open(str(path)) as database:
        attempts = await outbox.load_next(database, "lake")
        await outbox.mark_done(database, "lake", attempts, datetime.now(UTC))


def test_a_failure_that_was_recovered_is_not_shown_any_more(permanently_failed: SampleFleet) -> None:
    anyio.run(_record_delivery, permanently_failed.config.with_name("state.db"))
    lake = permanently_failed.run("sink", "status").stdout.splitlines()[1]
    assert lake.split() == ["lake", "files", "4", "1", "0", "0", "-", "-", "-"]


def test_one_sink_is_shown_office_by_office(refusing: SampleFleet) -> None:
    lines = refusing.run("sink", "status", "lake").stdout.splitlines()
    assert lines[-1].split()[:4] == ["bright-smiles", "1", "due", "1"]
    assert not any("elsewhere" in line for line in lines)


def test_json_has_every_delivery_that_counts(refusing: SampleFleet) -> None:
    document: Any = parse_json(refusing.run("sink", "status", "--json"))
    lake, elsewhere = document["sinks"]
    assert (lake["due"], lake["dead"], lake["failures_in_a_row"], lake["content"]) == (1, 0, 1, "snapshot")
    [delivery] = lake["deliveries"]
    assert (delivery["office"], delivery["state"], delivery["failed_attempts"]) == ("bright-smiles", "due", 1)
    assert elsewhere["deliveries"] == []


def test_an_unknown_sink_gets_a_suggestion(refusing: SampleFleet, golden: GoldenTexts) -> None:
    for command in (("status", "lak"), ("retry", "lak"), ("skip", "lak", "bright-smiles")):
        result = refusing.run("sink", *command)
        assert result.exit_code == 1
        golden.check(result.stderr)


def test_without_a_daemon_a_retry_is_done_in_the_database(refusing: SampleFleet, golden: GoldenTexts) -> None:
    result = refusing.run("sink", "retry", "lake")
    golden.check(result.stdout)
    [delivery] = list_deliveries(refusing)
    assert datetime.fromisoformat(delivery["not_before"]) <= datetime.now(UTC)


def test_what_was_given_up_is_due_again(abandoned: SampleFleet) -> None:
    [dead] = list_deliveries(abandoned)
    assert dead["state"] == "dead"
    assert "Permission denied" in abandoned.run("sink", "status").stdout
    assert abandoned.run("sink", "retry", "lake", "--office", "bright-smiles").exit_code == 0
    [again] = list_deliveries(abandoned)
    assert (again["state"], again["delivery_id"], again["failed_attempts"]) == ("due", dead["delivery_id"], 0)


def test_without_a_daemon_a_skip_is_done_in_the_database(refusing: SampleFleet) -> None:
    result = refusing.run("sink", "skip", "lake", "bright-smiles", "--json")
    assert parse_json(result)["office"] == "bright-smiles"
    assert [each["state"] for each in list_deliveries(refusing)] == ["skipped"]
    again = refusing.run("sink", "skip", "lake", "bright-smiles")
    expected = "oddaemon: No delivery waits for lake for bright-smiles"
    assert (again.exit_code, again.stderr.partition(".")[0]) == (1, expected)


def test_where_nothing_waits_a_retry_says_so(refusing: SampleFleet) -> None:
    result = refusing.run("sink", "retry", "elsewhere")
    assert (result.exit_code, "waits for elsewhere" in result.stderr) == (1, True)


@pytest.mark.real("starts a real daemon")
def test_a_real_daemon_delivers_reports_and_obeys_commands(tmp_path: Path) -> None:
    """A directory that cannot be written until a retry."""
    fleet = add_sinks(make_fleet(tmp_path))
    output, blocked = tmp_path / "output", tmp_path / "lake"
    blocked.write_text("in the way")

    def run_sink_command(*arguments: str) -> str:
        done = run_command("sink", *arguments, "--config", str(fleet.config), cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    with running_command("run", "--config", str(fleet.config), output=output) as process:
        wait_for_output('"delivery_attempt_failed"', output, process)
        wait_for_output('"daemon_ready"', output, process)
        assert "Not a directory" in run_sink_command("status")
        blocked.unlink()
        assert run_sink_command("retry", "lake").startswith("1 delivery ")
        wait_for_output('"delivery_succeeded"', output, process)
        [lake, _] = json.loads(run_sink_command("status", "--json"))["sinks"]
        assert (lake["delivered"], lake["due"], lake["error"]) == (1, 0, None)
    [manifest] = blocked.glob("office=bright-smiles/aging_date=2026-03-02/*.manifest.json")
    assert json.loads(manifest.read_text())["totals"]["bal_total"] == "382.45"
