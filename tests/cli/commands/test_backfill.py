"""`backfill` against a real control socket."""

import json
import signal
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.from_thread import start_blocking_portal
from typer.testing import Result

from oddaemon.admin.app import serve_control
from oddaemon.admin.commands import CommandRejected, RejectionKind
from oddaemon.cli.commands.backfill import format_progress
from oddaemon.core.backfill.custom_sql import QUERY_LENGTH_MAX
from oddaemon.core.backfill.job import BackfillMethod, BackfillTarget
from tests.cli.processes import TIMEOUT_SECONDS, running_command
from tests.cli.sample_fleet import invoke, write_config
from tests.cli.terminal import run_in_terminal
from tests.golden import GoldenTexts
from tests.web.admin_app import make_admin_app

PAGES = 4


class FakeBackfillService:
    """Reads a page of every day at each poll; 2020 was lost in a fire, 2021 never comes to its end."""

    def __init__(self) -> None:
        self.days: dict[BackfillTarget, int] = {}
        self.erases_office = False
        """The office is forgotten as soon as a day of it is ordered."""
        self.polled = threading.Event()
        """A look at the progress."""

    async def submit(self, days: Sequence[BackfillTarget], _uid: int | None) -> Mapping[str, Any]:
        await anyio.lowlevel.checkpoint()
        return {"backfills": [self._start_day(day) for day in days], "outcome": "They are ordered."}

    def _start_day(self, day: BackfillTarget) -> dict[str, Any]:
        if day.office_id != "hill-street":
            raise CommandRejected(RejectionKind.NOT_FOUND, f"No office {day.office_id!r} is at work.")
        self.days[day] = 0
        return {**self._make_document(day), "outcome": f"{day.office_id} is read as of {day.as_of}."}

    async def cancel(self, office_id: str, days: Collection[date], _uid: int | None) -> Mapping[str, Any]:
        await anyio.lowlevel.checkpoint()
        self.days = {day: pages for day, pages in self.days.items() if days and day.as_of not in days}
        return {"backfills": [], "outcome": f"{office_id} is not read any more."}

    async def list_jobs(self) -> Mapping[str, Any]:
        await anyio.lowlevel.checkpoint()
        if self.erases_office:
            self.days.clear()
        self.days = {day: pages + (day.as_of.year != 2021) for day, pages in self.days.items()}
        self.polled.set()
        return {"backfills": [self._make_document(day) for day in self.days], "outcome": "So it stands."}

    def _make_document(self, day: BackfillTarget) -> dict[str, Any]:
        is_lost, pages = day.as_of.year == 2020, min(self.days[day], PAGES)
        return {
            "office": day.office_id,
            "as_of": day.as_of.isoformat(),
            "via": day.via.value,
            "stage": "failed" if is_lost else "done" if pages == PAGES else "open",
            "reason": "It was lost in a fire; see `[sftp]`." if is_lost else "",
            "warning": "No family owed anything." if day.as_of.year < 2000 else "",
            "step": "waiting_for_file" if day.as_of.year == 2021 else None,
            "step_since": "2026-03-09T09:00:00Z",
            "rows": 100 * pages,
            "requests": pages,
            "requests_expected": PAGES,
        }


@pytest.fixture
def backfill_service(tmp_path: Path) -> Iterator[FakeBackfillService]:
    service = FakeBackfillService()
    control = make_admin_app(backfill=service)
    with start_blocking_portal() as portal:
        serving, _ = portal.start_task(serve_control, tmp_path / "state.db.sock", control)
        yield service
        serving.cancel()


def run_backfill(directory: Path, *arguments: str) -> Result:
    return invoke("backfill", *arguments, "--config", str(write_config(directory)))


def test_a_day_is_requested_and_waited_for(
    backfill_service: FakeBackfillService, tmp_path: Path, golden: GoldenTexts
) -> None:
    done = run_backfill(tmp_path, "hill-street", "--as-of", "2025-12-31")
    assert done.exit_code == 0
    golden.check(done.stdout)
    assert list(backfill_service.days.values()) == [PAGES]


def test_several_days_need_not_be_waited_for(backfill_service: FakeBackfillService, tmp_path: Path) -> None:
    done = run_backfill(tmp_path, "hill-street", "--as-of", "2025-12-31", "--as-of", "2025-11-30", "--no-wait")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"hill-street is read as of {day}." for day in ("2025-12-31", "2025-11-30")]
    assert set(backfill_service.days.values()) == {0}


def test_a_day_that_cannot_be_had_ends_with_1_and_the_reason(
    backfill_service: FakeBackfillService, tmp_path: Path, golden: GoldenTexts
) -> None:
    done = run_backfill(tmp_path, "hill-street", "--as-of", "2020-12-31")
    assert done.exit_code == 1
    golden.check(done.stderr)
    assert backfill_service.days


@pytest.mark.usefixtures("backfill_service")
def test_a_rejected_job_says_why(tmp_path: Path) -> None:
    refused = run_backfill(tmp_path, "absent", "--as-of", "2025-12-31")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "'absent'" in refused.stderr


def test_without_an_office_every_job_is_listed(backfill_service: FakeBackfillService, tmp_path: Path) -> None:
    run_backfill(tmp_path, "hill-street", "--as-of", "2025-12-31", "--no-wait")
    listed = run_backfill(tmp_path)
    assert listed.exit_code == 0
    assert listed.stdout.splitlines()[1].split()[:4] == ["hill-street", "2025-12-31", "report", "open"]
    (document,) = json.loads(run_backfill(tmp_path, "--json").stdout)["backfills"]
    assert document["as_of"] == "2025-12-31"
    assert backfill_service.days


@pytest.mark.usefixtures("backfill_service")
def test_a_running_job_shows_its_step(tmp_path: Path, golden: GoldenTexts) -> None:
    run_backfill(tmp_path, "hill-street", "--as-of", "2021-12-31", "--no-wait")
    golden.check(run_backfill(tmp_path).stdout)


def test_jobs_are_cancelled(backfill_service: FakeBackfillService, tmp_path: Path, golden: GoldenTexts) -> None:
    days = ("--as-of", "2025-12-31", "--as-of", "2025-11-30")
    run_backfill(tmp_path, "hill-street", *days, "--no-wait")
    one = run_backfill(tmp_path, "hill-street", "--cancel", "--as-of", "2025-11-30")
    assert one.exit_code == 0
    golden.check(one.stdout)
    assert [day.as_of for day in backfill_service.days] == [date(2025, 12, 31)]
    assert json.loads(run_backfill(tmp_path, "hill-street", "--cancel", "--json").stdout)["backfills"] == []
    assert backfill_service.days == {}


def test_ctrl_c_leaves_the_job_running_and_says_how_to_see_it_again(
    backfill_service: FakeBackfillService, tmp_path: Path
) -> None:
    arguments = ("backfill", "hill-street", "--as-of", "2021-12-31", "--config", str(write_config(tmp_path)))
    output = tmp_path / "output"
    with running_command(*arguments, output=output) as process:
        assert backfill_service.polled.wait(TIMEOUT_SECONDS)
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT_SECONDS) == 0
    assert "--cancel" in output.read_text()
    assert backfill_service.days


@pytest.mark.usefixtures("backfill_service")
def test_a_day_without_balances_is_stored_with_a_warning(tmp_path: Path, golden: GoldenTexts) -> None:
    done = run_backfill(tmp_path, "hill-street", "--as-of", "1990-01-01")
    assert done.exit_code == 0
    golden.check(done.stderr)


def test_json_is_one_document_at_the_end(backfill_service: FakeBackfillService, tmp_path: Path) -> None:
    done = run_backfill(tmp_path, "hill-street", "--as-of", "2025-12-31", "--json")
    (document,) = json.loads(done.stdout)["backfills"]
    assert (document["stage"], document["requests"]) == ("done", PAGES)
    assert backfill_service.days


@pytest.mark.parametrize(
    "sql",
    ["SELECT PatNum\nFROM patient -- 100 % & more\nWHERE Guarantor=PatNum", "🦷" * QUERY_LENGTH_MAX],
    ids=["with what a target cannot hold", "as long as it may be"],
)
def test_a_query_travels_whole(backfill_service: FakeBackfillService, tmp_path: Path, sql: str) -> None:
    query = tmp_path / "aging.sql"
    query.write_text(sql)
    run_backfill(tmp_path, "hill-street", "--as-of", "2025-12-31", "--via", "sftp", "--query", str(query), "--no-wait")
    (day,) = backfill_service.days
    assert (day.via, day.query) == (BackfillMethod.SFTP, query.read_text())


def test_a_query_may_begin_with_a_byte_order_mark(backfill_service: FakeBackfillService, tmp_path: Path) -> None:
    query = tmp_path / "aging.sql"
    query.write_text("SELECT PatNum", encoding="utf-8-sig")
    run_backfill(tmp_path, "hill-street", "--as-of", "2025-12-31", "--via", "sftp", "--query", str(query), "--no-wait")
    assert [day.query for day in backfill_service.days] == ["SELECT PatNum"]


def test_a_query_in_another_encoding_is_a_usage_error(tmp_path: Path, golden: GoldenTexts) -> None:
    query = tmp_path / "aging.sql"
    query.write_text("SELECT 'Zoë'", encoding="latin-1")
    refused = run_backfill(tmp_path, "hill-street", "--as-of", "2025-12-31", "--via", "sftp", "--query", str(query))
    assert refused.exit_code == 2
    golden.check(refused.stderr)


def test_a_query_that_is_too_long_is_a_usage_error(tmp_path: Path, golden: GoldenTexts) -> None:
    query = tmp_path / "aging.sql"
    query.write_text("x" * (QUERY_LENGTH_MAX + 1))
    refused = run_backfill(tmp_path, "hill-street", "--as-of", "2025-12-31", "--via", "sftp", "--query", str(query))
    assert refused.exit_code == 2
    golden.check(refused.stderr)


def test_a_job_removed_with_its_office_is_no_success(
    backfill_service: FakeBackfillService, tmp_path: Path, golden: GoldenTexts
) -> None:
    backfill_service.erases_office = True
    gone = run_backfill(tmp_path, "hill-street", "--as-of", "2025-12-31")
    assert gone.exit_code == 1
    golden.check(gone.stderr)


@pytest.mark.usefixtures("backfill_service")
def test_the_failure_of_a_job_is_shown_with_its_square_brackets(tmp_path: Path) -> None:
    arguments = ("backfill", "hill-street", "--as-of", "2020-12-31", "--config", str(write_config(tmp_path)))
    status, screen = run_in_terminal(arguments, (), tmp_path)
    assert status == 1
    assert "hill-street 2020-12-31: It was lost in a fire; see `[sftp]`." in screen  # the words of the job


@pytest.mark.parametrize(
    "arguments",
    [
        ("hill-street",),
        ("--as-of", "2025-12-31"),
        ("--cancel",),
        ("hill-street", "--cancel", "--via", "sftp"),
        ("hill-street", "--as-of", "2025-12-31", "--via", "sftp"),
        ("hill-street", "--as-of", "2025-12-31", "--query", "/dev/null"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert run_backfill(tmp_path, *arguments).exit_code == 2


def test_what_is_no_day_is_said_as_elsewhere(tmp_path: Path, golden: GoldenTexts) -> None:
    done = run_backfill(tmp_path, "hill-street", "--as-of", "yesterday")
    assert done.exit_code == 2
    golden.check(done.output)


SINCE = datetime(2026, 3, 3, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ({"stage": "open", "requests": 12, "requests_expected": 120}, "12/120 requests"),
        ({"stage": "open", "requests": 12, "requests_expected": None}, "12 requests"),
        ({"stage": "open", "requests": 1200, "requests_expected": 120}, "1,200/1,200 requests"),
        ({"stage": "done", "requests": 120, "requests_expected": 120}, "done"),
        (
            {"stage": "open", "requests": 0, "step": "waiting_for_file", "step_since": "2026-03-03T09:00:00Z"},
            "waiting for file, 0:01:30",
        ),
    ],
)
def test_progress_of_a_job_is_shown_in_the_unit_of_its_method(expected: dict[str, Any], text: str) -> None:
    assert format_progress({"step": None, **expected}, SINCE + timedelta(seconds=90)) == text


def test_without_a_daemon_it_says_what_to_do(tmp_path: Path, golden: GoldenTexts) -> None:
    done = run_backfill(tmp_path, "hill-street", "--as-of", "2025-12-31")
    assert done.exit_code == 1
    golden.check(done.stderr)
