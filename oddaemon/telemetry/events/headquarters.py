"""Events of the API that all offices share. See `Event` for what a field may hold."""

from dataclasses import dataclass
from typing import ClassVar

from oddaemon.telemetry.events.base import Event, Level
from oddaemon.telemetry.metrics.fleet import FleetMetrics


@dataclass(frozen=True, slots=True)
class HeadquartersDown(Event):
    """Several offices in a row received no answer. From now on one request at a time probes the host."""

    name: ClassVar[str] = "headquarters_down"
    level: ClassVar[Level] = Level.ERROR
    host: str
    """The host of the API."""

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.headquarters_down.inc()


@dataclass(frozen=True, slots=True)
class HeadquartersRecovered(Event):
    """Headquarters answers again, `seconds` after it was found to be down."""

    name: ClassVar[str] = "headquarters_recovered"
    host: str
    seconds: float

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.headquarters_down.dec()


@dataclass(frozen=True, slots=True)
class HeadquartersUnused(Event):
    """No office uses a host that was down any more, so its recovery will not be noticed. `seconds` since then."""

    name: ClassVar[str] = "headquarters_unused"
    host: str
    seconds: float

    def record_metrics(self, metrics: FleetMetrics) -> None:
        metrics.headquarters_down.dec()
