"""Looks after the database and tells how the fleet stands when `[maintenance]` says so.

APScheduler's cron triggers say when; its scheduler does not run. That one reads the machine's clock itself, so that no
test could let a night pass, drops what is a second late unless told otherwise, only logs what goes wrong, and leaves
its jobs running when the daemon stops. Here each job is a task of the daemon's own group: it sleeps until it is due,
works, remembers in the database that it did, and ends with the daemon.

What happens to a run that cannot begin when it is due:

- Its time passed while the daemon was down, or the machine slept or its clock was set forward: it is done late, once
  however often it was missed, where that still makes sense (`Job.grace`); a minute after a start, so that a daemon that
  is started again and again gets to its offices first. A run that was killed counts as missed.
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

from oddaemon.engine.guard import crash_of
from oddaemon.store.chores import Chore, remember, remembered
from oddaemon.store.database import Database
from oddaemon.store.errors import StoreError
from oddaemon.telemetry.crash import describe
from oddaemon.telemetry.event import Event
from oddaemon.telemetry.events import MaintenanceFailed, MaintenanceFinished, MaintenancePlanned, MaintenanceSkipped

LOOK_SECONDS = 60.0
"""Between two looks at the clock, which may be set."""
AFTER_START_SECONDS = 60.0
"""From a start to the runs that were missed before it."""
CLOCK_WAS_WRONG = timedelta(hours=1)
SOON = timedelta(hours=1)
"""A run that is later than this comes too late to be of use, where the next one will do."""


@dataclass(frozen=True, slots=True)
class Job:
    """One thing to be done at its times."""

    name: str
    cron: str
    """Five fields, days of the week by name; empty: never."""
    work: Callable[[], Awaitable[str]]
    """Says in one sentence what came of it; raises StoreError where it cannot be done."""
    grace: timedelta | None = None
    """How late it may begin after its time was missed; None: any time."""
    alone: bool = True
    """Whether it works on the database's file, where one does at a time."""


class Times:
    """When a job is due.

    Args:
        cron: as `Job.cron`, not empty.
        zone: on whose clock; None: the machine's.
    """

    def __init__(self, cron: str, zone: tzinfo | None = None) -> None:
        self._trigger = CronTrigger.from_crontab(cron, zone)
        self._is_interval = "*" in cron.split()[1]

    def after(self, instant: datetime) -> datetime | None:
        """The first due time later than `instant`, in UTC; None: it is never due again."""
        while True:
            due: datetime | None = self._trigger.get_next_fire_time(None, instant + timedelta(microseconds=1))
            if due is None:
                return None
            instant = due.astimezone(UTC)
            if self._is_interval or not due.fold:
                return instant


async def keep_house(
    database: Database,
    jobs: Sequence[Job],
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
    known: dict[str, Chore] = {}
    with suppress(StoreError):  # told by the database itself; the jobs come at their next times then
        known = await remembered(database)
    house = _House(database, now, emit)
    async with anyio.create_task_group() as tasks:
        for job in jobs:
            if job.cron:
                keeper = _Keeper(job, Times(job.cron, zone), known.get(job.name) or Chore(now()), house)
                tasks.start_soon(keeper.keep, name=f"housekeeper {job.name}")


@dataclass(frozen=True, slots=True)
class _House:
    """What all jobs share."""

    database: Database
    now: Callable[[], datetime]
    emit: Callable[[Event], None]


class _Keeper:
    """One job and its times."""

    def __init__(self, job: Job, times: Times, chore: Chore, house: _House) -> None:
        self._job = job
        self._times = times
        self._seen_at = chore.seen_at
        self._succeeded_at = chore.succeeded_at
        self._house = house
        self._now = house.now
        self._emit = house.emit

    async def keep(self) -> None:
        """Do the job whenever it is due."""
        await self._remember("Not run yet." if self._succeeded_at is None else "", None)
        due = self._next_due()
        self._emit(MaintenancePlanned(self._job.name, due, self._succeeded_at))
        if due is not None and due <= self._now():
            await anyio.sleep(AFTER_START_SECONDS)
        while (due := self._next_due()) is not None:
            seconds = (due - self._now()).total_seconds()
            if seconds > 0:
                await anyio.sleep(min(seconds, LOOK_SECONDS))
            elif self._is_still_of_use():
                await self._run()
            else:
                await self._skip(due, "Its time had passed.")

    def _next_due(self) -> datetime | None:
        now = self._now()
        if self._seen_at > now + CLOCK_WAS_WRONG:
            self._seen_at = now
        return self._times.after(self._seen_at)

    def _is_still_of_use(self) -> bool:
        if self._job.grace is None:
            return True
        now = self._now()
        latest = self._times.after(max(self._seen_at, now - self._job.grace))
        return latest is not None and latest <= now

    async def _run(self) -> None:
        async with AsyncExitStack() as stack:
            if self._job.alone:
                await stack.enter_async_context(self._house.database.whole_file)
            began_at, began = self._now(), anyio.current_time()
            result = ""

            async def work() -> None:
                nonlocal result
                result = await self._job.work()

            error = await crash_of(work)
            seconds = anyio.current_time() - began
        self._seen_at = ended_at = self._now()
        if error is None:
            self._succeeded_at = ended_at
            self._emit(MaintenanceFinished(self._job.name, seconds, result, ended_at))
        else:
            result = str(error) if isinstance(error, StoreError) else f"It crashed: {type(error).__name__}."
            traceback = None if isinstance(error, StoreError) else describe(error)
            self._emit(MaintenanceFailed(self._job.name, seconds, result, traceback))
        await self._remember(result, ended_at if error is None else None)
        missed = self._times.after(began_at)
        if missed is not None and missed <= ended_at:
            self._emit(MaintenanceSkipped(self._job.name, missed, "The run before was still at work."))

    async def _skip(self, due: datetime, why: str) -> None:
        self._seen_at = self._now()
        self._emit(MaintenanceSkipped(self._job.name, due, why))
        await self._remember(why, None)

    async def _remember(self, result: str, succeeded_at: datetime | None) -> None:
        # A database that cannot be written tells so itself; the job is done again after a restart, that is all.
        with suppress(StoreError):
            await remember(self._house.database, self._job.name, Chore(self._seen_at, succeeded_at, result))
