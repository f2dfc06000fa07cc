"""What happens to the API that all offices share. See `Event` for what a field may hold."""

from dataclasses import dataclass
from typing import ClassVar

from oddaemon.telemetry.events.base import Event, Level
from oddaemon.telemetry.metrics.fleet import FleetMetrics


@dataclass(frozen=True, slots=True)
class HeadquartersDown(Event):
    """Several offices in a row met silence: from now on one request at a time finds out when it ends."""

    name: ClassVar[str] = "headquarters_down"
    level: ClassVar[Level] = Level.ERROR
    host: str
    """The host of the API."""

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """One more."""
        metrics.headquarters_down.inc()


@dataclass(frozen=True, slots=True)
class HeadquartersRecovered(Event):
    """Headquarters answer again, `seconds` after they were taken for down."""

    name: ClassVar[str] = "headquarters_recovered"
    host: str
    seconds: float

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """One less."""
        metrics.headquarters_down.dec()


@dataclass(frozen=True, slots=True)
class HeadquartersUnused(Event):
    """No office asks headquarters that were down any more, `seconds` later: nobody will hear when they are back."""

    name: ClassVar[str] = "headquarters_unused"
    host: str
    seconds: float

    def record_metrics(self, metrics: FleetMetrics) -> None:
        """One less."""
        metrics.headquarters_down.dec()
