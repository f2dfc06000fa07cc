"""Creates the API client and an office's credentials from settings."""

from collections.abc import Callable
from datetime import datetime

from oddaemon.opendental.client import Api, Limits, Observer, OfficeCredentials, TransportFactory
from oddaemon.opendental.key_ring import KeyRing
from oddaemon.opendental.rate_limiter import RateLimiter
from oddaemon.settings import ApiSettings, OfficeSettings


def create_api(
    settings: ApiSettings, observe: Observer, now: Callable[[], datetime], transport: TransportFactory | None
) -> Api:
    """The API of all offices, with the rate limiter that they share. Arguments as for `Api`."""
    return Api(
        RateLimiter(settings.max_in_flight, settings.max_requests_per_second),
        Limits(settings.connect_timeout_seconds, settings.request_timeout_seconds, settings.max_response_bytes),
        observe,
        now,
        transport,
    )


def make_credentials(office: OfficeSettings, keys: KeyRing) -> OfficeCredentials:
    """Where and how to reach an office."""
    return OfficeCredentials(
        office.spec.id, office.base_url, office.developer_key, keys, office.min_interval_seconds, office.remote
    )
