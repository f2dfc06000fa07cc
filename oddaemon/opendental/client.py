"""The Open Dental API of all offices. Callers import everything they need from here.

Each office has its own HTTP client over one shared TLS context, open only while in use: a connection pool shared by
hundreds of tasks collapses, and a cancelled request leaves a dead slot in it.
"""

import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import anyio
import httpx

from oddaemon.core.diagnostics.diagnosis import Connectivity
from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.model import OfficeCredentials
from oddaemon.core.office.cadence import compute_phase
from oddaemon.http_client.proxy import Proxy
from oddaemon.http_client.redirect import detach_location
from oddaemon.http_client.tls import USER_AGENT, make_tls_context
from oddaemon.opendental.circuit_breaker import CircuitBreaker
from oddaemon.opendental.connectivity import check_connectivity, make_unchecked_connectivity
from oddaemon.opendental.key_ring import KeyRing
from oddaemon.opendental.rate_limiter import KeyLimiter, Permit, RateLimiter
from oddaemon.opendental.request_runner import DECODER_THREADS, Observer, RequestContext, get_host
from oddaemon.opendental.response import ApiError, Limits
from oddaemon.opendental.session import Session
from oddaemon.telemetry.events import ApiHostUsable, HeadquartersUnused

__all__ = ["Api", "ApiError", "Limits", "Observer", "OfficeApi", "Session", "TransportFactory"]

TransportFactory = Callable[[], httpx.AsyncBaseTransport]

KEEPALIVE_SECONDS = 30.0
"""Longer than any key's spacing, shorter than the idle time-out of gateways."""


class Api:
    """The API of all offices: their shared rate limiter, TLS context and limits."""

    def __init__(
        self,
        rate_limiter: RateLimiter,
        limits: Limits,
        observe: Observer,
        now: Callable[[], datetime],
        transport: TransportFactory | None = None,
        *,
        proxy: Proxy | None = None,
    ) -> None:
        """Create it inside the event loop that uses it.

        Args:
            rate_limiter: Of all requests.
            limits: For each response.
            observe: Called when a request starts and finishes, when headquarters goes down and recovers, and when a
                key rotation progresses.
            now: The wall clock, for a Retry-After that is a date.
            transport: Creates the transport of requests; None: the network.
            proxy: Between this machine and headquarters; None: requests go out directly.
        """
        self.rate_limiter = rate_limiter
        self.now = now
        self.limits = limits
        self._observe = observe
        self._circuit_breakers: dict[str, CircuitBreaker] = {}
        # Loading the CA certificates takes as long as a hundred requests; without them a context accepts no server.
        self._tls = make_tls_context() if transport is None else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._transport = transport
        self._proxy = proxy if transport is None else None
        self._decoder_limiter = anyio.CapacityLimiter(DECODER_THREADS)

    def make_office_api(
        self, credentials: OfficeCredentials, previous: "OfficeApi | None" = None, permit: Permit | None = None
    ) -> "OfficeApi":
        """One office's API, with the rate limiter of its key.

        Args:
            credentials: Where and how to reach the office.
            previous: The office's API before its settings changed: its key stays in use for a while, and with the same
                spacing its limiter does, so requests still in flight count.
            permit: What a fleet asks before each request; None: this daemon is the only one.
        """
        keys, key_limiter = KeyRing(credentials.customer_key), None
        if previous is not None:
            until = anyio.current_time() + self.limits.key_change_seconds
            keys = previous.context.keys.with_key(credentials.customer_key, until)
            if _get_spacing(previous.context.credentials) == _get_spacing(credentials):
                key_limiter = previous.context.key_limiter
                key_limiter.permit = permit
        # An office on its own network does not depend on headquarters; its failures say nothing about others.
        breaker = self._get_circuit_breaker(credentials.base_url) if credentials.remote else CircuitBreaker()
        context = RequestContext(
            credentials,
            keys,
            key_limiter
            or KeyLimiter(
                self.rate_limiter, credentials.min_interval_seconds, capped=credentials.remote, permit=permit
            ),
            breaker,
            self.limits,
            self._observe,
            self.now,
            self._decoder_limiter,
            self._choose_proxy(credentials),
        )
        return OfficeApi(context, self._make_client)

    async def check_connectivity(self, credentials: OfficeCredentials) -> Connectivity:
        """Check the connection to the API's host of an office without sending a request."""
        if self._transport is not None:
            return make_unchecked_connectivity(credentials.base_url)
        proxy = self._choose_proxy(credentials)
        return await check_connectivity(credentials.base_url, self._tls, self.limits.connect_timeout_seconds, proxy)

    def _choose_proxy(self, credentials: OfficeCredentials) -> Proxy | None:
        """The proxy for an office; None: an office on its own network is reached directly."""
        return self._proxy if credentials.remote else None

    def _get_circuit_breaker(self, base_url: str) -> CircuitBreaker:
        """The circuit breaker shared by all offices of the headquarters at this address."""
        return self._circuit_breakers.setdefault(base_url, CircuitBreaker())

    def retain_circuit_breakers(self, base_urls: Iterable[str]) -> None:
        """Drop the circuit breakers of headquarters that no office uses any more."""
        for base_url in self._circuit_breakers.keys() - set(base_urls):
            outage = self._circuit_breakers.pop(base_url).outage
            if outage is not None:
                ended = ApiHostUsable if outage.is_ours else HeadquartersUnused
                self._observe(ended(get_host(base_url), anyio.current_time() - outage.since))

    def _make_client(self, base_url: str, proxy: Proxy | None) -> httpx.AsyncClient:
        """A new client with one connection; it ignores proxies and credentials of the environment."""
        return httpx.AsyncClient(
            base_url=base_url,
            transport=self._transport() if self._transport else None,
            proxy=proxy.make_httpx_proxy(self._tls) if proxy else None,
            verify=self._tls,
            trust_env=False,
            timeout=httpx.Timeout(
                self.limits.request_timeout_seconds, connect=self.limits.connect_timeout_seconds, pool=None
            ),
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEPALIVE_SECONDS),
            event_hooks={"response": [detach_location]},
            headers={
                "Accept-Encoding": "gzip",
                "Content-Type": "application/json",
                "User-Agent": USER_AGENT,
            },
        )


class OfficeApi:
    """One office's API."""

    def __init__(self, context: RequestContext, make_client: Callable[[str, Proxy | None], httpx.AsyncClient]) -> None:
        self.context = context
        self._make_client = make_client

    @property
    def min_interval_seconds(self) -> float:
        """Between two requests with the office's key."""
        return self.context.credentials.min_interval_seconds

    @property
    def previous_key_time_left(self) -> timedelta:
        """How long the previous key stays in use while the configured one is not accepted."""
        return timedelta(seconds=self.context.keys.get_seconds_left(anyio.current_time()))

    def is_down_for_all(self, failure: Failure) -> bool:
        """Whether an outage of the API's host is why the office failed: it is reported for all of its offices."""
        outage = self.context.circuit_breaker.outage
        is_same = outage is not None and outage.is_ours and outage.cause.kind is failure.kind
        return failure.kind is FailureKind.HEADQUARTERS_DOWN or is_same

    async def wait_for_turn(self) -> None:
        """After a failure of the API's host: wait until the office may ask again, before its own wait ends."""
        office_id = self.context.credentials.office_id
        await self.context.circuit_breaker.wait_for_turn(office_id, compute_phase(office_id))

    @asynccontextmanager
    async def session(self, *, configured_only: bool = False) -> AsyncIterator[Session]:
        """A connection for the requests of one action.

        Args:
            configured_only: Use the configured key only, even while the previous one would still work.

        Raises:
            ApiError: No host can have this address, or it is down and another office tests it.
        """
        # Before a client is made: in an outage it would only be thrown away, ten thousand times.
        refusal = self.context.circuit_breaker.refuse(self.context.credentials.office_id, anyio.current_time())
        if refusal is not None:
            raise ApiError(refusal)
        try:
            client = self._make_client(self.context.credentials.base_url, self.context.proxy)
        except (httpx.InvalidURL, UnicodeError):  # a name such as xn--a.com
            raise ApiError(Failure(FailureKind.CONNECT, "`base_url` is not a valid address")) from None
        async with client:
            yield Session(self.context, client, configured_only=configured_only)


def _get_spacing(credentials: OfficeCredentials) -> tuple[float, bool]:
    """How the requests with the office's key are limited."""
    return credentials.min_interval_seconds, credentials.remote
