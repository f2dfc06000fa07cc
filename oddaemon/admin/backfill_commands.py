"""Orders for past days as people give and watch them: whether one can be taken, and how each stands.

Past days on the control socket: they are ordered here, and whoever ordered one sees how far it is.
"""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from oddaemon.admin.commands import CommandRejected
from oddaemon.admin.office_commands import CONFLICT, NOT_FOUND, CommandService
from oddaemon.core.backfill.custom_sql import InvalidQuery
from oddaemon.core.backfill.job import BackfillJob, BackfillMethod, BackfillTarget, InvalidDate, JobState
from oddaemon.core.model import Condition
from oddaemon.core.reporting.status_document import format_instant
from oddaemon.engine.backfill.queue import JobProgress
from oddaemon.engine.backfill.reader import OfficeRemoved
from oddaemon.engine.backfill.service import BackfillAccepted, BackfillService
from oddaemon.engine.offices.fleet_state import OfficeRuntime
from oddaemon.engine.offices.registry import Registry
from oddaemon.http_server.unix_socket import get_uid
from oddaemon.sftp import UploadReceiver
from oddaemon.store import backfill_jobs, backfilled_days
from oddaemon.store.backfilled_days import BackfillOutcome
from oddaemon.store.database import Database
from oddaemon.store.errors import StoreError

OWES_NOTHING = "Nobody owed anything that day: is the date right? The office may not have used Open Dental yet."


@dataclass(frozen=True, slots=True)
class BackfillCommands:
    """Takes the orders of one daemon."""

    commands: CommandService
    backfill: BackfillService
    registry: Registry
    database: Database

    async def submit(self, targets: Sequence[BackfillTarget], uid: int | None) -> Mapping[str, Any]:
        """Take orders about an office, all or none; tells what each comes to.

        Raises:
            OrderRefused: One of them cannot be carried out, or not now.
        """
        with (
            self.commands.log_command("backfill", targets[0].office_id, uid) as reply,
            _translate_errors(targets[0].office_id),
        ):
            receiver = self.backfill.receiver
            if targets[0].via is BackfillMethod.SFTP and receiver is None:
                advice = "Set `[sftp] listen` and `public_host`, then restart the daemon."
                raise CommandRejected(CONFLICT, "Nobody receives what an office uploads.", advice)
            accepted = await self.backfill.submit(targets)
            sentences = [self._describe_accepted(each, receiver) for each in accepted]
            documents = [
                {**self._build_document(each.progress.job, each.progress), "outcome": sentence}
                for each, sentence in zip(accepted, sentences, strict=True)
            ]
            return {"backfills": documents, "outcome": reply(" ".join(sentences))}

    async def cancel(self, office_id: str, days: Collection[date], uid: int | None) -> Mapping[str, Any]:
        """End the open orders of an office, or those for these days.

        Raises:
            OrderRefused: There is none, or it cannot be stored.
        """
        with self.commands.log_command("backfill cancel", office_id, uid) as reply, _translate_errors(office_id):
            cancelled = await self.backfill.cancel(office_id, days)
            if not cancelled:
                which = f" for {', '.join(map(str, sorted(days)))}" if days else ""
                raise CommandRejected(
                    NOT_FOUND, f"{office_id} has no open order{which}.", "`oddaemon backfill` lists them all."
                )
            dates = ", ".join(str(job.target.as_of) for job in cancelled)
            return {
                "backfills": [self._build_document(order, None) for order in cancelled],
                "outcome": reply(f"{office_id} is not read as of {dates} any more."),
            }

    async def list_jobs(self) -> Mapping[str, Any]:
        """How every order stands, those that are over included."""
        running = {progress.job.number: progress for progress in self.backfill.iter_open_jobs()}
        jobs, outcomes = (
            await backfill_jobs.list_jobs(self.database),
            await backfilled_days.load_outcomes(self.database),
        )
        documents = [
            self._build_document(job, running.get(job.number), outcomes.get((job.target.office_id, job.target.as_of)))
            for job in jobs
        ]
        return {"backfills": documents, "outcome": summarize([order for order in jobs if order.state is JobState.OPEN])}

    def _describe_accepted(self, accepted: BackfillAccepted, receiver: UploadReceiver | None) -> str:
        progress, target = accepted.progress, accepted.progress.job.target
        paused = _get_paused_reason(self.backfill.get_runtime(target.office_id))
        if not accepted.is_new:
            read = (
                f"; {progress.requests:,} requests of its reading are made"
                if target.via is BackfillMethod.REPORT
                else ""
            )
            message = (
                f"{target.office_id} is being read as of {target.as_of} by an order before this "
                f"one, which goes on{read}."
            )
        elif target.via is BackfillMethod.SFTP and receiver is not None:
            timeout = timedelta(seconds=round(receiver.wait_seconds))
            message = (
                f"{target.office_id} uploads your query's result as of {target.as_of}, then its own count of it; "
                f"each file is waited for, up to {timeout}."
            )
        else:
            message = self._describe_cost(progress)
        return f"{message} {paused}" if paused else message

    def _describe_cost(self, progress: JobProgress) -> str:
        target, worker = progress.job.target, self.registry.get_worker(progress.job.target.office_id)
        expected = self.backfill.estimate_requests(progress.job)
        if expected is None or worker is None:
            return (
                f"{target.office_id} is read as of {target.as_of}; how many requests it takes shows once it is there."
            )
        seconds = expected * max(worker.api.min_interval_seconds, 1.0)
        return (
            f"{target.office_id} is read as of {target.as_of}: about {expected:,} requests, "
            f"{timedelta(seconds=round(seconds))} at its key's pace; the night's pull comes first."
        )

    def _build_document(
        self, job: BackfillJob, progress: JobProgress | None, outcome: BackfillOutcome | None = None
    ) -> dict[str, Any]:
        target = job.target
        current = progress.job if progress is not None else job
        requests, rows = _get_counts(current, progress, outcome)
        return {
            "office": target.office_id,
            "as_of": target.as_of.isoformat(),
            "via": BackfillMethod(target.via).value,
            "stage": current.state.value,
            "requested_at": format_instant(job.created_at),
            "not_before": _format_instant(current.not_before),
            "attempts": current.attempts,
            "reason": current.why
            if current.state is not JobState.OPEN
            else self._get_waiting_reason(current, progress),
            "warning": OWES_NOTHING if current.state is JobState.DONE and outcome and outcome.owes_nothing else "",
            "step": progress.step.value if progress is not None and progress.step is not None else None,
            "step_since": _format_instant(progress.step_since)
            if progress is not None and progress.step is not None
            else None,
            "rows": rows,
            "requests": requests,
            "requests_expected": self.backfill.estimate_requests(job),
        }

    def _get_waiting_reason(self, job: BackfillJob, progress: JobProgress | None) -> str:
        """What an open order waits for, or met last."""
        office_id = job.target.office_id
        runtime, current = self.backfill.get_runtime(office_id), self.backfill.get_current(office_id)
        if (paused_reason := _get_paused_reason(runtime)) or job.why:
            return paused_reason or job.why
        if runtime is not None and runtime.state.standing.condition is Condition.PULLING:
            return "The night's balances are being read, which come first."
        if runtime is not None and self.registry.get_worker(office_id) is None:
            return f"Nobody is at work at {office_id}; `oddaemon explain {office_id}` tells why."
        if current is not None and current is not progress:
            return f"The order for {current.job.target.as_of} is carried out first."
        return ""


def summarize(waiting: Sequence[BackfillJob]) -> str:
    """The orders that are not over, in a sentence."""
    if not waiting:
        return "No order for a past day is open."
    return f"{len(waiting)} order{'' if len(waiting) == 1 else 's'} for past days open."


@contextmanager
def _translate_errors(office_id: str) -> Iterator[None]:
    """Whatever keeps an order from being taken, told to whoever gave it."""
    try:
        yield
    except InvalidDate as error:
        raise CommandRejected(CONFLICT, str(error), "Name an earlier day.") from None
    except InvalidQuery as error:
        raise CommandRejected(CONFLICT, str(error), "See `oddaemon backfill --help`.") from None
    except OfficeRemoved:
        raise CommandRejected(
            NOT_FOUND, f"No office {office_id!r} is at work.", "`oddaemon status` lists them all."
        ) from None
    except StoreError as error:
        raise CommandRejected(CONFLICT, error.what, error.advice) from None


def _get_paused_reason(runtime: OfficeRuntime | None) -> str:
    """Why nothing is asked of an office; "": it is."""
    if runtime is None or runtime.state.standing.condition is not Condition.PAUSED:
        return ""
    office = runtime.office.id
    if not runtime.office.enabled:
        return f"{office} is switched off; set `enabled = true` for it, then `oddaemon reload` goes on."
    return f"{office} is paused; `oddaemon office resume {office}` goes on."


def _get_counts(
    job: BackfillJob, progress: JobProgress | None, outcome: BackfillOutcome | None
) -> tuple[int | None, int | None]:
    """Requests and rows: so far, or in the end; None where that is not known any more."""
    if job.state is JobState.OPEN:
        return (0, 0) if progress is None else (progress.requests, progress.rows)
    if job.state is JobState.DONE and outcome is not None:
        return outcome.requests, outcome.guarantors
    return None, None


def _format_instant(at: datetime | None) -> str | None:
    return None if at is None else format_instant(at)


BAD_REQUEST = 400


@dataclass(frozen=True, slots=True)
class BackfillHandlers:
    """What can be asked about past days, each answered with a document that holds an `outcome`, a sentence.

    The number is the uid of whoever asks.
    """

    submit: Callable[[Sequence[BackfillTarget], int | None], Awaitable[Mapping[str, Any]]]
    """Read an office as of these days: all, or none and `CommandRejected`."""
    cancel: Callable[[str, Collection[date], int | None], Awaitable[Mapping[str, Any]]]
    """End the open orders of an office, or those for these days. Raises `CommandRejected`."""
    list_jobs: Callable[[], Awaitable[Mapping[str, Any]]]
    """How every order stands."""


def make_backfill_routes(handlers: BackfillHandlers) -> Sequence[Route]:
    """`POST` and `DELETE /offices/ID/backfill`, `GET /backfills`.

    `POST` takes `?as_of=yyyy-mm-dd`, once or more often, `&via=report|sftp&query=SQL`; `DELETE` takes the
    days alone, or none for all.
    """

    async def submit(request: Request) -> Response:
        query, office = request.query_params, request.path_params["office"]
        with _reject_invalid_query():
            dates, via = _parse_dates(request), BackfillMethod(query.get("via", BackfillMethod.REPORT))
            if not dates:
                raise ValueError
        targets = [BackfillTarget(office, as_of, via, query.get("query", "")) for as_of in dates]
        return JSONResponse(await handlers.submit(targets, get_uid(request)))

    async def cancel(request: Request) -> Response:
        with _reject_invalid_query():
            dates = _parse_dates(request)
        return JSONResponse(await handlers.cancel(request.path_params["office"], dates, get_uid(request)))

    async def list_jobs(_request: Request) -> Response:
        return JSONResponse(await handlers.list_jobs())

    return (
        Route("/offices/{office:path}/backfill", submit, methods=["POST"]),
        Route("/offices/{office:path}/backfill", cancel, methods=["DELETE"]),
        Route("/backfills", list_jobs),
    )


def _parse_dates(request: Request) -> list[date]:
    """Each once, in the order given."""
    return [date.fromisoformat(text) for text in dict.fromkeys(request.query_params.getlist("as_of"))]


@contextmanager
def _reject_invalid_query() -> Iterator[None]:
    try:
        yield
    except ValueError:
        advice = "See `oddaemon backfill --help`."
        raise CommandRejected(BAD_REQUEST, "A day is wanted as yyyy-mm-dd.", advice) from None
