"""Commands about past days: submit, cancel and list backfill jobs."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from oddaemon.admin.commands import CommandLog, CommandRejected, Document, RejectionKind, reject_unknown_office
from oddaemon.core.backfill.custom_sql import InvalidQuery
from oddaemon.core.backfill.job import BackfillJob, BackfillMethod, BackfillTarget, InvalidDate, JobState
from oddaemon.core.model import Condition
from oddaemon.core.reporting.formatting import format_instant, format_optional_instant
from oddaemon.core.reporting.office_runtime import OfficeRuntime
from oddaemon.engine.backfill.queue import JobProgress
from oddaemon.engine.backfill.reader import OfficeRemoved
from oddaemon.engine.backfill.service import BackfillAccepted, BackfillService
from oddaemon.engine.offices.fleet_state import FleetState
from oddaemon.engine.offices.registry import Registry
from oddaemon.sftp.upload_slot import UploadReceiver
from oddaemon.store import backfill_jobs, backfilled_days
from oddaemon.store.backfilled_days import BackfillOutcome
from oddaemon.store.database import Database

OWES_NOTHING = "No family owed anything that day. Check the date: the office may not have used Open Dental yet."


@dataclass(frozen=True, slots=True)
class BackfillCommands:
    """Runs them in the daemon; each document has an `outcome`, a sentence for the user."""

    log: CommandLog
    backfill: BackfillService
    registry: Registry
    fleet: FleetState
    database: Database

    async def submit(self, targets: Sequence[BackfillTarget], uid: int | None) -> Document:
        """Submit jobs for one office: all of them, or none.

        Raises:
            CommandRejected: One of them cannot be carried out now, or ever.
        """
        office_id, receiver = targets[0].office_id, self.backfill.receiver
        with self.log.record("backfill", office_id, uid) as reply, self._reject_errors(office_id):
            if targets[0].via is BackfillMethod.SFTP and receiver is None:
                advice = "Set `[sftp] listen` and `public_host`, then restart the daemon."
                raise CommandRejected(RejectionKind.CONFLICT, "`--via sftp` needs an `[sftp]` section.", advice)
            accepted = await self.backfill.submit(targets)
            sentences = [self._describe_accepted(each, receiver) for each in accepted]
            documents = [
                {**self._build_document(each.progress.job, each.progress), "outcome": sentence}
                for each, sentence in zip(accepted, sentences, strict=True)
            ]
            return {"backfills": documents, "outcome": reply(" ".join(sentences))}

    async def cancel(self, office_id: str, days: Collection[date], uid: int | None) -> Document:
        """Cancel the open jobs of an office, or those for these days.

        Raises:
            CommandRejected: There is none, or the database cannot be written.
        """
        with self.log.record("backfill cancel", office_id, uid) as reply, self._reject_errors(office_id):
            cancelled = await self.backfill.cancel(office_id, days)
            if not cancelled:
                which = f" for {', '.join(map(str, sorted(days)))}" if days else ""
                sentence = f"{office_id} has no open backfill{which}."
                raise CommandRejected(RejectionKind.NOT_FOUND, sentence, "`oddaemon backfill` lists all backfills.")
            dates = ", ".join(str(job.target.as_of) for job in cancelled)
            return {
                "backfills": [self._build_document(job, None) for job in cancelled],
                "outcome": reply(f"Cancelled the backfill of {office_id} for {dates}."),
            }

    async def list_jobs(self) -> Document:
        """All jobs, the finished ones included."""
        running = {progress.job.number: progress for progress in self.backfill.iter_open_jobs()}
        jobs = await backfill_jobs.list_jobs(self.database)
        outcomes = await backfilled_days.load_outcomes(self.database)
        documents = [
            self._build_document(job, running.get(job.number), outcomes.get((job.target.office_id, job.target.as_of)))
            for job in jobs
        ]
        return {"backfills": documents, "outcome": summarize([job for job in jobs if job.state is JobState.OPEN])}

    @contextmanager
    def _reject_errors(self, office_id: str) -> Iterator[None]:
        try:
            yield
        except InvalidDate as error:
            raise CommandRejected(RejectionKind.CONFLICT, str(error), "Choose an earlier day.") from None
        except InvalidQuery as error:
            advice = "See `oddaemon backfill --help`."
            raise CommandRejected(RejectionKind.CONFLICT, str(error), advice) from None
        except OfficeRemoved:
            raise reject_unknown_office(office_id, self.fleet.offices) from None

    def _describe_accepted(self, accepted: BackfillAccepted, receiver: UploadReceiver | None) -> str:
        progress, target = accepted.progress, accepted.progress.job.target
        paused = _get_paused_reason(self.backfill.get_runtime(target.office_id))
        if not accepted.is_new:
            sent = f"; it has sent {progress.requests:,} requests" if target.via is BackfillMethod.REPORT else ""
            message = f"An earlier backfill of {target.office_id} as of {target.as_of} is still open{sent}."
        elif target.via is BackfillMethod.SFTP and receiver is not None:
            timeout = timedelta(seconds=round(receiver.wait_seconds))
            message = (
                f"{target.office_id} uploads the result of your query as of {target.as_of}, then its control totals. "
                f"oddaemon waits up to {timeout} for each file."
            )
        else:
            message = self._describe_cost(progress)
        return f"{message} {paused}" if paused else message

    def _describe_cost(self, progress: JobProgress) -> str:
        target, worker = progress.job.target, self.registry.get_worker(progress.job.target.office_id)
        expected = self.backfill.estimate_requests(progress.job)
        if expected is None or worker is None:
            return f"{target.office_id} will be read as of {target.as_of}; the number of requests is not known yet."
        seconds = expected * max(worker.api.min_interval_seconds, 1.0)
        return (
            f"{target.office_id} will be read as of {target.as_of}: about {expected:,} requests, "
            f"{timedelta(seconds=round(seconds))} at its key's rate. The nightly pull comes first."
        )

    def _build_document(
        self, job: BackfillJob, progress: JobProgress | None, outcome: BackfillOutcome | None = None
    ) -> dict[str, Any]:
        target = job.target
        current = progress.job if progress is not None else job
        step = None if progress is None else progress.step
        requests, rows = _get_counts(current, progress, outcome)
        return {
            "office": target.office_id,
            "as_of": target.as_of.isoformat(),
            "via": BackfillMethod(target.via).value,
            "stage": current.state.value,
            "requested_at": format_instant(job.created_at),
            "not_before": format_optional_instant(current.not_before),
            "attempts": current.attempts,
            "reason": self._get_waiting_reason(current, progress) if current.state is JobState.OPEN else current.why,
            "warning": OWES_NOTHING if current.state is JobState.DONE and outcome and outcome.owes_nothing else "",
            "step": None if step is None else step.value,
            "step_since": None if step is None or progress is None else format_optional_instant(progress.step_since),
            "rows": rows,
            "requests": requests,
            "requests_expected": self.backfill.estimate_requests(job),
        }

    def _get_waiting_reason(self, job: BackfillJob, progress: JobProgress | None) -> str:
        """What an open job waits for, or its last failure; "": it is running."""
        office_id = job.target.office_id
        runtime, current = self.backfill.get_runtime(office_id), self.backfill.get_current(office_id)
        if (paused_reason := _get_paused_reason(runtime)) or job.why:
            return paused_reason or job.why
        if runtime is not None and runtime.state.standing.condition is Condition.PULLING:
            return "Waits for the nightly pull, which comes first."
        if runtime is not None and self.registry.get_worker(office_id) is None:
            return f"No worker runs for {office_id}; `oddaemon explain {office_id}` shows why."
        if current is not None and current is not progress:
            return f"Waits for the backfill of {current.job.target.as_of}."
        return ""


def summarize(waiting: Sequence[BackfillJob]) -> str:
    """The number of open jobs, as a sentence."""
    if not waiting:
        return "No backfill is open."
    return f"{len(waiting)} backfill{'' if len(waiting) == 1 else 's'} open."


def _get_paused_reason(runtime: OfficeRuntime | None) -> str:
    """Why an office gets no requests; "": it gets them."""
    if runtime is None or runtime.state.standing.condition is not Condition.PAUSED:
        return ""
    office = runtime.spec.id
    if not runtime.spec.enabled:
        return f"{office} is disabled; set `enabled = true` for it, then run `oddaemon reload`."
    return f"{office} is paused; resume it with `oddaemon office resume {office}`."


def _get_counts(
    job: BackfillJob, progress: JobProgress | None, outcome: BackfillOutcome | None
) -> tuple[int | None, int | None]:
    """Requests and rows, so far or in total; None: no longer known."""
    if job.state is JobState.OPEN:
        return (0, 0) if progress is None else (progress.requests, progress.rows)
    if job.state is JobState.DONE and outcome is not None:
        return outcome.requests, outcome.guarantors
    return None, None
