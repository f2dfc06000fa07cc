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
class Vital:
    """Where one office's worker stands."""

    office: str
    moved_at: float
    """When it last took a turn, or a request of its began or ended."""
    asleep_until: float | None = None
    """None: it is at work."""
    asking_since: float | None = None
    """When its request in flight began; None: there is none."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long what the engine waits for may take by its own settings."""

    answer_seconds: float
    """From the start of a request to its end, time-outs included."""
    max_in_flight: int
    seconds_between_requests: float
    """Over all offices together."""
    spacing_seconds: float
    """The longest of all keys."""


def stall(vitals: Sequence[Vital], writing_since: float | None, patience: Patience, now: float) -> str | None:
    """What hangs.

    Args:
        vitals: Every office that has a worker.
        writing_since: When the write that is under way began; None: there is none.
        patience: The daemon's.
        now: On the same clock.

    Returns:
        The first thing that hangs, as a clause: "office smile should have woken 95 s ago". None: nothing does.
    """
    if writing_since is not None and now - writing_since > WRITE_SECONDS:
        return f"a write to the database has not ended for {now - writing_since:.0f} s"
    turn_seconds = _turn_seconds_max(vitals, patience)
    for vital in vitals:
        if (hangs := _hangs(vital, patience, turn_seconds, now)) is not None:
            return f"office {vital.office} {hangs}"
    return None


def _turn_seconds_max(vitals: Sequence[Vital], patience: Patience) -> float:
    """The gate serves first come first: one may have to wait until each of the others at work was answered once."""
    at_work = sum(vital.asleep_until is None for vital in vitals)
    for_one = patience.answer_seconds / patience.max_in_flight + patience.seconds_between_requests
    return TURN_SECONDS + patience.spacing_seconds + at_work * for_one


def _hangs(vital: Vital, patience: Patience, turn_seconds: float, now: float) -> str | None:
    if vital.asleep_until is not None:
        late_by = now - vital.asleep_until
        return f"should have woken {late_by:.0f} s ago" if late_by > OVERSLEPT_SECONDS else None
    if vital.asking_since is not None:
        asks_for = now - vital.asking_since
        is_late = asks_for > patience.answer_seconds + OVERSLEPT_SECONDS
        return f"should have had or given up its answer after {asks_for:.0f} s" if is_late else None
    stands_for = now - vital.moved_at
    return f"has not moved for {stands_for:.0f} s, with no request under way" if stands_for > turn_seconds else None
