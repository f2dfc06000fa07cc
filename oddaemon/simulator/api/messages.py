"""What travels between a client and headquarters, free of any transport.

The in-process transport and the socket server both carry these values, so that a fault planted once looks the same on
either. Header names are lower case.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

API_PREFIX = "/api/v1"


class Endpoint(Enum):
    """Which of the calls a request is."""

    PREFERENCES = "preferences"
    SHORT_QUERY = "short_query"
    CLINICS = "clinics"
    AGING_REPORT = "aging_report"
    QUERY_UPLOAD = "query_upload"
    UNKNOWN = "unknown"


class ConnectionFailure(Enum):
    """How a connection fails an answer.

    Attributes:
        NO_CONNECTION: the client waits in vain to be connected.
        REFUSED: connection refused.
        STALL: the connection stays open and nothing more comes.
        RESET: connection reset by peer.
        CLOSE: connection closed before the announced length.
    """

    NO_CONNECTION = "no_connection"
    REFUSED = "refused"
    STALL = "stall"
    RESET = "reset"
    CLOSE = "close"


@dataclass(frozen=True)
class TransportFault:
    """A fault of the connection itself, after `after_bytes` bytes of the body, or before the head when that is None."""

    failure: ConnectionFailure
    after_bytes: int | None = None


@dataclass(frozen=True)
class ApiRequest:
    """One request as headquarters reads it. `remote` names the connection that it came over."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    remote: str = "?"

    @property
    def endpoint(self) -> Endpoint:
        """The call that method and path ask for."""
        return _ENDPOINTS.get((self.method, self.path.rstrip("/").lower()), Endpoint.UNKNOWN)


@dataclass(frozen=True)
class ApiResponse:
    """One answer; `wire` says what the connection does to it on the way."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)
    transport_fault: TransportFault | None = None


class RequestHandler(Protocol):
    """Answers requests: headquarters alone, or with the control API in front."""

    async def handle(self, request: ApiRequest) -> ApiResponse:
        """The answer, after the time that it takes."""
        ...


_ENDPOINTS = {
    ("GET", f"{API_PREFIX}/preferences"): Endpoint.PREFERENCES,
    ("PUT", f"{API_PREFIX}/queries/shortquery"): Endpoint.SHORT_QUERY,
    ("POST", f"{API_PREFIX}/queries"): Endpoint.QUERY_UPLOAD,
    ("GET", f"{API_PREFIX}/clinics"): Endpoint.CLINICS,
    ("GET", f"{API_PREFIX}/reports/aging"): Endpoint.AGING_REPORT,
}
