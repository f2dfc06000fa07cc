"""The rules of a delivery: when it is attempted, what it contains, and what a refusal causes.

A delivery brings one snapshot to one sink. The deliveries of an office are made in the order in which its snapshots
were published: the oldest open one holds back the later ones of its office. It does not hold back other offices, and
deliveries of several offices may be in flight at once. After a refusal the whole sink pauses. Its back-off does not
depend on the number of waiting offices, and afterwards it is tried with a single delivery.

A delivery ends as `done`, as `dead` (refused for good, or refused again when it is too old) or as `skipped` (by a
command, or because its snapshot is no longer kept). Only `done` shows what the consumer has. A delivery after any other
end therefore contains the whole snapshot, so that the consumer's data equal it again.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from oddaemon.core.backoff import Backoff, compute_backoff_seconds, compute_retry_seconds


class DeliveryState(StrEnum):
    """The state of a delivery."""

    DUE = "due"
    DONE = "done"
    DEAD = "dead"
    """Refused for too long, or for good."""
    SKIPPED = "skipped"
    """Skipped by a command, or its snapshot is no longer kept."""


class Content(StrEnum):
    """What a sink receives."""

    SNAPSHOT = "snapshot"
    CHANGES = "changes"
    """The changes since the previous delivery; the whole snapshot if that is unknown or came from another reader."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One snapshot to be delivered to one sink."""

    number: int
    """Increases with every delivery."""
    delivery_id: str
    """The same at every attempt and after every restart, so that a consumer recognizes what it already received."""
    office_id: str
    snapshot_id: int
    queued_at: datetime
    not_before: datetime
    attempts: int = 0
    """Attempts that failed."""


@dataclass(frozen=True, slots=True)
class SinkState:
    """The recent failures of a sink, over all offices."""

    failures: int = 0
    """Failures in a row."""
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class RetryPolicy(Backoff):
    """How long oddaemon waits for a sink, in seconds."""

    give_up_after_seconds: float = 259_200.0
    """A delivery that fails at this age or later is dead."""


@dataclass(frozen=True, slots=True)
class DeliveryFailure:
    """Why an attempt failed."""

    reason: str
    """One sentence without balances, secrets or text from the consumer."""
    retry_after_seconds: float | None = None
    """The wait that the consumer requested."""
    final: bool = False
    """The consumer will never accept this delivery."""
    is_ours: bool = False
    """This machine could not deliver: the delivery is not given up for it."""


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """A delivery, the state of its sink, and what the sink received before it."""

    delivery: Delivery
    sink_state: SinkState
    previous_snapshot_id: int | None = None
    """The snapshot of the office's previous delivery, if that is done; None: what the consumer has is not known."""


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """The result of a failed attempt."""

    state: DeliveryState
    """`due`: it is attempted again; `dead`: oddaemon gives it up."""
    delivery: Delivery
    sink_state: SinkState


def compute_attempt_at(attempt: DeliveryAttempt, now: datetime, retry_policy: RetryPolicy) -> datetime:
    """The earliest time of the attempt.

    A wait longer than the longest possible one means that our clock was set back; then the attempt is due now.
    """
    due = max(attempt.delivery.not_before, attempt.sink_state.not_before or attempt.delivery.not_before)
    longest = max(retry_policy.backoff_max_seconds, retry_policy.retry_after_max_seconds)
    return now if due - now > timedelta(seconds=longest) else due


def get_max_in_flight(sink_state: SinkState, in_flight_max: int) -> int:
    """How many deliveries may be in flight at once: one if the sink's last attempt failed."""
    return 1 if sink_state.failures else in_flight_max


def fail_attempt(
    attempt: DeliveryAttempt, failure: DeliveryFailure, now: datetime, jitter: float, retry_policy: RetryPolicy
) -> FailedAttempt:
    """Decide what follows a failed attempt.

    Args:
        attempt: the attempt.
        failure: why it failed.
        now: when it failed.
        jitter: a random number from 0 to 1.
        retry_policy: the policy of this sink.
    """
    failures, attempts = attempt.sink_state.failures + 1, attempt.delivery.attempts + 1
    requested_seconds = failure.retry_after_seconds
    sink_delay_seconds = compute_retry_seconds(requested_seconds, failures, jitter, retry_policy)
    sink_state = SinkState(failures, now + timedelta(seconds=sink_delay_seconds))
    delay = timedelta(seconds=compute_backoff_seconds(attempts, jitter, retry_policy))
    delivery = replace(attempt.delivery, attempts=attempts, not_before=now + delay)
    is_too_old = not failure.is_ours and now - delivery.queued_at >= timedelta(
        seconds=retry_policy.give_up_after_seconds
    )
    state = DeliveryState.DEAD if failure.final or is_too_old else DeliveryState.DUE
    return FailedAttempt(state, delivery, sink_state)
