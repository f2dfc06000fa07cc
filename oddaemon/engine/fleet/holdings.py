"""What one daemon holds in its fleet, and what it may therefore do."""

from collections import defaultdict
from collections.abc import Callable
from typing import Literal

import anyio

from oddaemon.core.fleet.lease import Lease, LeaseKind, LeaseLost
from oddaemon.engine.fleet.clock import SharedClock
from oddaemon.engine.fleet.permits import OfficePermit
from oddaemon.engine.fleet.remnants import Remnants
from oddaemon.opendental.rate_limiter import Permit
from oddaemon.store.database import Database
from oddaemon.store.fleet.connection import FleetDatabase
from oddaemon.store.fleet.fence import fence_lease, fence_member
from oddaemon.telemetry.events import MembershipLost
from oddaemon.telemetry.events.base import Event


class Holdings:
    """The leases of one membership; as `LeaseHolder`.

    Attributes:
        number: The member's, once it has joined.
        lost: Set when the membership has ended otherwise than by leaving: nothing may be done any more.
        why_lost: A sentence, once it is set.
        held: The leases by kind and name.
    """

    is_shared: Literal[True] = True

    def __init__(
        self, database: FleetDatabase, clock: SharedClock, remnants: Remnants, emit: Callable[[Event], None]
    ) -> None:
        self.number = 0
        self.lost = anyio.Event()
        self.why_lost = ""
        self.held: dict[LeaseKind, dict[str, Lease]] = defaultdict(dict)
        self._database = database
        self._clock = clock
        self._remnants = remnants
        self._emit = emit

    def lose(self, why: str) -> None:
        """End the membership at once: nothing more is sent or written under it, whatever waits for the database."""
        if not self.lost.is_set():
            self.why_lost = why
            self.lost.set()
            self._remnants.add(self.number)
            self._database.sever()
            self._emit(MembershipLost(self.number, why))

    def holds(self, kind: LeaseKind, name: str) -> bool:
        """As `LeaseHolder.holds`."""
        return not self.lost.is_set() and name in self.held[kind]

    def get_database(self, kind: LeaseKind, name: str) -> Database:
        """As `LeaseHolder.get_database`."""
        return fence_lease(self._database, self.number, self.get_lease(kind, name), self._require_member)

    def make_permit(self, office_id: str, spacing_seconds: float) -> Permit:
        """As `LeaseHolder.make_permit`."""
        return OfficePermit(
            self._database.turns,
            self.number,
            self.get_lease(LeaseKind.OFFICE, office_id),
            spacing_seconds=spacing_seconds,
            clock=self._clock,
            remnants=self._remnants,
            is_lost=self.lost.is_set,
            lose=self.lose,
        )

    @property
    def own_database(self) -> Database:
        """The database for what this daemon writes under no lease; only while it is a member."""
        return fence_member(self._database, self.number, self._require_member)

    def get_lease(self, kind: LeaseKind, name: str) -> Lease:
        """A lease that is held.

        Raises:
            LeaseLost: It is not.
        """
        if not self.holds(kind, name):
            raise LeaseLost
        return self.held[kind][name]

    def _require_member(self) -> None:
        if self.lost.is_set():
            raise LeaseLost
