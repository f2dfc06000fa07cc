"""Detects whether the engine makes progress, which systemd's watchdog depends on.

An idle engine makes progress, too; a stall is an office that should progress and does not. Each way to stall has its
own bound, from the daemon's own settings: a sleep ends in time, a request ends within the configured time-outs, and the
rate limiter serves a request once all requests before it were served. All instants are seconds of one monotonic clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass

OVERSLEPT_SECONDS = 60.0
"""A sleep that is overdue by more than this is a stall."""
WRITE_SECONDS = 300.0
"""No write takes longer, not even a checkpoint of a large database on a slow disk."""
TURN_SECONDS = 300.0
"""For the work of a turn besides requests: to verify, compare and store a large office, on a busy machine."""


@dataclass(frozen=True, slots=True)
class WorkerActivity:
    """The activity of one office's worker."""

    office: str
    progressed_at: float
    """When it last took a turn, or began or ended a request."""
    asleep_until: float | None = None
    """None: it is working."""
    request_since: float | None = None
    """When its request in flight began; None: there is none."""

    def record_request(self, at: float, *, has_started: bool) -> "WorkerActivity":
        """The activity after a request started or ended.

        A request made while the worker sleeps belongs to another task, such as a backfill.
        """
        if self.asleep_until is not None:
            return self
        return WorkerActivity(self.office, at, request_since=at if has_started else None)


@dataclass(frozen=True, slots=True)
class StallLimits:
    """How long the engine's waits may take by its own settings."""

    response_seconds: float
    """From the start of a request to its end, time-outs included."""
    max_in_flight: int
    seconds_between_requests: float
    """Over all offices together."""
    spacing_seconds: float
    """The longest of all keys."""


def find_stall(
    activities: Sequence[WorkerActivity], writing_since: float | None, limits: StallLimits, now: float
) -> str | None:
    """Find a stall.

    Args:
        activities: Every office that has a worker.
        writing_since: When the write in progress began; None: there is none.
        limits: The daemon's.
        now: On the same clock.

    Returns:
        The first stall, as a clause: "office smile should have woken 95 s ago". None: there is none.
    """
    if writing_since is not None and now - writing_since > WRITE_SECONDS:
        return f"a write to the database has been running for {now - writing_since:.0f} s"
    turn_seconds = _compute_turn_seconds_max(activities, limits)
    for activity in activities:
        if (hang := _describe_hang(activity, limits, turn_seconds, now)) is not None:
            return f"office {activity.office} {hang}"
    return None


def _compute_turn_seconds_max(activities: Sequence[WorkerActivity], limits: StallLimits) -> float:
    """The rate limiter is first come, first served: a worker may wait until every other one got a response."""
    at_work = sum(activity.asleep_until is None for activity in activities)
    for_one = limits.response_seconds / limits.max_in_flight + limits.seconds_between_requests
    return TURN_SECONDS + limits.spacing_seconds + at_work * for_one


def _describe_hang(activity: WorkerActivity, limits: StallLimits, turn_seconds: float, now: float) -> str | None:
    if activity.asleep_until is not None:
        late_by = now - activity.asleep_until
        return f"should have woken {late_by:.0f} s ago" if late_by > OVERSLEPT_SECONDS else None
    if activity.request_since is not None:
        request_seconds = now - activity.request_since
        is_late = request_seconds > limits.response_seconds + OVERSLEPT_SECONDS
        return f"has waited {request_seconds:.0f} s for a response, longer than its time-out" if is_late else None
    idle_seconds = now - activity.progressed_at
    return (
        f"has made no progress for {idle_seconds:.0f} s, without a request in flight"
        if idle_seconds > turn_seconds
        else None
    )
