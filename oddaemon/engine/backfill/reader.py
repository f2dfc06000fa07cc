"""Reads one backfill job by its method, and lets the night's pull go first."""

from collections.abc import Callable

import anyio
import anyio.lowlevel

from oddaemon.core.backfill.job import BackfillMethod, BackfillResult, UploadStep, clear_failures
from oddaemon.core.fleet.lease import LeaseKind
from oddaemon.core.model import Condition
from oddaemon.core.reporting.office_runtime import OfficeRuntime
from oddaemon.engine.backfill.queue import JobProgress
from oddaemon.engine.context import EngineContext
from oddaemon.engine.offices.fleet_state import FleetState
from oddaemon.engine.offices.registry import Registry
from oddaemon.engine.pull.report_reader import ReportReader
from oddaemon.engine.pull.upload_reader import create_upload_reader
from oddaemon.opendental.client import OfficeApi, Session
from oddaemon.store import backfill_jobs

CHECK_INTERVAL_SECONDS = 1.0
"""Between two checks whether a job may run: its office is being pulled or is paused, or all its jobs back off."""


class OfficeRemoved(Exception):
    """The office is not in the active configuration."""


class BackfillReader:
    """Reads for one daemon.

    Args:
        context: What all jobs share.
        fleet: The offices' present state.
        registry: Has the workers of the offices.
        is_wanted: Whether a job is still open: neither cancelled nor replaced by another one for the same day.
    """

    def __init__(
        self,
        context: EngineContext,
        fleet: FleetState,
        registry: Registry,
        is_wanted: Callable[[JobProgress], bool],
    ) -> None:
        self._context = context
        self._fleet = fleet
        self._registry = registry
        self._is_wanted = is_wanted

    def get_runtime(self, office_id: str) -> OfficeRuntime:
        """The office's runtime state.

        Raises:
            OfficeRemoved: It is not in the active configuration.
        """
        runtime = self._fleet.offices.get(office_id)
        if runtime is None:
            raise OfficeRemoved
        return runtime

    def _get_api(self, office_id: str) -> OfficeApi:
        """The office's API.

        Raises:
            OfficeRemoved: The office has no worker.
        """
        worker = self._registry.get_worker(office_id)
        if worker is None:
            raise OfficeRemoved
        return worker.api

    def is_busy(self, office_id: str) -> bool:
        """Whether the jobs of an office must wait: it is being pulled, is paused, or has no worker at the moment.

        An office has no worker for a moment while its settings change, for longer after crashes, and at the end when
        the daemon stops. None of these ends a job.
        """
        runtime = self._fleet.offices.get(office_id)
        if runtime is None:
            return False
        has_worker = self._registry.get_worker(office_id) is not None
        return not has_worker or runtime.state.standing.condition in {Condition.PULLING, Condition.PAUSED}

    async def read(self, progress: JobProgress) -> BackfillResult | None:
        """Read and prove the balances of a job.

        Returns:
            The result. None: the job is not open any more, or the office's settings changed and the job must be read
            again with them; it resumes at its last page if they select the same guarantors.

        Raises:
            ApiError: The balances did not come or are not proved.
            StoreError: A page could not be stored.
            OfficeRemoved: The office is not in the active configuration any more.
            ShuttingDown: The daemon is stopping; stored pages stay.
            LeaseLost: Another host has the office now; stored pages stay.
        """
        target = progress.job.target
        runtime, api = self.get_runtime(target.office_id), self._get_api(target.office_id)
        async with api.session() as session:
            if target.via is BackfillMethod.SFTP:
                return await self._read_upload(progress, session, runtime)
            return await self._read_report(progress, session, runtime, api)

    async def _read_report(
        self, progress: JobProgress, session: Session, runtime: OfficeRuntime, api: OfficeApi
    ) -> BackfillResult | None:
        target, number = progress.job.target, progress.job.number
        database = self._context.holder.get_database(LeaseKind.OFFICE, target.office_id)
        scope = runtime.spec.scope
        cursor, balances, requests = await backfill_jobs.load_data(database, number, scope)
        progress.requests, progress.rows = requests, len(balances)
        reader = ReportReader(session, runtime.spec, target.as_of, cursor, balances)
        async for page, reached in reader:
            await backfill_jobs.add_page(database, number, page, reached, scope)
            progress.rows += len(page)
            progress.requests += 1
            if not self._is_wanted(progress):
                return None
            progress.job = clear_failures(progress.job)
            await self._wait_while_busy(progress)
            if not self._is_wanted(progress) or self._get_api(target.office_id) is not api:
                return None
        return BackfillResult(*reader.verify(), progress.requests)

    async def _wait_while_busy(self, progress: JobProgress) -> None:
        while self._is_wanted(progress) and self.is_busy(progress.job.target.office_id):
            await self._context.rate_limiter.sleep(CHECK_INTERVAL_SECONDS)

    async def _read_upload(
        self, progress: JobProgress, session: Session, runtime: OfficeRuntime
    ) -> BackfillResult | None:
        target, context = progress.job.target, self._context

        async def on_step(step: UploadStep) -> None:
            progress.set_step(step, context.now())
            if not self._is_wanted(progress):
                scope.cancel()
            await anyio.lowlevel.checkpoint()  # ends a cancelled reading here, between two requests

        try:
            with anyio.CancelScope() as scope:
                progress.wait_scope = scope
                preferences = runtime.state.preferences
                reader = create_upload_reader(session, context.rate_limiter, context.receiver, preferences, on_step)
                balances, totals = await reader.read_day(target.query, target.as_of)
                return BackfillResult(balances, totals, session.requests)
            return None
        finally:
            progress.wait_scope = progress.step = None
