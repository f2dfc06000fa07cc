"""Diagnosis of an office by the daemon, which sends the requests in turn with the office's own worker.

A client starts a diagnosis and polls until it is done. A second client that starts one meanwhile gets the same.
"""

from collections.abc import Callable
from dataclasses import dataclass

import anyio
import anyio.abc
import anyio.lowlevel

from oddaemon.admin.background_jobs import DONE, IN_PROGRESS, reject_failed_job
from oddaemon.admin.commands import CommandLog, CommandRejected, Document, RejectionKind
from oddaemon.core.diagnostics.diagnosis import make_diagnosis_document
from oddaemon.engine.diagnostics.probe import REQUESTS_MAX, ProbeTarget, diagnose
from oddaemon.engine.offices.registry import Registry
from oddaemon.engine.tasks import run_guarded
from oddaemon.opendental.client import Api
from oddaemon.settings import Settings
from oddaemon.telemetry.events import JobFailed
from oddaemon.telemetry.events.base import Event
from oddaemon.telemetry.logging.traceback import format_traceback


@dataclass(slots=True)
class _DiagnosticJob:
    requests: int = 0
    requests_max: int = REQUESTS_MAX
    result: Document | None = None
    rejection: CommandRejected | None = None

    @property
    def is_running(self) -> bool:
        return self.result is None and self.rejection is None

    def update_progress(self, requests: int, requests_max: int) -> None:
        self.requests, self.requests_max = requests, requests_max


class DiagnosticJobs:
    """The last diagnosis of each office.

    Args:
        log: Logs the commands.
        registry: Has the worker of each office.
        api: Sends the requests.
        tasks: Where diagnoses run.
        settings: The active settings.
        emit: Takes the events.
    """

    def __init__(
        self,
        log: CommandLog,
        registry: Registry,
        api: Api,
        tasks: anyio.abc.TaskGroup,
        settings: Callable[[], Settings],
        *,
        emit: Callable[[Event], None],
    ) -> None:
        self._log = log
        self._registry = registry
        self._api = api
        self._tasks = tasks
        self._settings = settings
        self._emit = emit
        self._jobs: dict[str, _DiagnosticJob] = {}

    async def start(self, office_id: str, uid: int | None) -> str:
        """Start to diagnose an office unless that runs already; returns a sentence for the user.

        Raises:
            CommandRejected: The office has no worker here, so the client may query the office itself.
        """
        await anyio.lowlevel.checkpoint()
        with self._log.record("examine", office_id, uid) as reply:
            target = self._make_target(office_id)
            job = self._jobs.get(office_id)
            if job is not None and job.is_running:
                return reply(f"The diagnosis of {office_id} is already running.")
            self._jobs[office_id] = job = _DiagnosticJob()
            self._tasks.start_soon(self._run_job, office_id, target, job, name=f"diagnosis of {office_id}")
            return reply(f"Started the diagnosis of {office_id}.")

    async def get_status(self, office_id: str) -> Document:
        """The progress of the diagnosis, or its result.

        Raises:
            CommandRejected: There is none, or an internal error ended it.
        """
        await anyio.lowlevel.checkpoint()
        job = self._jobs.get(office_id)
        if job is None:
            advice = f"`oddaemon doctor {office_id}` starts one."
            raise CommandRejected(RejectionKind.NOT_FOUND, f"There is no diagnosis of {office_id!r}.", advice)
        if job.rejection is not None:
            raise job.rejection
        outcome = IN_PROGRESS if job.result is None else DONE
        return {"outcome": outcome, "completed": job.requests, "total": job.requests_max, "diagnosis": job.result}

    def _make_target(self, office_id: str) -> ProbeTarget:
        settings, worker = self._settings(), self._registry.get_worker(office_id)
        office = next((each for each in settings.offices if each.spec.id == office_id), None)
        if worker is None or office is None:
            sentence, advice = f"No worker runs for {office_id!r}.", "`oddaemon status` lists all offices."
            raise CommandRejected(RejectionKind.NO_WORKER, sentence, advice)
        return ProbeTarget(office, worker.api, settings.api.developer_name, "daemon", worker.has_authenticated)

    async def _run_job(self, office_id: str, target: ProbeTarget, job: _DiagnosticJob) -> None:
        async def diagnose_target() -> None:
            job.result = make_diagnosis_document(await diagnose(target, self._api, job.update_progress))

        started = anyio.current_time()
        try:
            error = await run_guarded(diagnose_target)
            if error is not None:
                job.rejection = rejection = reject_failed_job(error)
                problem = f"{rejection.sentence} {rejection.advice}"
                seconds = anyio.current_time() - started
                self._emit(JobFailed(f"examine {office_id}", seconds, problem, format_traceback(error)))
        finally:
            if job.is_running:
                del self._jobs[office_id]
