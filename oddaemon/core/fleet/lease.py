"""A lease: the right of one member to do one thing, such as to ask an office.

A lease has a generation, which rises each time that a member takes it and never falls. Each write names the generation
under which it is made, and the database refuses it under any other. A peer cannot check a generation, so each request
to an office needs a permit: a mark in the lease that says until when the request may be under way. A successor waits
for its end.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

REQUEST_SECONDS_MAX = 75.0
"""From a permit to the end of the longest request: 10 s to connect, headquarters' limit of 60 s, and 5 s of slack."""
PERMIT_SECONDS = 1.0
"""A permit that is older is not used: the process may have been stopped between the permit and the request."""


class LeaseLost(Exception):
    """Another member holds the lease, or this member is gone: whatever was to be done under it must not be done."""


class LeaseKind(StrEnum):
    """What a lease is for."""

    OFFICE = "office"
    SINK = "sink"
    ROLE = "role"


class Role(StrEnum):
    """What one member does for the whole fleet."""

    HOUSEKEEPER = "housekeeper"
    """It prunes and counts what is stored."""
    FRESHNESS_MONITOR = "freshness_monitor"
    """It reports each night once, and sends the heartbeat ping."""
    CONFIGURATION = "configuration"
    """It removes offices and sinks that no member's configuration has any more."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as its row describes it."""

    kind: LeaseKind
    name: str
    holder: int | None = None
    """The number of the member that holds it; None: it was given back."""
    generation: int = 0
    fingerprint: str | None = None
    """Of the settings with which its holder works; None: it was never held."""
    asked_at: datetime | None = None
    """When the last permit was given."""
    open_until: datetime | None = None
    """A request may be under way until then; None: it has ended."""
    asked_by: int | None = None
    """The member to which the last permit was given."""
    not_before: datetime | None = None
    """The wait that the peer asked for."""
    spacing_seconds: float = 0.0
    """The longest spacing with which the key was asked so far."""


def find_first_request(lease: Lease, spacing_seconds: float) -> datetime | None:
    """When a member that just took a lease may send its first request; None: at once.

    The spacing is the longer one of the new and the old holder's: a host whose settings are older hurries no key. The
    last request may have left up to `PERMIT_SECONDS` after its permit.
    """
    spacing = timedelta(seconds=max(spacing_seconds, lease.spacing_seconds) + PERMIT_SECONDS)
    waits = [lease.open_until, lease.not_before, lease.asked_at and lease.asked_at + spacing]
    return max((each for each in waits if each is not None), default=None)
