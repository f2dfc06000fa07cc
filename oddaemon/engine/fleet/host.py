"""What a host brings into its fleet: its name, its network, and how often it renews."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FleetTiming:
    """How often a member renews and looks, in seconds."""

    lease: float = 15.0
    """From a renewal to the moment at which others may write that this member is gone; by the database's clock."""

    @property
    def renewal(self) -> float:
        """Between two renewals."""
        return self.lease / 3

    @property
    def trust(self) -> float:
        """From the sending of a renewal to the end of what may be done by it; by this machine's clock."""
        return self.lease - max(1.0, min(2.0, self.lease / 6))

    @property
    def look(self) -> float:
        """Between two looks at members and leases, unless another host calls."""
        return self.lease / 6


@dataclass(frozen=True, slots=True)
class HostIdentity:
    """Who joins."""

    host: str
    network: str
    version: str
    revision: str
    """The newest revision of the tables that this program knows."""
    address: str = ""
    """Where the host's pages are served."""
