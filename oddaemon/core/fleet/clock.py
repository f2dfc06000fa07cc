"""The database's clock, as a host knows it, and how long a renewal may be trusted.

Leases and waits are instants of one clock, the database's, so two hosts never disagree about them. Between two answers
a host advances the last instant by its own monotonic clock, which must also run while the machine sleeps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

SAMPLES = 5
SKEW_SECONDS_MAX = 5.0
"""A host whose own clock differs by more is named in a warning."""


@dataclass(frozen=True, slots=True)
class ClockSample:
    """One answer of the database. Seconds are of the host's monotonic clock."""

    sent: float
    received: float
    at: datetime
    """What the database's clock showed between the two."""

    @property
    def round_trip(self) -> float:
        """Seconds; the instant is uncertain by half of it."""
        return self.received - self.sent


def estimate_now(samples: Sequence[ClockSample], monotonic: float) -> datetime:
    """The database's time: by the answer with the shortest round trip of the last ones, from its middle on."""
    best = min(samples[-SAMPLES:], key=lambda each: each.round_trip)
    return best.at + timedelta(seconds=monotonic - (best.sent + best.received) / 2)


def is_trusted(sent: float, monotonic: float, trust_seconds: float) -> bool:
    """Whether a renewal still holds. Counted from its sending: the database may have stamped it right then."""
    return monotonic < sent + trust_seconds


def find_skew(host_now: datetime, database_now: datetime) -> float | None:
    """By how many seconds the host's clock is ahead of the database's; None: by too few to matter."""
    skew = (host_now - database_now).total_seconds()
    return skew if abs(skew) > SKEW_SECONDS_MAX else None
