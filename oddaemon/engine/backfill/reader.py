"""Reads what an order for a past day wants, by the way that it names, and makes room for the night on its way."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import anyio

from oddaemon.core.backfill.job import BackfillMethod, BackfillResult, UploadStep, clear_failures
from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.model import Balance, Cadence, Condition
from oddaemon.core.snapshot.aging_report import ReportCursor
from oddaemon.engine.backfill.queue import JobProgress
from oddaemon.engine.offices.fleet_state import FleetState, OfficeRuntime
from oddaemon.engine.offices.registry import Registry
from oddaemon.engine.pull.report_reader import read_report
from oddaemon.engine.pull.upload_reader import UploadReader
from oddaemon.opendental.client import ApiError, OfficeApi, Session
from oddaemon.opendental.rate_limiter import RateLimiter
from oddaemon.sftp import UploadReceiver
from oddaemon.store import backfill_jobs
from oddaemon.store.database import Database
from oddaemon.telemetry.events.base import Event

CHECK_INTERVAL_SECONDS = 1.0
"""Between two looks whether an order may go: its office is pulled, or left alone, or all of its orders back off."""


class OfficeRemoved(Exception):
    """The office is not watched, or not any more."""


class JobCancelled(Exception):
    """The order was cancelled, or another one for the same day was given."""


class RestartJob(Exception):
    """The office's settings changed: go on with the new ones, from the last page if they want the same guarantors."""


@dataclass(frozen=True, slots=True)
class BackfillContext:
    """What all orders share."""

    database: Database
    registry: Registry
    fleet: FleetState
    rate_limiter: RateLimiter
    emit: Callable[[Event], None]
    rng: random.Random
    cadence: Callable[[], Cadence]
    receiver: UploadReceiver | None
    """Takes what offices upload; None: nobody does."""

    def get_runtime(self, office_id: str) -> OfficeRuntime:
        """How an office stands.

        Raises:
            OfficeGoneError: It is not watched.
        """
        runtime = self.fleet.offices.get(office_id)
        if runtime is None:
            raise OfficeRemoved
        return runtime

    def get_api(self, office_id: str) -> OfficeApi:
        """The way to an office.

        Raises:
            OfficeGoneError: It is not watched.
        """
        worker = self.registry.get_worker(office_id)
        if worker is None:
            raise OfficeRemoved
        return worker.api

    def is_busy(self, office_id: str) -> bool:
        """Whether the night comes first, the office is to be left alone, or nobody is at work at it just now.

        Its worker is gone for a moment where its settings change, for longer where it crashed, and for good where the
        daemon is stopping: none of that is the end of an order.
        """
        runtime = self.fleet.offices.get(office_id)
        if runtime is None:
            return False
        has_worker = self.registry.get_worker(office_id) is not None
        return not has_worker or runtime.state.standing.condition in {Condition.PULLING, Condition.PAUSED}


class BackfillReader:
    """Reads for one daemon.

    Args:
        context: What all orders share.
        is_wanted: Whether an order still stands.
    """

    def __init__(self, context: BackfillContext, is_wanted: Callable[[JobProgress], bool]) -> None:
        self._context = context
        self._is_wanted = is_wanted

    async def read(self, progress: JobProgress) -> BackfillResult:
        """What an order wants, proved.

        Raises:
            ApiError: It did not come, or is not proved.
            StoreError: What came could not be kept.
            OfficeGoneError: No such office is watched any more.
            OverError: Nobody wants it any more.
            AnewError: It is to go on with the office's new settings.
            GateClosedError: The daemon is stopping; what was kept stays.
        """
        target = progress.job.target
        runtime, api = self._context.get_runtime(target.office_id), self._context.get_api(target.office_id)
        async with api.session() as session:
            if target.via is BackfillMethod.SFTP:
                return await self._read_upload(progress, session, runtime)
            return await self._read_report(progress, session, runtime, api)

    async def _read_report(
        self, progress: JobProgress, session: Session, runtime: OfficeRuntime, api: OfficeApi
    ) -> BackfillResult:
        database, target, number = self._context.database, progress.job.target, progress.job.number
        scope = runtime.office.scope
        stored = await backfill_jobs.load_data(database, number, scope)
        progress.requests, progress.rows = stored.requests, len(stored.balances)

        async def store_page(page: Sequence[Balance], cursor: ReportCursor) -> None:
            await backfill_jobs.add_page(database, number, page, cursor, scope)
            progress.rows += len(page)
            progress.requests += 1
            self._require_wanted(progress)
            progress.job = clear_failures(progress.job)
            while self._context.is_busy(target.office_id):
                await self._context.rate_limiter.sleep(CHECK_INTERVAL_SECONDS)
                self._require_wanted(progress)
            if self._context.get_api(target.office_id) is not api:
                raise RestartJob

        result = await read_report(session, runtime.office, target.as_of, store_page, stored[:2])
        return BackfillResult(result.balances, result.totals, progress.requests)

    async def _read_upload(self, progress: JobProgress, session: Session, runtime: OfficeRuntime) -> BackfillResult:
        target = progress.job.target

        def on_step(step: UploadStep) -> None:
            self._require_wanted(progress)
            progress.set_step(step, self._context.fleet.now())

        try:
            with anyio.CancelScope() as progress.wait_scope:
                result = await self._make_upload_reader(session, runtime, on_step).read_day(target.query, target.as_of)
                return BackfillResult(result.balances, result.totals, session.requests)
            raise JobCancelled
        finally:
            progress.wait_scope = progress.step = None

    def _require_wanted(self, progress: JobProgress) -> None:
        if not self._is_wanted(progress):
            raise JobCancelled

    def _make_upload_reader(
        self, session: Session, runtime: OfficeRuntime, on_step: Callable[[UploadStep], None]
    ) -> UploadReader:
        receiver, preferences = self._context.receiver, runtime.state.preferences
        if receiver is None:
            raise ApiError(Failure(FailureKind.UPLOAD_MISSING, "nobody receives: `[sftp] listen` is not set"))
        return UploadReader(
            session, self._context.rate_limiter, receiver, preferences.program_version if preferences else "", on_step
        )
