"""Diagnoses offices without a daemon, within the same rate limits."""

from collections.abc import Callable
from datetime import datetime

from oddaemon.core.diagnostics.diagnosis import Diagnosis
from oddaemon.engine.diagnostics.probe import ProbeTarget, ProgressCallback, diagnose
from oddaemon.engine.offices.api_factory import create_api
from oddaemon.opendental.client import TransportFactory
from oddaemon.settings import OfficeSettings, Settings
from oddaemon.telemetry.events.base import Event


class StandaloneDoctor:
    """Diagnoses the offices of one configuration. Create it inside the event loop that uses it."""

    def __init__(
        self, settings: Settings, now: Callable[[], datetime], transport: TransportFactory | None = None
    ) -> None:
        """Send nothing yet.

        Args:
            settings: Validated settings.
            now: The wall clock.
            transport: Creates the transport of requests. None: the network.
        """
        self._settings = settings
        self._api = create_api(settings.api, _ignore_event, now, transport)

    async def diagnose(self, office: OfficeSettings, progress: ProgressCallback = lambda _done, _of: None) -> Diagnosis:
        """Diagnose one office. No other process may use its key meanwhile."""
        settings = self._settings
        target = ProbeTarget(
            office, self._api.make_office_api(office.credentials), settings.api.developer_name, "doctor"
        )
        return await diagnose(target, self._api, progress)


def _ignore_event(_event: Event) -> None:
    """A standalone diagnosis writes no log."""
