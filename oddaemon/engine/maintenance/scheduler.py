"""Runs the jobs of `[maintenance]` at their times.

APScheduler's cron triggers compute the times; its scheduler is not used. It reads the machine's clock itself, so tests
could not use virtual time; by default it drops runs that are a second late; it only logs errors, and it leaves its jobs
running when the daemon stops. Here each job is a task of the daemon's task group: it sleeps until it is due, runs,
stores that it ran, and ends with the daemon.

A run that cannot start when it is due:

- The daemon was down, the machine slept, or its clock was set forward: the job runs late, once for all missed runs, if
  its `grace` allows that; after a start it waits a minute, so that a daemon that is restarted again and again reaches
  its offices first. A killed run counts as missed.
- The same job is still running: no second run.
- Another job or a command uses the database as a whole: the job waits. Exclusive jobs run in the order of their due
  times.
- The clock was set back: a finished run is not repeated, unless the clock had been wrong by more than an hour.
- On the day when clocks go forward, a time that does not exist comes an hour later by the clock. When clocks go back, a
  job whose time comes twice runs the first time only, unless its hours contain a `*`, which means an interval.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

import anyio
from apscheduler.triggers.cron import CronTrigger

from oddaemon.engine.tasks import BackgroundTasks, run_guarded
from oddaemon.store.database import Database
from oddaemon.store.errors import StoreError
from oddaemon.store.maintenance_runs import JobRun, load_runs, save_run
from oddaemon.telemetry.events import MaintenanceFailed, MaintenanceFinished, MaintenancePlanned, MaintenanceSkipped
from oddaemon.telemetry.events.base import Event
from oddaemon.telemetry.logging.traceback import format_traceback

CHECK_INTERVAL_SECONDS = 60.0
"""Between two readings of the clock, which may be set."""
STARTUP_DELAY_SECONDS = 60.0
"""From a start to the runs that were missed before it."""
CLOCK_STEP_MIN = timedelta(hours=1)
RETRY_SECONDS_MIN = 60.0
RETRY_SECONDS_MAX = 900.0
"""Between two attempts of a job that is retried, doubling."""
SHORT_GRACE = timedelta(hours=1)
"""The grace of jobs whose next run will do."""


@dataclass(frozen=True, slots=True)
class MaintenanceJob:
    """A job and when it runs."""

    name: str
    cron: str
    """Five fields, days of the week by name. Empty: never."""
    work: Callable[[], Awaitable[str]]
    """Returns the result as a sentence; raises StoreError if it fails."""
    grace: timedelta | None = None
    """How late a missed run may start. None: however late."""
    is_exclusive: bool = True
    """Whether it uses the database as a whole, which one job at a time may."""
    is_retried: bool = False
    """Whether a failed run is repeated until one succeeds, instead of at the next due time."""


class CronSchedule:
    """The times of a job.

    Args:
        cron: As `MaintenanceJob.cron`, not empty.
        zone: The time zone of the expression. None: the machine's.
    """

    def __init__(self, cron: str, zone: tzinfo | None = None) -> None:
        self._trigger = CronTrigger.from_crontab(cron, zone)
        self._is_interval = "*" in cron.split()[1]

    def get_next_after(self, instant: datetime) -> datetime | None:
        """The first due time after `instant`, in UTC. None: never again."""
        while True:
            due: datetime | None = self._trigger.get_next_fire_time(None, instant + timedelta(microseconds=1))
            if due is None:
                return None
            instant = due.astimezone(UTC)
            if self._is_interval or not due.fold:
                return instant


async def run_maintenance(
    database: Database,
    jobs: Sequence[MaintenanceJob],
    now: Callable[[], datetime],
    emit: Callable[[Event], None],
    zone: tzinfo | None = None,
) -> None:
    """Run the jobs at their times until cancelled.

    Args:
        database: Stores the runs.
        jobs: All jobs.
        now: The wall clock.
        emit: Takes the events.
        zone: The time zone of the cron expressions. None: the machine's.
    """
    last_runs: dict[str, JobRun] = {}
    with suppress(StoreError):  # `StoreHealth` reports it; the jobs then run at their next times
        last_runs = await load_runs(database)
    async with anyio.create_task_group() as tasks:
        background = BackgroundTasks(tasks, emit)
        for job in jobs:
            if job.cron:
                last_run = last_runs.get(job.name) or JobRun(now())
                schedule = CronSchedule(job.cron, zone)
                runner = _JobRunner(job, schedule, last_run.seen_at, last_run.succeeded_at, database, now, emit)
                background.start_soon("maintenance", runner.run)


@dataclass(slots=True)
class _JobRunner:
    """One job and its times."""

    job: MaintenanceJob
    schedule: CronSchedule
    seen_at: datetime
    """All due times up to this one are done or skipped."""
    succeeded_at: datetime | None
    database: Database
    now: Callable[[], datetime]
    emit: Callable[[Event], None]

    async def run(self) -> None:
        """Run the job whenever it is due."""
        await self._save_run("Not run yet." if self.succeeded_at is None else "", None)
        due = self._get_next_due()
        self.emit(MaintenancePlanned(self.job.name, due, self.succeeded_at))
        if due is not None and due <= self.now():
            await anyio.sleep(STARTUP_DELAY_SECONDS)
        while (due := self._get_next_due()) is not None:
            seconds = (due - self.now()).total_seconds()
            if seconds > 0:
                await anyio.sleep(min(seconds, CHECK_INTERVAL_SECONDS))
            elif self._is_within_grace():
                await self._run_until_done()
            else:
                await self._skip(due, "The scheduled time has passed.")

    def _get_next_due(self) -> datetime | None:
        now = self.now()
        if self.seen_at > now + CLOCK_STEP_MIN:
            self.seen_at = now
        return self.schedule.get_next_after(self.seen_at)

    def _is_within_grace(self) -> bool:
        if self.job.grace is None:
            return True
        now = self.now()
        latest = self.schedule.get_next_after(max(self.seen_at, now - self.job.grace))
        return latest is not None and latest <= now

    async def _run_until_done(self) -> None:
        pause = RETRY_SECONDS_MIN
        while not await self._run_once() and self.job.is_retried:
            await anyio.sleep(pause)
            pause = min(2 * pause, RETRY_SECONDS_MAX)

    async def _run_once(self) -> bool:
        """Run the job; returns whether it succeeded."""
        async with AsyncExitStack() as stack:
            if self.job.is_exclusive:
                await stack.enter_async_context(self.database.maintenance_lock)
            began_at, began = self.now(), anyio.current_time()
            result = ""

            async def run_work() -> None:
                nonlocal result
                result = await self.job.work()

            error = await run_guarded(run_work)
            seconds = anyio.current_time() - began
        self.seen_at = ended_at = self.now()
        if error is None:
            self.succeeded_at = ended_at
            self.emit(MaintenanceFinished(self.job.name, seconds, result, ended_at))
        else:
            result = (
                str(error)
                if isinstance(error, StoreError)
                else f"It crashed, a bug in oddaemon: {type(error).__name__}."
            )
            traceback = None if isinstance(error, StoreError) else format_traceback(error)
            self.emit(MaintenanceFailed(self.job.name, seconds, result, traceback))
        await self._save_run(result, ended_at if error is None else None)
        missed = self.schedule.get_next_after(began_at)
        if missed is not None and missed <= ended_at:
            self.emit(MaintenanceSkipped(self.job.name, missed, "The previous run was still running."))
        return error is None

    async def _skip(self, due: datetime, why: str) -> None:
        self.seen_at = self.now()
        self.emit(MaintenanceSkipped(self.job.name, due, why))
        await self._save_run(why, None)

    async def _save_run(self, result: str, succeeded_at: datetime | None) -> None:
        # `StoreHealth` reports it; the only consequence is that the job runs again after a restart.
        with suppress(StoreError):
            await save_run(self.database, self.job.name, JobRun(self.seen_at, succeeded_at, result))
