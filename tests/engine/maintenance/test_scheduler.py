"""When the housekeeper does what, on virtual time: cron in any zone, runs that were missed, runs that meet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import anyio
import pytest

from oddaemon.engine.maintenance.scheduler import SHORT_GRACE, CronSchedule, MaintenanceJob, run_maintenance
from oddaemon.simulator.model.world_clock import WorldClock
from oddaemon.simulator.virtual_time import VirtualLoop
from oddaemon.store.errors import DatabaseUnusable
from oddaemon.store.maintenance_runs import load_runs
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.telemetry.events import (
    MaintenanceFailed,
    MaintenanceFinished,
    MaintenancePlanned,
    MaintenanceSkipped,
)
from oddaemon.telemetry.events.base import Event
from tests.golden import GoldenTexts

LOS_ANGELES = ZoneInfo("America/Los_Angeles")
MIDNIGHT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
"""00:00 in Los Angeles."""


@dataclass
class SchedulerRun:
    """One database and its housekeeper through any number of daemons' lives; what ran when, on the local clock."""

    path: Path
    clock: WorldClock = field(default_factory=lambda: WorldClock(MIDNIGHT))
    clock_offset: timedelta = timedelta()
    runs: list[tuple[str, str]] = field(default_factory=list)
    emitted: list[Event] = field(default_factory=list)

    def get_now(self) -> datetime:
        return self.clock.now() + self.clock_offset

    def format_local(self) -> str:
        return self.get_now().astimezone(LOS_ANGELES).strftime("%d %H:%M")

    def make_job(self, name: str, cron: str, seconds: float = 0.0, **how: object) -> MaintenanceJob:
        async def work() -> str:
            self.runs.append((name, self.format_local()))
            await anyio.sleep(seconds)
            return "Done."

        return MaintenanceJob(name, cron, work, **how)  # type: ignore[arg-type]  # a job's own fields

    @asynccontextmanager
    async def running(self, *jobs: MaintenanceJob) -> AsyncIterator[SqliteDatabase]:
        """A daemon's life."""
        async with SqliteDatabase.open(str(self.path)) as database, anyio.create_task_group() as tasks:
            tasks.start_soon(run_maintenance, database, jobs, self.get_now, self.emitted.append, LOS_ANGELES)
            yield database
            tasks.cancel_scope.cancel()

    async def run_for(self, hours: float, *jobs: MaintenanceJob) -> None:
        async with self.running(*jobs):
            await anyio.sleep(hours * 3600)

    def find_events(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.emitted if type(event) is kind]


@pytest.fixture
async def scheduler_run(tmp_path: Path) -> SchedulerRun:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.track_calls(lambda: SqliteDatabase.calls_in_flight)
    return SchedulerRun(tmp_path / "oddaemon.db")


async def test_each_job_comes_at_its_times_on_the_local_clock(scheduler_run: SchedulerRun) -> None:
    await scheduler_run.run_for(
        50, scheduler_run.make_job("prune", "0 3 * * *"), scheduler_run.make_job("check", "45 4 * * tue")
    )
    assert scheduler_run.runs == [("prune", "02 03:00"), ("prune", "03 03:00"), ("check", "03 04:45")]
    planned = [event for event in scheduler_run.emitted if isinstance(event, MaintenancePlanned)]
    assert [(event.job, event.succeeded_at) for event in planned] == [("prune", None), ("check", None)]


async def test_an_empty_expression_is_never_due(scheduler_run: SchedulerRun) -> None:
    await scheduler_run.run_for(50, scheduler_run.make_job("prune", ""))
    assert (scheduler_run.runs, scheduler_run.emitted) == ([], [])


async def test_a_day_that_never_comes_is_no_error(scheduler_run: SchedulerRun) -> None:
    await scheduler_run.run_for(1, scheduler_run.make_job("prune", "0 3 30 2 *"))
    assert scheduler_run.runs == []


async def test_a_missed_run_is_done_once_a_minute_after_the_start(
    scheduler_run: SchedulerRun,
) -> None:
    backup = scheduler_run.make_job("backup", "30 3 * * *")
    await scheduler_run.run_for(1, backup)
    await anyio.sleep(3 * 86_400)
    await scheduler_run.run_for(1, backup)
    assert scheduler_run.runs == [("backup", "05 01:01")]
    await scheduler_run.run_for(3, backup)
    assert scheduler_run.runs[1:] == [("backup", "05 03:30")]


async def test_a_run_that_was_done_before_a_restart_is_not_done_again(scheduler_run: SchedulerRun) -> None:
    backup = scheduler_run.make_job("backup", "30 3 * * *")
    await scheduler_run.run_for(4, backup)
    await scheduler_run.run_for(4, backup)
    assert scheduler_run.runs == [("backup", "02 03:30")]


async def test_a_run_that_was_killed_counts_as_missed(scheduler_run: SchedulerRun) -> None:
    backup = scheduler_run.make_job("backup", "30 3 * * *", seconds=3600)
    await scheduler_run.run_for(4, backup)
    await scheduler_run.run_for(1.5, backup)
    assert scheduler_run.runs == [("backup", "02 03:30"), ("backup", "02 04:01")]
    assert len(scheduler_run.find_events(MaintenanceFinished)) == 1


async def test_what_is_of_no_use_late_is_made_up_for_within_an_hour_only(
    scheduler_run: SchedulerRun, golden: GoldenTexts
) -> None:
    digest = scheduler_run.make_job("digest", "30 7 * * *", grace=SHORT_GRACE)
    await scheduler_run.run_for(7, digest)
    await anyio.sleep(0.8 * 3600)
    await scheduler_run.run_for(1, digest)
    assert scheduler_run.runs == [("digest", "02 07:49")]
    await anyio.sleep(86_400)
    await scheduler_run.run_for(24, digest)
    assert scheduler_run.runs[1:] == [("digest", "04 07:30")]
    golden.check([event.reason for event in scheduler_run.emitted if isinstance(event, MaintenanceSkipped)])


async def test_a_first_start_has_missed_nothing(scheduler_run: SchedulerRun) -> None:
    await anyio.sleep(12 * 3600)
    await scheduler_run.run_for(1, scheduler_run.make_job("backup", "30 3 * * *"))
    assert scheduler_run.runs == []


async def test_a_run_due_while_the_same_job_works_is_skipped_and_reported(scheduler_run: SchedulerRun) -> None:
    await scheduler_run.run_for(4, scheduler_run.make_job("check", "0 * * * *", seconds=5400))
    assert scheduler_run.runs == [("check", "02 01:00"), ("check", "02 03:00")]
    (skipped,) = scheduler_run.find_events(MaintenanceSkipped)
    assert isinstance(skipped, MaintenanceSkipped)
    assert (skipped.job, skipped.due_at) == ("check", MIDNIGHT + timedelta(hours=2))


async def test_jobs_at_the_file_wait_for_each_other_in_the_order_in_which_they_were_due(
    scheduler_run: SchedulerRun,
) -> None:
    jobs = (
        scheduler_run.make_job("prune", "0 3 * * *", seconds=1800),
        scheduler_run.make_job("vacuum", "10 3 * * *", seconds=600, grace=SHORT_GRACE),
        scheduler_run.make_job("backup", "5 3 * * *", seconds=60),
        scheduler_run.make_job("digest", "15 3 * * *", is_exclusive=False),
    )
    await scheduler_run.run_for(5, *jobs)
    assert scheduler_run.runs == [
        ("prune", "02 03:00"),
        ("digest", "02 03:15"),
        ("backup", "02 03:30"),
        ("vacuum", "02 03:31"),
    ]


async def test_two_jobs_of_one_moment_come_in_their_order(scheduler_run: SchedulerRun) -> None:
    await scheduler_run.run_for(4, *(scheduler_run.make_job(name, "0 3 * * *", seconds=60) for name in ("c", "a", "b")))
    assert scheduler_run.runs == [("c", "02 03:00"), ("a", "02 03:01"), ("b", "02 03:02")]


@pytest.mark.parametrize("crash", [False, True])
async def test_a_job_that_fails_is_reported_and_stops_neither_the_others_nor_itself(
    scheduler_run: SchedulerRun, crash: bool
) -> None:
    async def fail() -> str:
        scheduler_run.runs.append(("backup", scheduler_run.format_local()))
        if crash:
            raise KeyError("balance")
        raise DatabaseUnusable("The disk is full.", "Free some space.", is_transient=True)

    backup = MaintenanceJob("backup", "30 3 * * *", fail)
    async with scheduler_run.running(backup, scheduler_run.make_job("prune", "0 3 * * *")) as database:
        await anyio.sleep(29 * 3600)
        known = await load_runs(database)
    assert [name for name, _ in scheduler_run.runs] == ["prune", "backup", "prune", "backup"]
    failed = [event for event in scheduler_run.emitted if isinstance(event, MaintenanceFailed)]
    outcome = "It crashed, a bug in oddaemon: KeyError." if crash else "The disk is full. Free some space."
    assert [(event.job, event.reason) for event in failed] == 2 * [("backup", outcome)]
    assert [event.traceback is not None for event in failed] == 2 * [crash]
    assert (known["backup"].succeeded_at, known["backup"].result) == (None, outcome)
    assert known["prune"].succeeded_at == MIDNIGHT + timedelta(hours=27)


async def test_a_restart_still_knows_the_last_success(scheduler_run: SchedulerRun) -> None:
    await scheduler_run.run_for(4, scheduler_run.make_job("backup", "30 3 * * *"))
    scheduler_run.emitted.clear()
    await scheduler_run.run_for(1, scheduler_run.make_job("backup", "30 3 * * *"))
    (planned,) = scheduler_run.emitted
    assert isinstance(planned, MaintenancePlanned)
    assert (planned.due_at, planned.succeeded_at) == tuple(MIDNIGHT + timedelta(hours=hour) for hour in (27.5, 3.5))


async def test_a_machine_that_slept_through_it_runs_it_when_it_wakes(scheduler_run: SchedulerRun) -> None:
    async with scheduler_run.running(
        scheduler_run.make_job("backup", "30 3 * * *"),
        scheduler_run.make_job("digest", "30 3 * * *", grace=SHORT_GRACE),
    ):
        await anyio.sleep(3600)
        scheduler_run.clock_offset = timedelta(hours=8)
        await anyio.sleep(600)
    assert scheduler_run.runs == [("backup", "02 09:00")]
    assert [event.job for event in scheduler_run.emitted if isinstance(event, MaintenanceSkipped)] == ["digest"]


async def test_a_clock_set_back_a_little_does_not_double_a_run(scheduler_run: SchedulerRun) -> None:
    async with scheduler_run.running(scheduler_run.make_job("backup", "30 3 * * *")):
        await anyio.sleep(3.6 * 3600)
        scheduler_run.clock_offset = timedelta(minutes=-30)
        await anyio.sleep(3600)
    assert scheduler_run.runs == [("backup", "02 03:30")]


async def test_a_clock_that_was_years_ahead_does_not_stop_maintenance_for_years(scheduler_run: SchedulerRun) -> None:
    scheduler_run.clock_offset = timedelta(days=3650)
    async with scheduler_run.running(scheduler_run.make_job("backup", "30 3 * * *")):
        await anyio.sleep(3600)
        scheduler_run.clock_offset = timedelta()
        await anyio.sleep(3 * 3600)
    assert scheduler_run.runs == [("backup", "02 03:30")]


async def test_a_database_that_cannot_be_written_ends_nothing(scheduler_run: SchedulerRun) -> None:
    async with scheduler_run.running(scheduler_run.make_job("prune", "0 3 * * *")) as database:
        await database.execute_one("DROP TABLE maintenance")
        await anyio.sleep(28 * 3600)
    assert len(scheduler_run.runs) == 2


# --- the days on which clocks are changed ---------------------------------------------------------------------------


def list_due_times(cron: str, first: datetime, count: int) -> list[str]:
    times, found = CronSchedule(cron, LOS_ANGELES), []
    for _ in range(count):
        at = times.get_next_after(first)
        assert at is not None
        found.append(at.astimezone(LOS_ANGELES).strftime("%d %H:%M %Z"))
        first = at
    return found


def test_a_time_that_clocks_jump_over_comes_an_hour_later_by_the_clock_and_once() -> None:
    assert list_due_times("30 2 * * *", datetime(2026, 3, 7, 8, 0, tzinfo=UTC), 3) == [
        "07 02:30 PST",
        "08 03:30 PDT",
        "09 02:30 PDT",
    ]


def test_a_time_that_comes_twice_is_due_the_first_time_only() -> None:
    assert list_due_times("30 1 * * *", datetime(2026, 10, 31, 8, 0, tzinfo=UTC), 3) == [
        "31 01:30 PDT",
        "01 01:30 PDT",
        "02 01:30 PST",
    ]


def test_an_interval_goes_on_through_the_hour_that_comes_twice() -> None:
    assert list_due_times("*/30 * * * *", datetime(2026, 11, 1, 7, 30, tzinfo=UTC), 5) == [
        "01 01:00 PDT",
        "01 01:30 PDT",
        "01 01:00 PST",
        "01 01:30 PST",
        "01 02:00 PST",
    ]


async def test_a_night_without_its_hour_has_its_run_all_the_same(scheduler_run: SchedulerRun) -> None:
    scheduler_run.clock = WorldClock(datetime(2026, 3, 8, 8, 0, tzinfo=UTC))
    prune = scheduler_run.make_job("prune", "30 2 * * *")
    async with scheduler_run.running(prune):
        await anyio.sleep(3600)
    async with scheduler_run.running(prune):
        await anyio.sleep(2 * 3600)
    assert scheduler_run.runs == [("prune", "08 03:30")]


async def test_a_job_that_is_retried_runs_until_it_succeeds(scheduler_run: SchedulerRun) -> None:
    async def work() -> str:
        scheduler_run.runs.append(("wal_checkpoint", scheduler_run.format_local()))
        if len(scheduler_run.runs) < 4:
            raise DatabaseUnusable("A reader holds the log.", "Close it.", is_transient=True)
        return "Done."

    await scheduler_run.run_for(24, MaintenanceJob("wal_checkpoint", "15 3 * * *", work, is_retried=True))
    assert [when for _, when in scheduler_run.runs] == ["02 03:15", "02 03:16", "02 03:18", "02 03:22"]
    assert len(scheduler_run.find_events(MaintenanceFailed)) == 3
    assert len(scheduler_run.find_events(MaintenanceFinished)) == 1
