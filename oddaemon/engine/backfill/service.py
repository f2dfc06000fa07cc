"""Runs backfill jobs, one of an office at a time, beside everything else that the daemon does.

A job shares the rate limiter of its office's key, and waits while the night's balances are pulled. A job that backs off
lets others run. Jobs are stored, so a restart continues at the last page. Results never change the office's snapshots.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from typing import NamedTuple

import anyio

from oddaemon.core.backfill.custom_sql import prepare_query
from oddaemon.core.backfill.job import (
    BackfillJob,
    BackfillMethod,
    BackfillResult,
    BackfillTarget,
    JobState,
    apply_failure,
    validate_day,
)
from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.fleet.lease import LeaseKind, LeaseLost
from oddaemon.core.model import Cadence
from oddaemon.core.office.clock import make_office_clock
from oddaemon.core.reporting.office_runtime import OfficeRuntime
from oddaemon.core.snapshot.aging_report import count_report_requests
from oddaemon.engine.backfill.queue import BackfillQueue, JobProgress
from oddaemon.engine.backfill.reader import (
    CHECK_INTERVAL_SECONDS,
    BackfillReader,
    OfficeRemoved,
)
from oddaemon.engine.context import EngineContext
from oddaemon.engine.offices.fleet_state import FleetState
from oddaemon.engine.offices.registry import Registry
from oddaemon.engine.tasks import run_guarded
from oddaemon.opendental.client import ApiError
from oddaemon.opendental.rate_limiter import ShuttingDown
from oddaemon.sftp.upload_slot import UploadReceiver
from oddaemon.store import backfill_jobs, backfilled_days
from oddaemon.store.errors import StoreError
from oddaemon.telemetry.events import (
    BackfillCancelled,
    BackfillCrashed,
    BackfillFailed,
    BackfillPublished,
    BackfillRequested,
)
from oddaemon.telemetry.logging.traceback import format_traceback

CRASHED = "The backfill crashed, a bug in oddaemon. Report it with the event `backfill_crashed` of the log."
OFFICE_REMOVED = "The office was removed from the configuration. Add it again, then request the day again."


class BackfillAccepted(NamedTuple):
    """A job that was requested."""

    progress: JobProgress
    is_new: bool
    """False: the same job was requested before and is still open."""


class BackfillService:
    """The backfill jobs of one daemon."""

    def __init__(self, context: EngineContext, fleet: FleetState, registry: Registry) -> None:
        self._context = context
        self._fleet = fleet
        self._reader = BackfillReader(context, fleet, registry, self._is_wanted)
        self._queues: defaultdict[str, BackfillQueue] = defaultdict(BackfillQueue)
        self._wakeup = anyio.Event()

    async def submit(self, targets: Sequence[BackfillTarget]) -> list[BackfillAccepted]:
        """Accept jobs: all of them, or none if one of them is invalid.

        Raises:
            InvalidDate: No balances can be had of that day.
            InvalidQuery: The operator's query cannot be used.
            OfficeRemoved: The office is not in the active configuration.
            StoreError: The database cannot be written.
        """
        context = self._context
        for target in targets:
            runtime = self._reader.get_runtime(target.office_id)
            validate_day(target.as_of, make_office_clock(runtime.state, runtime.spec).to_local(context.now()).date())
            if target.via is BackfillMethod.SFTP:
                prepare_query(target.query, target.as_of)
        return [await self._submit_one(day) for day in targets]

    async def cancel(self, office_id: str, days: Collection[date]) -> list[BackfillJob]:
        """Cancel the open jobs of an office, or those for these days. Returns the cancelled jobs.

        Raises:
            StoreError: The database cannot be written.
        """
        cancelled = await backfill_jobs.cancel(self._context.database, office_id, days)
        for job in cancelled:
            if (progress := self._queues[office_id].find(job.number)) is not None:
                progress.job = job
                self._queues[office_id].remove(progress)
            self._context.emit(BackfillCancelled(office_id, job.target.as_of, job.target.via.value))
        return cancelled

    @property
    def receiver(self) -> UploadReceiver | None:
        """Receives uploads. None: the SFTP receiver is disabled."""
        return self._context.receiver

    def iter_open_jobs(self) -> Iterator[JobProgress]:
        """All open jobs, those of an office in their order."""
        for queue in self._queues.values():
            yield from queue.entries

    async def run(self) -> None:
        """Run stored and new jobs until cancelled or the daemon stops."""
        for progress in await self._load_open_jobs():
            self._add_unknown(progress)
        async with anyio.create_task_group() as tasks:
            while True:
                self._wakeup = anyio.Event()
                for office_id, queue in self._queues.items():
                    if queue.entries and not queue.is_served:
                        queue.is_served, queue.scope, queue.idle = True, anyio.CancelScope(), anyio.Event()
                        tasks.start_soon(self._serve_queue, queue, office_id, name=f"backfill {office_id}")
                await self._wakeup.wait()

    async def _submit_one(self, target: BackfillTarget) -> BackfillAccepted:
        context = self._context
        now = context.now()
        job = await backfill_jobs.get_or_create(context.database, target, now)
        if (progress := self._queues[target.office_id].find(job.number)) is not None:
            return BackfillAccepted(progress, is_new=False)
        context.emit(BackfillRequested(target.office_id, target.as_of, target.via.value))
        progress = JobProgress(job)
        if self._holds(target.office_id):
            self._enqueue(progress)
        return BackfillAccepted(progress, is_new=True)

    def _enqueue(self, progress: JobProgress) -> None:
        self._queues[progress.job.target.office_id].add(progress)
        self._wakeup.set()

    def _holds(self, office_id: str) -> bool:
        return self._context.holder.holds(LeaseKind.OFFICE, office_id)

    def _add_unknown(self, progress: JobProgress) -> None:
        """Enqueue a stored job of an office that this daemon holds, unless it is known already."""
        office_id = progress.job.target.office_id
        if self._holds(office_id) and self._queues[office_id].find(progress.job.number) is None:
            self._enqueue(progress)

    async def follow_store(self) -> None:
        """Take up what was requested on other hosts, and leave what was cancelled there or is theirs now.

        Raises:
            StoreError: The database cannot be read.
        """
        stored = {progress.job.number: progress for progress in await self._list_open_jobs()}
        for office_id, queue in list(self._queues.items()):
            if not self._holds(office_id):
                await self.remove_office(office_id)
                continue
            for progress in [each for each in queue.entries if each.job.number not in stored]:
                queue.remove(progress)
        for progress in stored.values():
            self._add_unknown(progress)

    def get_current(self, office_id: str) -> JobProgress | None:
        """The running job of an office."""
        queue = self._queues.get(office_id)
        return None if queue is None else queue.current

    def get_runtime(self, office_id: str) -> OfficeRuntime | None:
        """The runtime state of an office."""
        return self._fleet.offices.get(office_id)

    def estimate_requests(self, job: BackfillJob) -> int | None:
        """About how many requests a job takes. None: unknown, for an office that was never pulled."""
        runtime = self._fleet.offices.get(job.target.office_id)
        if runtime is None or runtime.snapshot is None or job.target.via is not BackfillMethod.REPORT:
            return None
        return count_report_requests(runtime.snapshot.totals.guarantors, runtime.spec.page_rows)

    async def _serve_queue(self, queue: BackfillQueue, office_id: str) -> None:
        context = self._context
        try:
            with queue.scope:
                while queue.entries:
                    progress = None if self._reader.is_busy(office_id) else queue.get_next_due(context.now())
                    if progress is None:
                        await context.rate_limiter.sleep(CHECK_INTERVAL_SECONDS)
                        continue
                    queue.current = progress
                    await self._run_guarded(progress)
                    queue.current = None
                    if progress.job.state is not JobState.OPEN:
                        queue.remove(progress)
        except (ShuttingDown, LeaseLost):
            return
        finally:
            queue.is_served, queue.current = False, None
            queue.idle.set()

    async def wait_stopped(self) -> None:
        """Wait until no job is running, once the rate limiter is closed."""
        for queue in list(self._queues.values()):
            await queue.idle.wait()

    async def remove_office(self, office_id: str) -> None:
        """Drop all jobs of a removed office; nothing of them is stored from here on."""
        queue = self._queues.pop(office_id, None)
        if queue is not None:
            queue.entries.clear()
            queue.scope.cancel()
            await queue.idle.wait()

    async def _load_open_jobs(self) -> list[JobProgress]:
        """The open jobs of the previous process, once the database can be read."""
        while True:
            try:
                return await self._list_open_jobs()
            except StoreError:
                await anyio.sleep(CHECK_INTERVAL_SECONDS)

    async def _list_open_jobs(self) -> list[JobProgress]:
        database = self._context.database
        jobs = await backfill_jobs.list_jobs(database, JobState.OPEN)
        if not jobs:
            return []
        counts = await backfill_jobs.load_counts(database)
        return [JobProgress(job, *counts.get(job.number, backfill_jobs.JobCounts())) for job in jobs]

    async def _run_guarded(self, progress: JobProgress) -> None:
        """Run one attempt; a crash ends this job only."""
        error = await run_guarded(partial(self._attempt, progress), ShuttingDown, LeaseLost)
        if error is not None:
            target = progress.job.target
            self._context.emit(
                BackfillCrashed(
                    target.office_id, target.as_of, target.via.value, type(error).__name__, format_traceback(error)
                )
            )
            await self._save_failed_job(
                progress, replace(progress.job, state=JobState.FAILED, not_before=None, why=CRASHED)
            )

    async def _attempt(self, progress: JobProgress) -> None:
        context = self._context
        progress.started_at = progress.started_at or context.now()
        try:
            result = await self._reader.read(progress)
            if result is None:
                return
            database = context.holder.get_database(LeaseKind.OFFICE, progress.job.target.office_id)
            if await backfilled_days.publish(database, progress.job, result, context.now()):
                self._report_published(progress, result)
            else:
                self._queues[progress.job.target.office_id].remove(progress)
        except OfficeRemoved:
            await self._save_failed_job(progress, replace(progress.job, state=JobState.FAILED, why=OFFICE_REMOVED))
        except ApiError as error:
            await self._handle_failure(progress, error.failure)
        except StoreError as error:
            await self._handle_failure(progress, Failure(FailureKind.STORE, error.what))

    def _is_wanted(self, progress: JobProgress) -> bool:
        return progress in self._queues[progress.job.target.office_id].entries

    async def _handle_failure(self, progress: JobProgress, failure: Failure) -> None:
        context = self._context
        runtime, now = self.get_runtime(progress.job.target.office_id), context.now()
        # A removed office ends the job at its next attempt.
        cadence = Cadence() if runtime is None else runtime.spec.cadence
        await self._save_failed_job(progress, apply_failure(progress.job, failure, now, cadence, context.rng.random()))

    async def _save_failed_job(self, progress: JobProgress, job: BackfillJob) -> None:
        """Store the job after a failed attempt."""
        context, target = self._context, job.target
        if not self._is_wanted(progress):
            return
        progress.job, progress.step = job, None
        context.emit(
            BackfillFailed(target.office_id, target.as_of, target.via.value, job.why, job.attempts, job.not_before)
        )
        try:
            database = context.holder.get_database(LeaseKind.OFFICE, target.office_id)
            await backfill_jobs.save(database, progress.job)
        except StoreError:
            # The job continues in memory; after a restart it continues as stored before.
            return

    def _report_published(self, progress: JobProgress, result: BackfillResult) -> None:
        context, target = self._context, progress.job.target
        progress.job = replace(progress.job, state=JobState.DONE, why="")
        elapsed = context.now() - (progress.started_at or progress.job.created_at)
        context.emit(
            BackfillPublished(
                office=target.office_id,
                as_of=target.as_of,
                via=target.via.value,
                guarantors=result.totals.guarantors,
                requests=result.requests,
                seconds=elapsed.total_seconds(),
            )
        )
