"""Whether the engine makes progress: what systemd's watchdog hangs on.

An engine that has nothing to do makes progress, too; what must not be is an office that ought to move and does not.
Each way of standing still has its own bound, taken from what the daemon itself allows: a sleep ends when it ends, an
answer comes or is given up within the configured time-outs, a turn at the gate comes once everybody ahead was served.
All instants are seconds of one monotonic clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass

OVERSLEPT_SECONDS = 60.0
"""A sleep that ends so much too late has not ended."""
WRITE_SECONDS = 300.0
"""No write takes so long, not even to fold back the log of a large database on a bad disk."""
TURN_SECONDS = 300.0
"""For whatever a turn does besides asking: to prove, to compare and to store a large office, on a busy machine."""


@dataclass(frozen=True, slots=True)
class WorkerActivity:
    """Where one office's worker stands."""

    office: str
    progressed_at: float
    """When it last took a turn, or a request of its began or ended."""
    asleep_until: float | None = None
    """None: it is at work."""
    request_since: float | None = None
    """When its request in flight began; None: there is none."""


@dataclass(frozen=True, slots=True)
class StallLimits:
    """How long what the engine waits for may take by its own settings."""

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
    """What hangs.

    Args:
        activities: Every office that has a worker.
        writing_since: When the write that is under way began; None: there is none.
        limits: The daemon's.
        now: On the same clock.

    Returns:
        The first thing that hangs, as a clause: "office smile should have woken 95 s ago". None: nothing does.
    """
    if writing_since is not None and now - writing_since > WRITE_SECONDS:
        return f"a write to the database has not ended for {now - writing_since:.0f} s"
    turn_seconds = _compute_turn_seconds_max(activities, limits)
    for activity in activities:
        if (hang := _describe_hang(activity, limits, turn_seconds, now)) is not None:
            return f"office {activity.office} {hang}"
    return None


def _compute_turn_seconds_max(activities: Sequence[WorkerActivity], limits: StallLimits) -> float:
    """The gate serves first come first: one may have to wait until each of the others at work was answered once."""
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
        return f"should have had or given up its answer after {request_seconds:.0f} s" if is_late else None
    idle_seconds = now - activity.progressed_at
    return f"has not moved for {idle_seconds:.0f} s, with no request under way" if idle_seconds > turn_seconds else None
