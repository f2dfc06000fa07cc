"""Looks after the database and tells how the fleet stands when `[maintenance]` says so.

APScheduler's cron triggers say when; its scheduler does not run. That one reads the machine's clock itself, so that no
test could let a night pass, drops what is a second late unless told otherwise, only logs what goes wrong, and leaves
its jobs running when the daemon stops. Here each job is a task of the daemon's own group: it sleeps until it is due,
works, remembers in the database that it did, and ends with the daemon.

What happens to a run that cannot begin when it is due:

- Its time passed while the daemon was down, or the machine slept or its clock was set forward: it is done late, once
  however often it was missed, where that still makes sense (`MaintenanceJob.grace`); a minute after a start, so that a
  daemon that is restarted again and again gets to its offices first. A run that was killed counts as missed.
- The same job is still running: this run is that one.
- Another job is at the database, or an order: it waits for its turn. Jobs that touch the file come one after another,
  in the order in which they were due.
- The clock was set back: what was done is not done again, unless the clock had been wrong by more than an hour.
- Its time does not exist on the day when clocks go forward: it comes as many hours after midnight as on other days, an
  hour later by the clock. Its time comes twice when they go back: it runs the first time only, unless its hours are
  written with a `*`, which means an interval.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

import anyio
from apscheduler.triggers.cron import CronTrigger

from oddaemon.engine.tasks import run_guarded
from oddaemon.store.errors import StoreError
from oddaemon.store.maintenance_runs import JobRun, load_runs, save_run
from oddaemon.store.sqlite.connection import SqliteDatabase
from oddaemon.telemetry.events import MaintenanceFailed, MaintenanceFinished, MaintenancePlanned, MaintenanceSkipped
from oddaemon.telemetry.events.base import Event
from oddaemon.telemetry.logging.traceback import format_traceback

CHECK_INTERVAL_SECONDS = 60.0
"""Between two looks at the clock, which may be set."""
STARTUP_DELAY_SECONDS = 60.0
"""From a start to the runs that were missed before it."""
CLOCK_STEP_MIN = timedelta(hours=1)
SHORT_GRACE = timedelta(hours=1)
"""A run that is later than this comes too late to be of use, where the next one will do."""


@dataclass(frozen=True, slots=True)
class MaintenanceJob:
    """One thing to be done at its times."""

    name: str
    cron: str
    """Five fields, days of the week by name; empty: never."""
    work: Callable[[], Awaitable[str]]
    """Says in one sentence what came of it; raises StoreError where it cannot be done."""
    grace: timedelta | None = None
    """How late it may begin after its time was missed; None: any time."""
    is_exclusive: bool = True
    """Whether it works on the database's file, where one does at a time."""


class CronSchedule:
    """When a job is due.

    Args:
        cron: as `MaintenanceJob.cron`, not empty.
        zone: on whose clock; None: the machine's.
    """

    def __init__(self, cron: str, zone: tzinfo | None = None) -> None:
        self._trigger = CronTrigger.from_crontab(cron, zone)
        self._is_interval = "*" in cron.split()[1]

    def get_next_after(self, instant: datetime) -> datetime | None:
        """The first due time later than `instant`, in UTC; None: it is never due again."""
        while True:
            due: datetime | None = self._trigger.get_next_fire_time(None, instant + timedelta(microseconds=1))
            if due is None:
                return None
            instant = due.astimezone(UTC)
            if self._is_interval or not due.fold:
                return instant


async def run_maintenance(
    database: SqliteDatabase,
    jobs: Sequence[MaintenanceJob],
    now: Callable[[], datetime],
    emit: Callable[[Event], None],
    zone: tzinfo | None = None,
) -> None:
    """Do the jobs at their times, until cancelled.

    Args:
        database: remembers what was done.
        jobs: what is to be done.
        now: the wall clock.
        emit: takes the events.
        zone: on whose clock the cron expressions are read; None: the machine's.
    """
    last_runs: dict[str, JobRun] = {}
    with suppress(StoreError):  # told by the database itself; the jobs come at their next times then
        last_runs = await load_runs(database)
    context = _SchedulerContext(database, now, emit)
    async with anyio.create_task_group() as tasks:
        for job in jobs:
            if job.cron:
                runner = _JobRunner(
                    job, CronSchedule(job.cron, zone), last_runs.get(job.name) or JobRun(now()), context
                )
                tasks.start_soon(runner.run, name=f"housekeeper {job.name}")


@dataclass(frozen=True, slots=True)
class _SchedulerContext:
    """What all jobs share."""

    database: SqliteDatabase
    now: Callable[[], datetime]
    emit: Callable[[Event], None]


class _JobRunner:
    """One job and its times."""

    def __init__(
        self, job: MaintenanceJob, schedule: CronSchedule, last_run: JobRun, context: _SchedulerContext
    ) -> None:
        self._job = job
        self._schedule = schedule
        self._seen_at = last_run.seen_at
        self._succeeded_at = last_run.succeeded_at
        self._context = context
        self._now = context.now
        self._emit = context.emit

    async def run(self) -> None:
        """Do the job whenever it is due."""
        await self._save_run("Not run yet." if self._succeeded_at is None else "", None)
        due = self._get_next_due()
        self._emit(MaintenancePlanned(self._job.name, due, self._succeeded_at))
        if due is not None and due <= self._now():
            await anyio.sleep(STARTUP_DELAY_SECONDS)
        while (due := self._get_next_due()) is not None:
            seconds = (due - self._now()).total_seconds()
            if seconds > 0:
                await anyio.sleep(min(seconds, CHECK_INTERVAL_SECONDS))
            elif self._is_within_grace():
                await self._run_once()
            else:
                await self._skip(due, "Its time had passed.")

    def _get_next_due(self) -> datetime | None:
        now = self._now()
        if self._seen_at > now + CLOCK_STEP_MIN:
            self._seen_at = now
        return self._schedule.get_next_after(self._seen_at)

    def _is_within_grace(self) -> bool:
        if self._job.grace is None:
            return True
        now = self._now()
        latest = self._schedule.get_next_after(max(self._seen_at, now - self._job.grace))
        return latest is not None and latest <= now

    async def _run_once(self) -> None:
        async with AsyncExitStack() as stack:
            if self._job.is_exclusive:
                await stack.enter_async_context(self._context.database.maintenance_lock)
            began_at, began = self._now(), anyio.current_time()
            result = ""

            async def run_work() -> None:
                nonlocal result
                result = await self._job.work()

            error = await run_guarded(run_work)
            seconds = anyio.current_time() - began
        self._seen_at = ended_at = self._now()
        if error is None:
            self._succeeded_at = ended_at
            self._emit(MaintenanceFinished(self._job.name, seconds, result, ended_at))
        else:
            result = str(error) if isinstance(error, StoreError) else f"It crashed: {type(error).__name__}."
            traceback = None if isinstance(error, StoreError) else format_traceback(error)
            self._emit(MaintenanceFailed(self._job.name, seconds, result, traceback))
        await self._save_run(result, ended_at if error is None else None)
        missed = self._schedule.get_next_after(began_at)
        if missed is not None and missed <= ended_at:
            self._emit(MaintenanceSkipped(self._job.name, missed, "The run before was still at work."))

    async def _skip(self, due: datetime, why: str) -> None:
        self._seen_at = self._now()
        self._emit(MaintenanceSkipped(self._job.name, due, why))
        await self._save_run(why, None)

    async def _save_run(self, result: str, succeeded_at: datetime | None) -> None:
        # A database that cannot be written tells so itself; the job is done again after a restart, that is all.
        with suppress(StoreError):
            await save_run(self._context.database, self._job.name, JobRun(self._seen_at, succeeded_at, result))
