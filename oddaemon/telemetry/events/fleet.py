"""Events of a fleet of daemons on one database. See `Event` for what a field may hold."""

from dataclasses import dataclass

from oddaemon.telemetry.events.base import Event, Level


@dataclass(frozen=True, slots=True)
class MemberJoined(Event):
    """This daemon has become member `member` of the fleet, on host `host`, beside `others` others."""

    member: int
    host: str
    others: int


@dataclass(frozen=True, slots=True)
class MemberWorking(Event):
    """Every other member has made room under the caps, so this one takes offices."""

    member: int


@dataclass(frozen=True, slots=True)
class MembershipLost(Event, level=Level.WARNING):
    """This daemon works no more until it has joined again: `why` says what it lost. Other hosts take its offices."""

    member: int
    why: str


@dataclass(frozen=True, slots=True)
class MemberGone(Event, level=Level.WARNING):
    """This daemon has found that member `member`, on host `host`, did not renew in time. Its offices go elsewhere."""

    member: int
    host: str


@dataclass(frozen=True, slots=True)
class LeasesTaken(Event):
    """This daemon has taken these leases of one kind (office, sink or role); `count` of them, a few by name."""

    kind: str
    count: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LeasesGivenBack(Event):
    """This daemon has given these leases of one kind back."""

    kind: str
    count: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HostClockSkewed(Event, level=Level.WARNING):
    """The clock of this machine is `seconds` ahead of the database's; nothing depends on it. Set it all the same."""

    seconds: float


@dataclass(frozen=True, slots=True)
class FleetSettingsDiffer(Event, level=Level.WARNING):
    """The hosts' configurations differ: `differences` says how, a sentence for each host. Nothing is removed."""

    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FleetSettingsAgree(Event):
    """The hosts' configurations are the same again."""
