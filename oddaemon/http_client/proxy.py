"""Connections through a configured proxy, and whether a failure is the proxy's.

The proxy opens a tunnel (CONNECT); TLS goes through it from end to end, so it sees the name of the other side and no
key and no balance. Proxies of the environment are never used.
"""

import base64
import ssl
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

import httpx

from oddaemon.core.secret import Secret
from oddaemon.http_client.tls import describe_tls_error, find_tls_error, is_end_of_connection

DEFAULT_PORTS = {"https": 443, "http": 80}
TRACE = "trace"
"""The extension of a request that httpcore calls with each step."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """One proxy, from a checked URL."""

    url: Secret = field(repr=False)
    """It may contain credentials."""

    @property
    def address(self) -> str:
        """Host and port, for people."""
        return f"{self.host}:{self.port}"

    @property
    def host(self) -> str:
        """Name or address, without brackets."""
        return urlsplit(self.url.reveal()).hostname or ""

    @property
    def port(self) -> int:
        """As written, or that of the scheme."""
        parts = urlsplit(self.url.reveal())
        return parts.port or DEFAULT_PORTS[parts.scheme]

    @property
    def is_secure(self) -> bool:
        """Whether the connection to the proxy itself uses TLS."""
        return urlsplit(self.url.reveal()).scheme == "https"

    def make_httpx_proxy(self, tls: ssl.SSLContext) -> httpx.Proxy:
        """The same for an HTTP client; `tls` verifies the proxy's certificate if it has one."""
        return httpx.Proxy(self.url.reveal(), ssl_context=tls if self.is_secure else None)

    def make_connect_head(self, host: str, port: int) -> bytes:
        """The request that opens a tunnel."""
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        head = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{self._make_authorization()}\r\n"
        return head.encode("ascii")

    def _make_authorization(self) -> str:
        parts = urlsplit(self.url.reveal())
        if parts.username is None:
            return ""
        credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        return f"Proxy-Authorization: Basic {base64.b64encode(credentials).decode()}\r\n"


class TunnelTrace:
    """Follows one request through a proxy, to tell a failure of the proxy from one of the other side."""

    def __init__(self) -> None:
        self.is_opening = False
        """Whether the tunnel is being opened; a request on an open connection never is."""

    async def __call__(self, step: str, _details: object) -> None:
        """Called by httpcore."""
        if step == "connection.connect_tcp.started":
            self.is_opening = True
        elif step == "proxy.start_tls.started":
            self.is_opening = False


def is_disconnected(error: Exception) -> bool:
    """Whether an open tunnel was closed: by the proxy or by the other side, which looks the same."""
    if (tls_error := find_tls_error(error)) is not None:
        return is_end_of_connection(tls_error)
    return isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError)


def describe_proxy_error(error: Exception, proxy: Proxy) -> str:
    """Why a proxy opened no tunnel, as a clause. Nothing that the proxy wrote is quoted: it may echo credentials."""
    if isinstance(error, httpx.ProxyError):
        status = str(error).partition(" ")[0]
        return describe_refused_tunnel(proxy, int(status) if status.isdecimal() else None)
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return f"{proxy.address} did not respond in time"
    if (tls_error := find_tls_error(error)) is not None:
        return describe_tls_error(proxy.address, tls_error).rstrip(".")
    if isinstance(error, httpx.ConnectError):
        return f"{proxy.address} cannot be reached"
    return f"{proxy.address} closed the connection, or it is not an HTTP proxy"


def describe_refused_tunnel(proxy: Proxy, status: int | None) -> str:
    """The meaning of a proxy's answer to CONNECT that is not a success, as a clause."""
    match status:
        case None:
            return f"{proxy.address} is not an HTTP proxy"
        case httpx.codes.PROXY_AUTHENTICATION_REQUIRED:
            return f"{proxy.address} does not accept the user and password (HTTP 407)"
        case httpx.codes.FORBIDDEN | httpx.codes.METHOD_NOT_ALLOWED:
            return f"{proxy.address} does not allow connections to this host (HTTP {status})"
        case _:
            return f"{proxy.address} opened no connection to this host (HTTP {status})"
