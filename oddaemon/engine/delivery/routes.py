"""The sinks of each office: all that an office's worker knows about deliveries."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class DeliveryRoutes:
    """Written when a configuration is applied, read by each publication."""

    by_office: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The names of the sinks that each office's snapshots go to, by the office's id."""
    on_queued: Callable[[tuple[str, ...]], None] = lambda _: None
    """Called with the sinks that have new deliveries; must not wait."""

    def get_sinks(self, office_id: str) -> tuple[str, ...]:
        """The sinks of an office."""
        return self.by_office.get(office_id, ())
