"""What the parts of one daemon share."""

import random
from dataclasses import dataclass

from oddaemon.daemon.lifecycle import Lifecycle
from oddaemon.engine.config.active_config import ActiveConfig
from oddaemon.engine.delivery.courier_pool import SinkFactory
from oddaemon.engine.journal.recorder import JournalRecorder
from oddaemon.engine.offices.fleet_state import FleetState
from oddaemon.opendental.client import TransportFactory
from oddaemon.settings import Settings
from oddaemon.telemetry.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class DaemonContext:
    """From the daemon's start to its end; the database and what needs it come later."""

    configuration: ActiveConfig
    lifecycle: Lifecycle
    fleet: FleetState
    journal: JournalRecorder
    telemetry: Telemetry
    rng: random.Random
    """For back-off."""
    transport: TransportFactory | None
    """Carries the requests; None: the network."""
    make_sink: SinkFactory

    @property
    def settings(self) -> Settings:
        """The active settings."""
        return self.configuration.settings
