"""What becomes of a delivery: when it is tried, what it carries, and what a refusal means.

A delivery is one snapshot on its way to one sink. Deliveries of an office are made in the order in which its snapshots
were published; the first that is due stands before all others of its office, and of no other office: those of several
offices may be on their way at once. A sink that refuses is left alone for a while as a whole, with the same back-off,
however many offices wait for it, and is then tried with one delivery.

A delivery ends as done, or as dead once it is too old and was refused again, or as skipped because a human said so.
What the consumer holds is known only after `done`: so whatever follows anything else carries the whole snapshot, and
the consumer's state equals it.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from oddaemon.core.backoff import compute_backoff_seconds, compute_retry_seconds


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    DUE = "due"
    DONE = "done"
    DEAD = "dead"
    """Refused for too long, or for good."""
    SKIPPED = "skipped"
    """Given up by a human, or its snapshot is no longer kept."""


class Content(StrEnum):
    """What a sink is sent."""

    SNAPSHOT = "snapshot"
    CHANGES = "changes"
    """The changes since the previous delivery; the whole snapshot if that is unknown or came from another reader."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One snapshot on its way to one sink."""

    number: int
    """Rises with every delivery."""
    delivery_id: str
    """The same at every attempt and after every restart: by it a consumer knows what it has had."""
    office_id: str
    snapshot_id: int
    queued_at: datetime
    not_before: datetime
    attempts: int = 0
    """Those that were refused."""


@dataclass(frozen=True, slots=True)
class PreviousDelivery:
    """How the delivery before, of the same office to the same sink, ended."""

    state: DeliveryState
    snapshot_id: int


@dataclass(frozen=True, slots=True)
class SinkState:
    """How a sink has behaved lately, whichever office's delivery it refused."""

    failures: int = 0
    """Refusals in a row."""
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long a sink is waited for, all in seconds."""

    backoff_base_seconds: float = 5.0
    backoff_max_seconds: float = 900.0
    retry_after_max_seconds: float = 21_600.0
    """A consumer asking for more is asked again after this time."""
    give_up_after_seconds: float = 259_200.0
    """A delivery that is refused at this age is dead."""


@dataclass(frozen=True, slots=True)
class DeliveryFailure:
    """Why an attempt came to nothing."""

    reason: str
    """One sentence without balances, secrets or words of the other side."""
    retry_after_seconds: float | None = None
    """What the consumer asked for."""
    final: bool = False
    """The consumer will never take it."""


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """A delivery, and how its sink stands."""

    delivery: Delivery
    sink_state: SinkState


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """What a refused attempt comes to."""

    state: DeliveryState
    """`due`: tried again; `dead`: given up."""
    delivery: Delivery
    sink_state: SinkState


def compute_attempt_at(attempt: DeliveryAttempt, now: datetime, retry_policy: RetryPolicy) -> datetime:
    """When the attempt may be made. A wait longer than any that is ever set comes of a clock that was: it is over."""
    due = max(attempt.delivery.not_before, attempt.sink_state.not_before or attempt.delivery.not_before)
    longest = max(retry_policy.backoff_max_seconds, retry_policy.retry_after_max_seconds)
    return now if due - now > timedelta(seconds=longest) else due


def get_max_in_flight(sink_state: SinkState, in_flight_max: int) -> int:
    """How many deliveries may be on their way at once: a sink that has refused the last one is tried with one."""
    return 1 if sink_state.failures else in_flight_max


def find_diff_base(content: Content, previous: PreviousDelivery | None) -> int | None:
    """The snapshot whose changes suffice, as the consumer holds it; None: the whole snapshot is sent."""
    if content is Content.SNAPSHOT or previous is None or previous.state is not DeliveryState.DONE:
        return None
    return previous.snapshot_id


def fail_attempt(
    attempt: DeliveryAttempt, failure: DeliveryFailure, now: datetime, jitter: float, retry_policy: RetryPolicy
) -> FailedAttempt:
    """What to do after a refusal.

    Args:
        attempt: what was tried.
        failure: why it came to nothing.
        now: when that was.
        jitter: a random number from 0 to 1.
        retry_policy: with this sink.
    """
    failures, attempts = attempt.sink_state.failures + 1, attempt.delivery.attempts + 1
    requested_seconds = failure.retry_after_seconds
    sink_delay_seconds = compute_retry_seconds(requested_seconds, failures, jitter, retry_policy)
    sink_state = SinkState(failures, now + timedelta(seconds=sink_delay_seconds))
    delay = timedelta(seconds=compute_backoff_seconds(attempts, jitter, retry_policy))
    delivery = replace(attempt.delivery, attempts=attempts, not_before=now + delay)
    is_too_old = now - delivery.queued_at >= timedelta(seconds=retry_policy.give_up_after_seconds)
    state = DeliveryState.DEAD if failure.final or is_too_old else DeliveryState.DUE
    return FailedAttempt(state, delivery, sink_state)
