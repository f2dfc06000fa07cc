"""An order to read an office as of a past day: what it is, and what becomes of it when a reading of it fails."""

from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from oddaemon.core.backoff import delay_seconds, retry_after_seconds
from oddaemon.core.failure import Failure, Kind, Policy
from oddaemon.core.model import Balance, Cadence, ControlTotals
from oddaemon.core.standing import capital

REREADS_MAX = 3
"""Two readings of a day that is past differ when somebody posts to it just then; not night after night."""
OWN_QUERY = (
    "It is your own query that is refused, or the count that is asked of it as `SELECT COUNT(*) … FROM (your query)`:"
    " mend it in your file, then order the day again."
)
EARLIEST = date(1980, 1, 1)
"""Nobody ran this program before."""


class Via(StrEnum):
    """How a past day is read."""

    REPORT = "report"
    """By `GET /reports/Aging`, page after page, twice."""
    SFTP = "sftp"
    """By a query of the operator's, whose result the office uploads to a receiver of ours."""


class Step(StrEnum):
    """What an order by upload is at, as people see it."""

    ASKING = "asking the office to upload"
    AWAITING = "waiting for the file"
    ASKING_COUNT = "asking the office to count"
    AWAITING_COUNT = "waiting for the count"


class Stage(StrEnum):
    """How an order stands."""

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class PastDay:
    """What is wanted: one office as of one day."""

    office_id: str
    as_of: date
    via: Via = Via.REPORT
    query: str = ""
    """The operator's SQL; empty for a report."""


@dataclass(frozen=True, slots=True)
class Brought:
    """What came of it, proved."""

    balances: tuple[Balance, ...] = field(repr=False)
    """Ordered by pat_num."""
    totals: ControlTotals
    requests: int


@dataclass(frozen=True, slots=True)
class Backfill:
    """One order."""

    number: int
    day: PastDay
    ordered_at: datetime
    stage: Stage = Stage.OPEN
    not_before: datetime | None = None
    attempts: int = 0
    """Failures in a row."""
    rereads: int = 0
    """Readings that were thrown away."""
    why: str = ""
    """What it met last, as a sentence with what to do; empty: nothing."""


class WrongDayError(ValueError):
    """A day that no balances can be had of; the text says why."""


def checked_day(as_of: date, today: date) -> date:
    """The day, if the office can have been aged as of it.

    Args:
        as_of: The day that is wanted.
        today: On the office's own clock.

    Raises:
        WrongDayError: It cannot.
    """
    if as_of >= today:
        raise WrongDayError(
            f"{as_of} is not past yet on the office's clock ({today}): what is true today is pulled each night."
        )
    if as_of < EARLIEST:
        raise WrongDayError(f"{as_of} is before {EARLIEST.year}: no office has balances of that day.")
    return as_of


def failed(order: Backfill, failure: Failure, now: datetime, cadence: Cadence, jitter: float) -> Backfill:
    """The order after a failure: back off, read anew, or give up where only a human can help.

    What was read stays unless `rereads` has risen.
    """
    attempts = order.attempts + 1
    why = f"{capital(failure.sentence)} {_advice(order.day, failure)}"
    waits = timedelta(seconds=delay_seconds(attempts, jitter, cadence))
    later = replace(order, attempts=attempts, why=why, not_before=now + waits)
    match failure.rule.policy:
        case Policy.RETRY | Policy.STAND_BY:
            return later
        case Policy.WAIT:
            seconds = retry_after_seconds(failure.retry_after_seconds, attempts, jitter, cadence)
            return replace(later, not_before=now + timedelta(seconds=seconds))
        case Policy.REREAD | Policy.WATCH if order.rereads < REREADS_MAX:
            return replace(later, rereads=order.rereads + 1)
        case _:
            return replace(later, stage=Stage.FAILED, not_before=None)


def _advice(day: PastDay, failure: Failure) -> str:
    is_theirs = day.via is Via.SFTP and failure.kind in {Kind.QUERY_REFUSED, Kind.SQL_ERROR}
    return OWN_QUERY if is_theirs else failure.rule.advice


def went_on(order: Backfill) -> Backfill:
    """The order after something came: what it met before is over."""
    return replace(order, attempts=0, why="", not_before=None)
