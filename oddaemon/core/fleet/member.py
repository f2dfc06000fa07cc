"""A member of a fleet: one daemon on one host, from its first row in the database to its end.

A member's stage only moves forwards, and `gone` is written down, never concluded from a clock: once a member has been
marked as gone, no later renewal brings it to life, not even on a database whose clock stepped back after a failover.
All instants are of the database's clock.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Stage(StrEnum):
    """The stages of a member."""

    JOINING = "joining"
    """It waits until every other member has made room for it under the caps."""
    WORKING = "working"
    DRAINING = "draining"
    """It gives its leases back and takes none."""
    GONE = "gone"


class Departure(StrEnum):
    """Why a member is gone."""

    DRAINED = "drained"
    """It gave everything back."""
    REJOINED = "rejoined"
    """Its own process lost the database and became a new member."""
    EXPIRED = "expired"
    """It did not renew in time: it died, was stopped, or was cut off."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member as its row describes it."""

    number: int
    """Given by the database; a daemon that lost the database becomes a new member under a higher number."""
    host: str
    network: str
    """The source address of its requests: the caps are those of a network."""
    stage: Stage
    joined_at: datetime
    renewed_at: datetime
    expires_at: datetime
    """A member that sees a later instant may mark this one as gone."""
    knows: int = 0
    """The highest number of a member for which this one has made room under the caps."""
    gone_at: datetime | None = None
    settings: str = ""
    """The fingerprint of the settings that the hosts share."""
    offices: Mapping[str, str] = field(default_factory=dict)
    """The offices of its configuration, each with the fingerprint of its settings."""
    sinks: Mapping[str, str] = field(default_factory=dict)
    """The sinks that may run on its host, each with the fingerprint of its settings."""
    departure: Departure | None = None
    """Why it is gone; None: it is there."""

    @property
    def is_alive(self) -> bool:
        """Whether it has not been marked as gone."""
        return self.stage is not Stage.GONE


def is_silent(member: Member, now: datetime) -> bool:
    """Whether a member has let half of its lease pass without a renewal: it may be dead, which is not written yet.

    It keeps what it has until its lease is over, and is expected to take nothing.
    """
    return now > member.renewed_at + (member.expires_at - member.renewed_at) / 2


def find_member(members: Iterable[Member], number: int | None) -> Member | None:
    """The member of this number; None: there is none."""
    return next((each for each in members if each.number == number), None)


def list_working(members: Collection[Member]) -> list[Member]:
    """The members that may take leases, one for each host: the newest, if a host's earlier one has not ended yet."""
    newest = {each.host: each for each in sorted(members, key=lambda each: each.number) if each.is_alive}
    return [each for each in newest.values() if each.stage is Stage.WORKING]
