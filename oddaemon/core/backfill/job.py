"""An order to read an office as of a past day: what it is, and what becomes of it when a reading of it fails."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from oddaemon.core.backoff import compute_backoff_seconds, compute_retry_seconds
from oddaemon.core.failures.failure import Failure, FailureKind, Recovery
from oddaemon.core.model import Balance, Cadence, ControlTotals
from oddaemon.core.office.status import to_sentence

REREADS_MAX = 3
"""Two readings of a day that is past differ when somebody posts to it just then; not night after night."""
OWN_QUERY_ADVICE = (
    "It is your own query that is refused, or the count that is asked of it as `SELECT COUNT(*) … FROM (your query)`:"
    " mend it in your file, then order the day again."
)
EARLIEST_DATE = date(1980, 1, 1)
"""Nobody ran this program before."""


class BackfillMethod(StrEnum):
    """How a past day is read."""

    REPORT = "report"
    """By `GET /reports/Aging`, page after page, twice."""
    SFTP = "sftp"
    """By a query of the operator's, whose result the office uploads to a receiver of ours."""


class UploadStep(StrEnum):
    """What an order by upload is at, as people see it."""

    REQUESTING_UPLOAD = "requesting_upload"
    WAITING_FOR_UPLOAD = "waiting_for_file"
    REQUESTING_COUNT = "requesting_count"
    WAITING_FOR_COUNT = "waiting_for_count"


class JobState(StrEnum):
    """How an order stands."""

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class BackfillTarget:
    """What is wanted: one office as of one day."""

    office_id: str
    as_of: date
    via: BackfillMethod = BackfillMethod.REPORT
    query: str = ""
    """The operator's SQL; empty for a report."""


@dataclass(frozen=True, slots=True)
class BackfillResult:
    """What came of it, proved."""

    balances: Mapping[int, Balance] = field(repr=False)
    """By pat_num, in ascending order."""
    totals: ControlTotals
    requests: int


@dataclass(frozen=True, slots=True)
class BackfillJob:
    """One order."""

    number: int
    target: BackfillTarget
    created_at: datetime
    state: JobState = JobState.OPEN
    not_before: datetime | None = None
    attempts: int = 0
    """Failures in a row."""
    rereads: int = 0
    """Readings that were thrown away."""
    why: str = ""
    """What it met last, as a sentence with what to do; empty: nothing."""


class InvalidDate(ValueError):
    """A day that no balances can be had of; the text says why."""


def validate_day(as_of: date, today: date) -> date:
    """The day, if the office can have been aged as of it.

    Args:
        as_of: The day that is wanted.
        today: On the office's own clock.

    Raises:
        WrongDayError: It cannot.
    """
    if as_of >= today:
        raise InvalidDate(
            f"{as_of} is not past yet on the office's clock ({today}): what is true today is pulled each night."
        )
    if as_of < EARLIEST_DATE:
        raise InvalidDate(f"{as_of} is before {EARLIEST_DATE.year}: no office has balances of that day.")
    return as_of


def apply_failure(job: BackfillJob, failure: Failure, now: datetime, cadence: Cadence, jitter: float) -> BackfillJob:
    """The order after a failure: back off, read anew, or give up where only a human can help.

    What was read stays unless `rereads` has risen.
    """
    attempts = job.attempts + 1
    why = f"{to_sentence(failure.sentence)} {_choose_advice(job.target, failure)}"
    delay = timedelta(seconds=compute_backoff_seconds(attempts, jitter, cadence))
    retried = replace(job, attempts=attempts, why=why, not_before=now + delay)
    match failure.rule.recovery:
        case Recovery.RETRY | Recovery.STAND_BY:
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
    return OWN_QUERY_ADVICE if is_own_query else failure.rule.advice


def clear_failures(job: BackfillJob) -> BackfillJob:
    """The order after something came: what it met before is over."""
    return replace(job, attempts=0, why="", not_before=None)
