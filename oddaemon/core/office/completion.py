"""What the nights showed of when an office's aging is complete, and when to ask in the next one.

A probe shows that a run is complete, not since when: it ended between that probe and the last one that found it
incomplete. A first probe that finds it complete shows no beginning at all, so the next ones come earlier, in growing
steps, until one comes too early. So an office whose runs end at the same time each night is asked about twice a night.
"""

from collections.abc import Sequence
from dataclasses import dataclass

NIGHTS_KEPT = 5
SHARP_NIGHTS = 2
"""How many of the last nights may have shown when the run ended; if none did, the next probe comes earlier."""
SHARP_SHARE = 1 / 2
"""Of the interval of probes: two probes that are no further apart show when a run ended."""
STEP_SHARE = 1 / 4
"""Of the interval of probes: the first step by which a probe comes earlier."""
GAP_SHARE = 1 / 3
"""Of the interval of probes: between two, while the run usually ends."""


@dataclass(frozen=True, slots=True)
class Completion:
    """When the run of one night was complete, in seconds from its due time, as far as probes showed it."""

    by_seconds: float
    """When a probe found it complete."""
    after_seconds: float | None = None
    """When the last probe before found it incomplete; None: there was none."""


def add_completion(nights: tuple[Completion, ...], night: Completion) -> tuple[Completion, ...]:
    """The nights with one more; the oldest ones are forgotten."""
    return (*nights, night)[-NIGHTS_KEPT:]


def compute_probe_seconds(nights: Sequence[Completion], elapsed_seconds: float, interval_seconds: float) -> float:
    """When to ask next, in seconds from the due time, while the run is not known to be complete.

    Args:
        nights: What was seen, the oldest first; not empty.
        elapsed_seconds: From the due time to now.
        interval_seconds: Of probes while nothing is known.
    """
    first_seconds = _compute_first_seconds(nights, interval_seconds)
    if elapsed_seconds < first_seconds:
        return first_seconds
    overdue_seconds = elapsed_seconds - max(night.by_seconds for night in nights)
    return elapsed_seconds + min(interval_seconds, max(interval_seconds * GAP_SHARE, overdue_seconds))


def _compute_first_seconds(nights: Sequence[Completion], interval_seconds: float) -> float:
    """When the run may be complete for the first time."""
    earliest_seconds = min(night.by_seconds for night in nights)
    if any(
        night.after_seconds is not None and night.by_seconds - night.after_seconds <= interval_seconds * SHARP_SHARE
        for night in nights[-SHARP_NIGHTS:]
    ):
        return earliest_seconds
    steps = 1
    for night in reversed(nights):
        if night.after_seconds is not None:
            break
        steps *= 2
    return max(0.0, earliest_seconds - interval_seconds * STEP_SHARE * steps)
