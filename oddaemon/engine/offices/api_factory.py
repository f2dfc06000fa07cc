"""Creates the API client from settings."""

from collections.abc import Callable
from datetime import datetime

from oddaemon.http_client.proxy import Proxy
from oddaemon.opendental.client import Api, Limits, Observer, TransportFactory
from oddaemon.opendental.rate_limiter import RateLimiter
from oddaemon.settings import ApiSettings


def create_api(
    settings: ApiSettings, observe: Observer, now: Callable[[], datetime], transport: TransportFactory | None
) -> Api:
    """The API of all offices, with the rate limiter that they share. Arguments as for `Api`."""
    return Api(
        RateLimiter(settings.max_in_flight, settings.max_requests_per_second),
        Limits(
            settings.connect_timeout_seconds,
            settings.request_timeout_seconds,
            settings.max_response_bytes,
            settings.key_change_seconds,
            settings.max_guarantors,
        ),
        observe,
        now,
        transport,
        proxy=None if settings.proxy_url is None else Proxy(settings.proxy_url),
    )
