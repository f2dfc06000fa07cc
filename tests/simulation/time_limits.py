"""How long a daemon may take to notice, to say and to set right: derived from its own intervals, never guessed.

An office is looked at, at the latest, when the longest of its intervals is over. What is found then may be a back-off's
last wait away from being read, and what is read may be held for a second reading.
"""

from oddaemon.core.model import Cadence, Plausibility

PULL_SECONDS = 600.0
"""Preferences, clock, a statement that is refused, rows cut, pages, patches: each a spacing of the key or a few."""
SILENCE_SECONDS = 360.0
"""After silence an office stands by for a turn of `late_probe_seconds`; a trial takes up to a minute more."""


CLOCK_STEPS_EXCUSE = False
"""What was written or measured under a wrong clock of our own is believed for a while after the correction."""


def compute_grace_seconds(cadence: Cadence, *, clock_stepped: bool = False) -> float:
    """From the moment from which all goes well until what is owed must be published or explained.

    With the default intervals: 30 minutes for the slowest probe, 15 for the longest back-off, 16 for silence and the
    pull itself.
    """
    slowest = max(cadence.idle_probe_seconds, cadence.blocked_probe_seconds, cadence.late_probe_seconds)
    if clock_stepped and CLOCK_STEPS_EXCUSE:
        slowest = max(slowest, cadence.retry_after_max_seconds)
    return slowest + cadence.backoff_max_seconds + SILENCE_SECONDS + PULL_SECONDS


def compute_hold_seconds(plausibility: Plausibility) -> float:
    """The additional time of a snapshot that looked implausible."""
    return plausibility.hold_seconds + PULL_SECONDS
