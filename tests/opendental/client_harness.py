"""One office's API with a server of the test's own behind it, and everything that was observed meanwhile."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import anyio
import httpx
import pytest

from oddaemon.core.failures.failure import Failure
from oddaemon.core.model import OfficeCredentials
from oddaemon.core.secret import Secret
from oddaemon.http_client.proxy import Proxy
from oddaemon.opendental.client import Api, ApiError, Limits, OfficeApi, Session
from oddaemon.opendental.rate_limiter import RateLimiter
from oddaemon.simulator.api.messages import ApiRequest, ApiResponse
from oddaemon.simulator.transport.httpx_transport import SimulatedTransport
from oddaemon.telemetry.events import RequestFinished, RequestStarted
from oddaemon.telemetry.events.base import Event

DEVELOPER_KEY = "plantedDeveloperKey"
CUSTOMER_KEY = "plantedCustomerKey"
AUTHORIZATION = f"ODFHIR {DEVELOPER_KEY}/{CUSTOMER_KEY}"
BASE_URL = "https://api.example.com/api/v1"
NOW = datetime(2026, 3, 3, 10, 0, tzinfo=UTC)
LIMITS = Limits(connect_timeout_seconds=10.0, request_timeout_seconds=65.0, max_response_bytes=65_536)
MAX_IN_FLIGHT = 64
MAX_REQUESTS_PER_SECOND = 1e6
JSON = ("content-type", "application/json; charset=utf-8")
GZIP = ("content-encoding", "gzip")
ROWS = b'[{"One":1}]'


@dataclass
class ClientHarness:
    """What it takes to ask, and what was observed."""

    rate_limiter: RateLimiter
    api: Api
    office: OfficeApi
    credentials: OfficeCredentials
    events: list[Event] = field(default_factory=list)

    @property
    def finished(self) -> list[RequestFinished]:
        return [event for event in self.events if isinstance(event, RequestFinished)]

    @property
    def outcomes(self) -> list[tuple[str, int | None]]:
        """Of each request that ended. Each must have begun, once, and just before."""
        starts = [start for start in self.events[::2] if isinstance(start, RequestStarted)]
        ends = [end for end in self.events[1::2] if isinstance(end, RequestFinished)]
        assert len(starts) == len(ends) == len(self.events) / 2
        assert [start.kind for start in starts] == [end.kind for end in ends]
        return [(event.outcome, event.status) for event in self.finished]


def make_harness(
    transport: Callable[[], httpx.AsyncBaseTransport] | None = None,
    *,
    base_url: str = BASE_URL,
    limits: Limits = LIMITS,
    interval_seconds: float = 0.0,
    remote: bool = True,
    proxy: Proxy | None = None,
) -> ClientHarness:
    events: list[Event] = []
    rate_limiter = RateLimiter(MAX_IN_FLIGHT, MAX_REQUESTS_PER_SECOND)
    api = Api(rate_limiter, limits, events.append, lambda: NOW, transport, proxy=proxy)
    credentials = OfficeCredentials(
        "elm", Secret(DEVELOPER_KEY), Secret(CUSTOMER_KEY), base_url, interval_seconds, remote
    )
    return ClientHarness(rate_limiter, api, api.make_office_api(credentials), credentials, events)


class ScriptedServer:
    """Gives its answers in turn, the last one for ever, and keeps the requests."""

    def __init__(self, *answers: ApiResponse) -> None:
        self._answers = list(answers)
        self.requests: list[ApiRequest] = []

    async def handle(self, request: ApiRequest) -> ApiResponse:
        self.requests.append(request)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def make_transport(self) -> httpx.AsyncBaseTransport:
        return SimulatedTransport(self)


def make_response(body: bytes | str, status: int = 200, *headers: tuple[str, str]) -> ApiResponse:
    return ApiResponse(status, (JSON, *headers), body.encode() if isinstance(body, str) else body)


async def get_query_failure(session: Session) -> Failure:
    with pytest.raises(ApiError) as caught:
        await session.query("SELECT 1 AS One", list)
    return caught.value.failure


async def get_failure(site: ScriptedServer, limits: Limits = LIMITS) -> Failure:
    """The failure of a query that the site answers."""
    async with make_harness(site.make_transport, limits=limits).office.session() as session:
        return await get_query_failure(session)


@asynccontextmanager
async def open_session(
    site: ScriptedServer, *, base_url: str = BASE_URL, limits: Limits = LIMITS
) -> AsyncIterator[tuple[Session, ClientHarness]]:
    harness = make_harness(site.make_transport, base_url=base_url, limits=limits)
    async with harness.office.session() as session:
        yield session, harness


class DrippingTransport(httpx.AsyncBaseTransport, httpx.AsyncByteStream):
    """Sends its body a byte at a time."""

    def __init__(self, pause_seconds: float, error: Exception | None = None) -> None:
        self._pause_seconds = pause_seconds
        self._error = error
        self.closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        del request
        return httpx.Response(200, stream=self)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for byte in ROWS:
            await anyio.sleep(self._pause_seconds)
            yield bytes([byte])
            if self._error is not None:
                raise self._error

    async def aclose(self) -> None:
        self.closed = True
