"""Requests and responses between a client and headquarters, independent of the transport.

The in-process transport and the socket server both carry these values, so a planted fault looks the same on both.
Header names are lower case.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

API_PREFIX = "/api/v1"


class Endpoint(Enum):
    """The API call that a request makes."""

    PREFERENCES = "preferences"
    SHORT_QUERY = "short_query"
    CLINICS = "clinics"
    AGING_REPORT = "aging_report"
    QUERY_UPLOAD = "query_upload"
    UNKNOWN = "unknown"


class ConnectionFailure(Enum):
    """How a connection fails.

    Attributes:
        NO_CONNECTION: the connection is never established.
        REFUSED: connection refused.
        STALL: the connection stays open and sends nothing more.
        RESET: connection reset by peer.
        CLOSE: connection closed before the announced length.
        UNTRUSTED: the server shows a certificate that the client does not trust.
        NO_NAME: the client's resolver does not find the name of the host.
        NO_ROUTE: the client's machine has no route to the host.
        NO_FILES: the client's machine has no file descriptor left for a socket.
    """

    NO_CONNECTION = "no_connection"
    REFUSED = "refused"
    STALL = "stall"
    RESET = "reset"
    CLOSE = "close"
    UNTRUSTED = "untrusted"
    NO_NAME = "no_name"
    NO_ROUTE = "no_route"
    NO_FILES = "no_files"

    @property
    def is_before_connection(self) -> bool:
        """Whether there never is a connection."""
        return self not in {ConnectionFailure.STALL, ConnectionFailure.RESET, ConnectionFailure.CLOSE}


@dataclass(frozen=True)
class BrokenConnection:
    """The connection fails, before the head (`after_bytes` None) or after that many bytes of the body."""

    cut: ConnectionFailure
    after_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.after_bytes is not None and self.cut.is_before_connection:
            raise ValueError(f"A connection that was never made cannot break after {self.after_bytes} bytes.")


@dataclass(frozen=True)
class ApiRequest:
    """One request as headquarters reads it.

    Attributes:
        remote: the name of its connection.
        client: the name of its sender.
        arrived_at: when its last byte arrived, on the event loop's clock; None: it is read as soon as it arrives.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    remote: str = "?"
    client: str = "?"
    arrived_at: float | None = None

    @property
    def endpoint(self) -> Endpoint:
        """The call that the method and path select."""
        return _ENDPOINTS.get((self.method, self.path.rstrip("/").lower()), Endpoint.UNKNOWN)


@dataclass(frozen=True)
class ApiResponse:
    """One response, and the failure of the connection that carries it."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)
    transport_fault: BrokenConnection | None = None


class RequestHandler(Protocol):
    """Answers requests: headquarters alone, or the control API in front of it."""

    async def handle(self, request: ApiRequest) -> ApiResponse:
        """Return the response, after the time that it takes."""
        ...


_ENDPOINTS = {
    ("GET", f"{API_PREFIX}/preferences"): Endpoint.PREFERENCES,
    ("PUT", f"{API_PREFIX}/queries/shortquery"): Endpoint.SHORT_QUERY,
    ("POST", f"{API_PREFIX}/queries"): Endpoint.QUERY_UPLOAD,
    ("GET", f"{API_PREFIX}/clinics"): Endpoint.CLINICS,
    ("GET", f"{API_PREFIX}/reports/aging"): Endpoint.AGING_REPORT,
}
