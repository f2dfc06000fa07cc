"""The API as this house uses it: the way to every office. All that its callers need can be had from here.

Each office has a client of its own over one shared TLS context, open only while it is used: a pool shared by hundreds
of tasks collapses, and a request that was cut short leaves a dead place in it.
"""

import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import anyio
import httpx

from oddaemon import __version__
from oddaemon.core.examination import Reach
from oddaemon.opendental.answer import ApiError
from oddaemon.opendental.exchange import Access, ApiEvent, Exchange, Limits, Observer, Surroundings, host_of
from oddaemon.opendental.gate import Gate, Lane
from oddaemon.opendental.outage import Outage
from oddaemon.opendental.reach import reach, unreached
from oddaemon.opendental.session import Session, UploadTo
from oddaemon.telemetry.events import HeadquartersLeft

__all__ = [
    "Access",
    "Api",
    "ApiError",
    "ApiEvent",
    "Limits",
    "Observer",
    "OfficeApi",
    "Session",
    "TransportFactory",
    "UploadTo",
]

TransportFactory = Callable[[], httpx.AsyncBaseTransport]

KEEPALIVE_SECONDS = 30.0
"""Longer than any spacing of a key, shorter than what gateways allow an idle connection."""


class Api:
    """The way to every office: the gate, the TLS context and the limits that they share."""

    def __init__(
        self,
        gate: Gate,
        limits: Limits,
        observe: Observer,
        now: Callable[[], datetime],
        transport: TransportFactory | None = None,
    ) -> None:
        """Must be made inside the event loop that uses it.

        Args:
            gate: Every request passes it.
            limits: For each answer.
            observe: Told of each request as it starts and ends, when headquarters falls silent and answers again, and
                how the change of a key goes.
            now: The wall clock, for a Retry-After that is a date.
            transport: What carries requests; None: the network.
        """
        self.gate = gate
        self.now = now
        self.limits = limits
        self.around = Surroundings(limits, observe, now)
        self._outages: dict[str, Outage] = {}
        # To load the CA certificates takes as long as a hundred requests; without them a context accepts nobody.
        # Made by hand: the default context writes what decrypts every answer to the file that SSLKEYLOGFILE names.
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if transport is None:
            self._tls.load_default_certs()
        self._transport = transport

    def office(self, access: Access, former: "OfficeApi | None" = None) -> "OfficeApi":
        """One office's API, with its lane through the gate.

        Args:
            access: What it takes to ask it.
            former: The same office's before its settings changed: its lane is kept where the spacing stays, so that
                whoever still asks there is waited for.
        """
        if former is not None and former.has_the_pace_of(access):
            return OfficeApi(self, access, former.lane)
        return OfficeApi(self, access, self.gate.lane(access.min_interval_seconds, capped=access.remote))

    async def reach(self, base_url: str) -> Reach:
        """What it takes to get to the API's host, without a request."""
        if self._transport is not None:
            return unreached(base_url)
        return await reach(base_url, self._tls, self.limits.connect_timeout_seconds)

    def outage(self, base_url: str) -> Outage:
        """What is known of the headquarters at this address, by all of its offices together."""
        return self._outages.setdefault(base_url, Outage())

    def ask_only(self, base_urls: Iterable[str]) -> None:
        """Nobody else is asked from now on: the silence of other headquarters is forgotten."""
        for base_url in self._outages.keys() - set(base_urls):
            since = self._outages.pop(base_url).answered()
            if since is not None:
                self.around.observe(HeadquartersLeft(host_of(base_url), anyio.current_time() - since))

    def client(self, base_url: str) -> httpx.AsyncClient:
        """A fresh client of one connection, free of proxies and credentials of the environment."""
        return httpx.AsyncClient(
            base_url=base_url,
            transport=self._transport() if self._transport else None,
            verify=self._tls,
            trust_env=False,
            timeout=httpx.Timeout(
                self.limits.request_timeout_seconds, connect=self.limits.connect_timeout_seconds, pool=None
            ),
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEPALIVE_SECONDS),
            headers={
                "Accept-Encoding": "gzip",
                "Content-Type": "application/json",
                "User-Agent": f"oddaemon/{__version__}",
            },
        )


class OfficeApi:
    """One office's API."""

    def __init__(self, api: Api, access: Access, lane: Lane) -> None:
        self.lane = lane
        self._api = api
        self._access = access

    def has_the_pace_of(self, access: Access) -> bool:
        """Whether another access is asked in the same way."""
        paces = ((each.min_interval_seconds, each.remote) for each in (access, self._access))
        return len(set(paces)) == 1

    @property
    def min_interval_seconds(self) -> float:
        """Between two requests of the office's key."""
        return self._access.min_interval_seconds

    @property
    def former_key_for(self) -> timedelta:
        """For how long the former key of a change still asks while the configured one is not let in."""
        return timedelta(seconds=self._access.keys.seconds_left(anyio.current_time()))

    @asynccontextmanager
    async def session(self, *, configured_only: bool = False) -> AsyncIterator[Session]:
        """A connection kept alive for the requests of one action.

        Args:
            configured_only: Asked with the key that the configuration names, whatever the former one could do.
        """
        async with self._api.client(self._access.base_url) as client:
            access, lane, outage, around = self._access, self.lane, self._outage(), self._api.around
            yield Session(Exchange(access, lane, outage, client, around, configured_only=configured_only))

    def _outage(self) -> Outage:
        # An office on its own network has no headquarters: what it shows concerns nobody else.
        return self._api.outage(self._access.base_url) if self._access.remote else Outage()
