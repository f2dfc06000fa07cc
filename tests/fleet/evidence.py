"""What is known of a fleet's run from outside of its processes: samples of the tables, and what the database saw.

All instants are of the database's clock. The simulator runs on the same machine, so its log can be compared with them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

GONE = "gone"


@dataclass(frozen=True)
class MemberRow:
    """A row of `member`."""

    number: int
    host: str
    stage: str = "working"
    network: str = ""
    expires_at: datetime | None = None
    settings: str = ""
    offices: str = "{}"

    @property
    def is_alive(self) -> bool:
        return self.stage != GONE


@dataclass(frozen=True)
class LeaseRow:
    """A row of `lease`."""

    kind: str
    name: str
    holder: int | None = None
    generation: int = 0
    asked_at: datetime | None = None
    open_until: datetime | None = None
    not_before: datetime | None = None


@dataclass(frozen=True)
class LockWait:
    """A process of a member that waits for a lock."""

    member: int
    seconds: float
    blocked_by: tuple[int, ...]
    """The members whose processes hold it."""


@dataclass(frozen=True)
class Sample:
    """The tables at one instant."""

    at: datetime
    members: Mapping[int, MemberRow]
    leases: Mapping[tuple[str, str], LeaseRow]
    wanted: frozenset[str] = frozenset()
    """The offices that are marked as wanted."""
    sinks: frozenset[str] = frozenset()
    deliveries: frozenset[int] = frozenset()
    """The numbers of all rows of the outbox."""
    waits: tuple[LockWait, ...] = ()

    def find_holder(self, name: str, kind: str = "office") -> MemberRow | None:
        """The member that holds a lease, alive or not."""
        lease = self.leases.get((kind, name))
        return None if lease is None or lease.holder is None else self.members.get(lease.holder)

    def list_held(self, host: str, kind: str = "office") -> list[str]:
        """The leases that living members of a host hold."""
        holders = ((name, self.find_holder(name, kind)) for of_kind, name in self.leases if of_kind == kind)
        return sorted(name for name, holder in holders if holder and holder.is_alive and holder.host == host)

    def list_unheld(self) -> list[str]:
        """The offices that no living member holds."""
        holders = ((name, self.find_holder(name)) for kind, name in self.leases if kind == "office")
        return sorted(name for name, holder in holders if holder is None or not holder.is_alive)


@dataclass(frozen=True)
class OfficeWrite:
    """A change of a row of an office, as a trigger saw it."""

    table: str
    office: str
    at: datetime
    member: int | None
    """By the name of the connection; None: it has no member's name."""
    holder: int | None
    """Of the office's lease, as that transaction saw it."""
    sink_holder: int | None = None
    """Of the sink's lease, for a delivery: a sink that is new begins with the present balances of all offices."""


@dataclass(frozen=True)
class SnapshotRow:
    """A row of `snapshot`."""

    id: int
    office: str
    observed_at: datetime


@dataclass(frozen=True)
class DeliveryRow:
    """A row of `delivery`."""

    number: int
    delivery_id: str
    sink: str
    office: str
    snapshot: int
    state: str


@dataclass(frozen=True)
class CommandRow:
    """A row of `command`."""

    number: int
    kind: str
    name: str
    verb: str
    taken_by: int | None = None
    answered_at: datetime | None = None
    outcome: str | None = None
    is_refused: bool = False


@dataclass(frozen=True)
class HostDeath:
    """A host that stopped working at once.

    Attributes:
        host: Its name.
        seconds: When, on the clock of the simulator's log.
        held: The offices that it held.
        open_seconds: By office: how long after its death the mark of a request under way was to stand.
        back_seconds: When it began to work again, as a new member, on the same clock as `seconds`.
    """

    host: str
    seconds: float
    held: frozenset[str]
    open_seconds: Mapping[str, float] = field(default_factory=dict)
    back_seconds: float = math.inf


@dataclass(frozen=True)
class Violation:
    """An invariant that does not hold."""

    invariant: str
    subject: str
    sentence: str

    def __str__(self) -> str:
        return f"[{self.invariant}] {self.subject}: {self.sentence}"
