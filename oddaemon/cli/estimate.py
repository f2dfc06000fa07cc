"""How much a configuration will ask of the API: orders of magnitude, for whoever must agree to it."""

from collections import Counter
from dataclasses import dataclass

from oddaemon.settings import Settings

DAY_SECONDS = 86_400.0
REQUESTS_A_PROBE = 2.0
"""The date, and where it has not moved whether a run is in progress."""
REQUESTS_A_NIGHT = 24.0
"""Four surveys of five preferences, and a pull with what it may need besides."""


@dataclass(frozen=True, slots=True)
class Group:
    """Offices that are asked in the same way."""

    remote: bool
    min_interval_seconds: float
    offices: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the offices that are switched on come to."""

    offices: int
    groups: tuple[Group, ...]
    """The largest first."""
    requests_a_day: float
    """With aging running for half of the service's hour."""
    peak_requests_per_second: float
    """With every office due at once."""


def estimate(settings: Settings) -> Estimate:
    """What these settings will ask for."""
    enabled = [office for office in settings.offices if office.office.enabled]
    ways = Counter((office.remote, office.min_interval_seconds) for office in enabled)
    cadence = settings.cadence
    probes_a_day = DAY_SECONDS / cadence.idle_probe_seconds + cadence.start_window_seconds / 2 / cadence.probe_seconds
    return Estimate(
        offices=len(enabled),
        groups=tuple(Group(remote, seconds, count) for (remote, seconds), count in ways.most_common()),
        requests_a_day=len(enabled) * (REQUESTS_A_PROBE * probes_a_day + REQUESTS_A_NIGHT),
        peak_requests_per_second=len(enabled) * REQUESTS_A_PROBE / cadence.probe_seconds,
    )
