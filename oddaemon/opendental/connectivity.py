"""Checks the connection to the API's host without a request: its name, a TCP connection, its certificate.

A failed request does not say which of the three failed; here each is a step of its own, and no key is used.
"""

import os
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

import anyio
import httpx
from anyio.abc import ByteStream
from anyio.streams.tls import TLSAttribute, TLSStream

from oddaemon.core.diagnostics.diagnosis import CheckName, Connectivity
from oddaemon.http_client.proxy import DEFAULT_PORTS, Proxy, describe_refused_tunnel
from oddaemon.http_client.tls import describe_untrusted, get_tls_reason

_HEAD_BYTES_MAX = 65_536
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})\b")


class _ConnectivityFailed(Exception):
    """A step failed."""

    def __init__(self, step: CheckName, message: str) -> None:
        super().__init__(message)
        self.step = step
        self.message = message


async def check_connectivity(
    base_url: str, tls: ssl.SSLContext, timeout_seconds: float, proxy: Proxy | None = None
) -> Connectivity:
    """Resolve the host, connect, do the TLS handshake, disconnect. The result says what failed.

    Args:
        base_url: Of the API.
        tls: Verifies the certificate.
        timeout_seconds: For each of the three steps.
        proxy: Resolved and connected to instead of the host, to which it opens the connection; None: none.
    """
    result = replace(make_unchecked_connectivity(base_url), proxy=proxy.address if proxy else "")
    host, port = (proxy.host, proxy.port) if proxy else (result.host, result.port)
    try:
        with _run_step(CheckName.DNS, timeout_seconds, "the name lookup timed out"):
            addresses = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        result = replace(result, addresses=tuple(dict.fromkeys(str(address[0]) for *_, address in addresses)))
        with _run_step(CheckName.CONNECTION, timeout_seconds, "the connection timed out"):
            stream: ByteStream = await anyio.connect_tcp(host, port)
        async with stream:
            if proxy is not None:
                with _run_step(CheckName.CONNECTION, timeout_seconds, "the proxy did not respond in time"):
                    stream = await _open_tunnel(stream, proxy, result, tls)
            return await _check_tls(stream, result, tls, timeout_seconds) if result.secure else result
    except _ConnectivityFailed as error:
        return replace(result, failed_at=error.step, message=error.message)


async def _open_tunnel(stream: ByteStream, proxy: Proxy, result: Connectivity, tls: ssl.SSLContext) -> ByteStream:
    if proxy.is_secure:
        stream = await TLSStream.wrap(
            stream, server_side=False, hostname=proxy.host, ssl_context=tls, standard_compatible=False
        )
    await stream.send(proxy.make_connect_head(result.host, result.port))
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _HEAD_BYTES_MAX:
        head += await stream.receive()
    status = _STATUS_LINE.match(head)
    if status is None or not httpx.codes.is_success(int(status.group(1))):
        refused = describe_refused_tunnel(proxy, int(status.group(1)) if status else None)
        raise _ConnectivityFailed(CheckName.CONNECTION, refused)
    return stream


async def _check_tls(
    stream: ByteStream, result: Connectivity, tls: ssl.SSLContext, timeout_seconds: float
) -> Connectivity:
    with _run_step(CheckName.TLS, timeout_seconds, "the TLS handshake timed out"):
        secured = await TLSStream.wrap(
            stream, server_side=False, hostname=result.host, ssl_context=tls, standard_compatible=False
        )
    protocol = str(secured.extra(TLSAttribute.tls_version))  # noqa: S610 - Django's rule, anyio's extra
    return replace(result, protocol=protocol, certificate_ends_at=_get_certificate_expiry(secured))


@contextmanager
def _run_step(name: CheckName, timeout_seconds: float, timeout_message: str) -> Iterator[None]:
    try:
        with anyio.fail_after(timeout_seconds):
            yield
    except TimeoutError:
        raise _ConnectivityFailed(name, timeout_message) from None
    except (OSError, UnicodeError, anyio.EndOfStream, anyio.BrokenResourceError) as error:
        raise _ConnectivityFailed(name, _describe_error(error)) from None


def make_unchecked_connectivity(base_url: str) -> Connectivity:
    """The result for a host that is reached without a network."""
    parts = urlsplit(base_url)
    return Connectivity(parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme], parts.scheme == "https")


def _describe_error(error: Exception) -> str:
    """The system's message, without error numbers and source locations."""
    text: object = "the host closed the connection"
    match error:
        case ssl.SSLCertVerificationError():
            text = describe_untrusted(error)
        case ssl.SSLError():
            # Its number is one of OpenSSL's, not of the system. Without a reason, the connection ended.
            reason = get_tls_reason(error)
            text = reason.replace("_", " ").lower() if reason else text
        case UnicodeError():
            text = "it is not a valid host name"
        case OSError() if error.errno and error.errno > 0:
            # The event loop replaces the system's message with its own, which quotes the address.
            text = os.strerror(error.errno).lower()
        case OSError() if error.strerror:
            text = error.strerror.lower()
        case OSError(__cause__=OSError() as first) | OSError(__cause__=ExceptionGroup(exceptions=[first, *_])):
            # Several addresses were tried: report the first failure.
            text = _describe_error(first)
    return str(text)


def _get_certificate_expiry(secured: TLSStream) -> datetime | None:
    certificate = secured.extra(TLSAttribute.peer_certificate) or {}  # noqa: S610 - as above
    ends = certificate.get("notAfter")
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC) if isinstance(ends, str) else None
