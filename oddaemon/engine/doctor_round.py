"""A doctor of its own: examines offices that no daemon watches, at the pace of their keys and within the same caps."""

from collections.abc import Callable
from datetime import datetime

from oddaemon.core.examination import Examination
from oddaemon.engine.doctor import Case, Progress, examine
from oddaemon.opendental.client import Access, Api, ApiEvent, Limits, TransportFactory
from oddaemon.opendental.gate import Gate
from oddaemon.opendental.keys import KeyRing
from oddaemon.settings import OfficeSettings, Settings


class Doctor:
    """Examines the offices of one configuration. Make it inside the event loop that uses it."""

    def __init__(
        self, settings: Settings, now: Callable[[], datetime], transport: TransportFactory | None = None
    ) -> None:
        """Nothing is asked yet.

        Args:
            settings: Checked ones.
            now: The wall clock.
            transport: What carries requests; None: the network.
        """
        api = settings.api
        self._settings = settings
        self._api = Api(
            Gate(api.max_in_flight, api.max_requests_per_second),
            Limits(api.connect_timeout_seconds, api.request_timeout_seconds, api.max_response_bytes),
            _unheard,
            now,
            transport,
        )

    async def examine(self, office: OfficeSettings, progress: Progress = lambda _done, _of: None) -> Examination:
        """Examine one office. Nobody else may ask with its key meanwhile."""
        settings = self._settings
        access = Access(
            office_id=office.office.id,
            base_url=office.base_url,
            developer_key=settings.api.developer_key.reveal(),
            keys=KeyRing(office.customer_key.reveal()),
            min_interval_seconds=office.min_interval_seconds,
            remote=office.remote,
        )
        case = Case(office, self._api.office(access), settings.cadence, settings.api.developer_name, "doctor")
        return await examine(case, self._api, progress)


def _unheard(_event: ApiEvent) -> None:
    """A doctor keeps no log."""
