"""What a daemon may do: everything, if it is the only one; in a fleet, what it holds a lease for."""

from typing import Protocol

from oddaemon.core.fleet.lease import LeaseKind
from oddaemon.opendental.rate_limiter import Permit
from oddaemon.store.database import Database


class LeaseHolder(Protocol):
    """Says what is this daemon's to do, and hands out the database that is written to while it does it."""

    @property
    def is_shared(self) -> bool:
        """Whether other daemons may do what this one does not."""
        ...

    def holds(self, kind: LeaseKind, name: str) -> bool:
        """Whether this daemon does it now."""
        ...

    def get_database(self, kind: LeaseKind, name: str) -> Database:
        """The database, as long as the lease is held: each later write raises LeaseLost.

        Raises:
            LeaseLost: It is not held.
        """
        ...

    def make_permit(self, office_id: str, spacing_seconds: float) -> Permit | None:
        """What is asked before each request to an office; None: nothing.

        Raises:
            LeaseLost: The office's lease is not held.
        """
        ...


class LeaseFollower(Protocol):
    """Runs what this daemon holds leases of one kind for."""

    def is_idle(self, name: str) -> bool:
        """Whether it can be stopped now without cutting anything off."""
        ...

    async def follow_leases(self) -> None:
        """Run what is held, and nothing else."""
        ...


class SoleHolder:
    """The holder of everything: the daemon on SQLite, whose lock on the file is its only lease."""

    is_shared = False

    def __init__(self, database: Database) -> None:
        self._database = database

    def holds(self, kind: LeaseKind, name: str) -> bool:  # noqa: ARG002 - as the protocol has it
        """As `LeaseHolder.holds`: always."""
        return True

    def get_database(self, kind: LeaseKind, name: str) -> Database:  # noqa: ARG002 - the same
        """As `LeaseHolder.get_database`: the database itself."""
        return self._database

    def make_permit(self, office_id: str, spacing_seconds: float) -> Permit | None:  # noqa: ARG002 - the same
        """As `LeaseHolder.make_permit`: none is needed."""
        return None
