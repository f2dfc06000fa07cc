"""What one host sees of its fleet."""

from dataclasses import dataclass
from datetime import datetime

from oddaemon.core.fleet.agreement import ConfigDifference
from oddaemon.store.fleet.members import MemberRow


@dataclass(frozen=True, slots=True)
class FleetView:
    """The fleet as this host saw it last."""

    at: datetime
    rows: tuple[MemberRow, ...]
    unheld: int
    """Offices that some member could hold and no living one does."""
    differences: tuple[ConfigDifference, ...]
