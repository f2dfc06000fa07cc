"""Diagnoses offices without a daemon, within the same rate limits."""

from collections.abc import Callable
from datetime import datetime

from oddaemon.core.diagnostics.diagnosis import Diagnosis
from oddaemon.engine.diagnostics.probe import ProbeTarget, ProgressCallback, diagnose
from oddaemon.opendental.client import Api, ApiEvent, Limits, OfficeCredentials, TransportFactory
from oddaemon.opendental.key_ring import KeyRing
from oddaemon.opendental.rate_limiter import RateLimiter
from oddaemon.settings import OfficeSettings, Settings


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
        api = settings.api
        self._settings = settings
        self._api = Api(
            RateLimiter(api.max_in_flight, api.max_requests_per_second),
            Limits(api.connect_timeout_seconds, api.request_timeout_seconds, api.max_response_bytes),
            _ignore_event,
            now,
            transport,
        )

    async def diagnose(self, office: OfficeSettings, progress: ProgressCallback = lambda _done, _of: None) -> Diagnosis:
        """Diagnose one office. No other process may use its key meanwhile."""
        settings = self._settings
        credentials = OfficeCredentials(
            office_id=office.office.id,
            base_url=office.base_url,
            developer_key=settings.api.developer_key,
            keys=KeyRing(office.customer_key),
            min_interval_seconds=office.min_interval_seconds,
            remote=office.remote,
        )
        target = ProbeTarget(
            office, self._api.make_office_api(credentials), settings.cadence, settings.api.developer_name, "doctor"
        )
        return await diagnose(target, self._api, progress)


def _ignore_event(_event: ApiEvent) -> None:
    """A standalone diagnosis writes no log."""
