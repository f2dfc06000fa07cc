"""Computes how long to wait after a failure. The random number is an argument."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

REREADS_MAX = 3
"""How often in a row what was read may be discarded and read again before a human must look."""

STATEMENT_PAUSE = timedelta(seconds=60)
"""Before the next statement after one without an answer: the office's server goes on with that one, unaware that its
client has gone, and two heavy statements side by side can lock up every workstation of the office."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """The limits of a wait, in seconds."""

    backoff_base_seconds: float = 5.0
    """The longest wait after the first failure."""
    backoff_max_seconds: float = 900.0
    """The longest wait after any number of failures."""
    retry_after_max_seconds: float = 21_600.0
    """The longest wait that the other side may request; a longer Retry-After is cut to it."""


def compute_backoff_seconds(attempts: int, jitter: float, backoff: Backoff) -> float:
    """Exponential back-off with jitter over its upper half, so that offices do not retry in step.

    Args:
        attempts: Failures in a row, including the present one (1 or more).
        jitter: A random number from 0 to 1.
        backoff: The base and the cap, of an office or of a sink.
    """
    ceiling = min(backoff.backoff_max_seconds, backoff.backoff_base_seconds * 2.0 ** min(attempts - 1, 30))
    return ceiling * (0.5 + 0.5 * jitter)


def compute_retry_seconds(requested: float | None, attempts: int, jitter: float, backoff: Backoff) -> float:
    """The wait that a server requested, within limits: at least our own back-off, at most `retry_after_max_seconds`."""
    own = compute_backoff_seconds(attempts, jitter, backoff)
    return own if requested is None else min(max(own, requested), max(own, backoff.retry_after_max_seconds))


def parse_retry_after(header: str | None, now: datetime) -> float | None:
    """Parse the seconds from a Retry-After header, a number or a date; None: it is absent or unreadable."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            at = parsedate_to_datetime(header)
        except (ValueError, OverflowError):
            return None
        aware = at if at.tzinfo else at.replace(tzinfo=UTC)
        seconds = (aware - now).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None
