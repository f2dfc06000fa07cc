"""A job that reads an office as of a past day, and what happens to it when a reading fails."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from oddaemon.core.backoff import REREADS_MAX, STATEMENT_PAUSE, compute_backoff_seconds, compute_retry_seconds
from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.failures.origin import STATEMENT_TIMEOUTS
from oddaemon.core.failures.recovery import Recovery
from oddaemon.core.model import Balance, Cadence, ControlTotals
from oddaemon.core.office.status import to_sentence

OWN_QUERY_ADVICE = (
    "Your own query was refused, or its count (`SELECT COUNT(*) … FROM (your query)`). Fix the query in your file, then"
    " request the day again."
)
EARLIEST_DATE = date(1980, 1, 1)
"""No office used Open Dental before."""


class BackfillMethod(StrEnum):
    """How a past day is read."""

    REPORT = "report"
    """By `GET /reports/Aging`, page after page, twice."""
    SFTP = "sftp"
    """By the operator's own query, whose result the office uploads to our receiver."""


class UploadStep(StrEnum):
    """The step of a job with an upload, as people see it."""

    REQUESTING_UPLOAD = "requesting_upload"
    WAITING_FOR_UPLOAD = "waiting_for_file"
    REQUESTING_COUNT = "requesting_count"
    WAITING_FOR_COUNT = "waiting_for_count"


class JobState(StrEnum):
    """The state of a job."""

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class BackfillTarget:
    """One office as of one day."""

    office_id: str
    as_of: date
    via: BackfillMethod = BackfillMethod.REPORT
    query: str = ""
    """The operator's SQL; empty for a report."""


@dataclass(frozen=True, slots=True)
class BackfillResult:
    """The verified result of a job."""

    balances: Collection[Balance] = field(repr=False)
    """Each guarantor once, in ascending order of pat_num."""
    totals: ControlTotals
    requests: int


@dataclass(frozen=True, slots=True)
class BackfillJob:
    """One backfill job."""

    number: int
    target: BackfillTarget
    created_at: datetime
    state: JobState = JobState.OPEN
    not_before: datetime | None = None
    attempts: int = 0
    """Failures in a row."""
    rereads: int = 0
    """Readings that were discarded."""
    why: str = ""
    """The last failure, as a sentence with advice; empty: none."""


class InvalidDate(ValueError):
    """A day that has no balances; the text says why."""


def validate_day(as_of: date, today: date) -> date:
    """Return the day if the office can have balances as of it.

    Args:
        as_of: The requested day.
        today: On the office's own clock.

    Raises:
        InvalidDate: It cannot.
    """
    if as_of >= today:
        raise InvalidDate(
            f"{as_of} is not in the past on the office's clock (today is {today}). Use the nightly snapshots for today."
        )
    if as_of < EARLIEST_DATE:
        raise InvalidDate(f"{as_of} is before {EARLIEST_DATE.year}: no office has balances of that day.")
    return as_of


def apply_failure(job: BackfillJob, failure: Failure, now: datetime, cadence: Cadence, jitter: float) -> BackfillJob:
    """Return the job after a failure: back off, read again, or fail if only a human can help.

    What was read is kept unless `rereads` has increased.
    """
    attempts = job.attempts + 1
    why = f"{to_sentence(failure.sentence)} {_choose_advice(job.target, failure)}"
    delay = timedelta(seconds=compute_backoff_seconds(attempts, jitter, cadence))
    retried = replace(job, attempts=attempts, why=why, not_before=now + delay)
    match failure.kind.recovery:
        case Recovery.RETRY if failure.kind in STATEMENT_TIMEOUTS:
            return replace(retried, not_before=now + max(delay, STATEMENT_PAUSE))
        case Recovery.RETRY | Recovery.STAND_BY | Recovery.SOON:
            return retried
        case Recovery.WAIT:
            seconds = compute_retry_seconds(failure.retry_after_seconds, attempts, jitter, cadence)
            return replace(retried, not_before=now + timedelta(seconds=seconds))
        case Recovery.REREAD | Recovery.WAIT_FOR_AGING if job.rereads < REREADS_MAX:
            return replace(retried, rereads=job.rereads + 1)
        case _:
            return replace(retried, state=JobState.FAILED, not_before=None)


def _choose_advice(target: BackfillTarget, failure: Failure) -> str:
    is_own_query = target.via is BackfillMethod.SFTP and failure.kind in {
        FailureKind.QUERY_REFUSED,
        FailureKind.SQL_ERROR,
    }
    return OWN_QUERY_ADVICE if is_own_query else failure.kind.advice


def clear_failures(job: BackfillJob) -> BackfillJob:
    """Return the job after a success: earlier failures are cleared."""
    return replace(job, attempts=0, why="", not_before=None)
