"""Where each office's snapshots go, and who is told of a new one: all that an office's worker knows of sinks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class DeliveryRoutes:
    """Written by whoever applies the configuration, read by every publication."""

    by_office: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The names of the sinks that each office's snapshots go to, by the office's id."""
    on_queued: Callable[[tuple[str, ...]], None] = lambda _: None
    """Told which sinks have something new to fetch; must not wait."""

    def get_sinks(self, office_id: str) -> tuple[str, ...]:
        """Where a snapshot of this office is to be delivered."""
        return self.by_office.get(office_id, ())
