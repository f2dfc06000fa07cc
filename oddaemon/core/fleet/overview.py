"""The fleet as people and programs see it: its members, what they hold, and where their configurations differ."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from oddaemon.core.fleet.agreement import ConfigDifference
from oddaemon.core.fleet.member import Departure, Member, Stage


@dataclass(frozen=True, slots=True)
class MemberSummary:
    """A member, and what it holds."""

    number: int
    host: str
    stage: Stage
    version: str
    network: str
    address: str
    """Where its pages are served; empty: nowhere."""
    joined_at: datetime
    renewed_at: datetime
    expires_at: datetime
    settings: str
    """The fingerprint of the settings that the hosts share."""
    offices: int = 0
    """How many it holds."""
    gone_at: datetime | None = None
    departure: Departure | None = None
    """Why it is gone; None: it is there."""


@dataclass(frozen=True, slots=True)
class OfficeHolder:
    """Who works for an office."""

    host: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Replication:
    """What the server says of its standbys."""

    standbys: int = 0
    """How many follow it now."""
    is_synchronous: bool = False
    """Whether a commit waits until a standby has it, so that a failover loses none."""
    lag_seconds: float | None = None
    """Of the standby that is furthest behind; None: there is none, or the server does not show it to this role."""


@dataclass(frozen=True, slots=True)
class FleetOverview:
    """The fleet at one instant of the database's clock."""

    at: datetime
    host: str
    """The host that looks; empty: no daemon does."""
    number: int | None
    """Its member; None: none."""
    members: tuple[MemberSummary, ...]
    """The living ones, by host."""
    gone: tuple[MemberSummary, ...]
    """Those that are gone for less than an hour, the last one first."""
    holders: Mapping[str, OfficeHolder]
    """The holder of each office that a living member holds."""
    unheld: int = 0
    """Offices that some member could hold and no living one does."""
    differences: tuple[ConfigDifference, ...] = ()
    replication: Replication = Replication()

    @property
    def me(self) -> MemberSummary | None:
        """The member that looks."""
        return next((each for each in self.members if each.number == self.number), None)

    @property
    def lost_hosts(self) -> tuple[str, ...]:
        """The hosts whose last member did not leave in good order, and that have not come back."""
        last = {each.host: each for each in reversed(self.gone)}
        present = {each.host for each in self.members}
        return tuple(
            host
            for host, each in sorted(last.items())
            if host not in present and each.departure is not Departure.DRAINED
        )

    def count_stages(self) -> Mapping[Stage, int]:
        """The number of living members in each stage."""
        counts = Counter(each.stage for each in self.members)
        return {stage: counts[stage] for stage in Stage if stage is not Stage.GONE}


def find_holders(
    members: Iterable[Member], holdings: Iterable[tuple[str, int, datetime]]
) -> dict[str, tuple[Member, datetime]]:
    """The living member that holds each office, and since when.

    Args:
        members: All of the fleet.
        holdings: Office, number of the member, and since when.
    """
    living = {each.number: each for each in members if each.is_alive}
    return {office: (living[number], since) for office, number, since in holdings if number in living}
