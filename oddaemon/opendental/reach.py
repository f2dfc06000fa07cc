"""How far it is to the API's host, without asking it anything: its name, a connection, its certificate.

A request that fails says only that it failed; here each of the three is tried by itself, and none of it counts against
anybody's key.
"""

import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import SplitResult, urlsplit

import anyio
from anyio.abc import ByteStream
from anyio.streams.tls import TLSAttribute, TLSStream

from oddaemon.core.examination import Reach, StepName

_PORTS = {"https": 443, "http": 80}


class _StoppedError(Exception):
    """Something was in the way."""

    def __init__(self, at: StepName, message: str) -> None:
        super().__init__(message)
        self.at = at
        self.message = message


async def reach(base_url: str, tls: ssl.SSLContext, patience_seconds: float) -> Reach:
    """Look the host up, connect, shake hands, hang up; never raises over what goes wrong.

    Args:
        base_url: Of the API.
        tls: What certificates are checked with.
        patience_seconds: For each of the three.
    """
    host, port, secure = _place(urlsplit(base_url))
    found = Reach(host, port, secure)
    try:
        with _trying(StepName.NAME, patience_seconds, "no name server answers in time"):
            places = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        found = replace(found, addresses=tuple(dict.fromkeys(str(address[0]) for *_, address in places)))
        with _trying(StepName.CONNECTION, patience_seconds, "nobody answers in time"):
            stream = await anyio.connect_tcp(host, port)
        async with stream:
            return await _secured(stream, found, tls, patience_seconds) if secure else found
    except _StoppedError as stopped:
        return replace(found, failed_at=stopped.at, message=stopped.message)


async def _secured(stream: ByteStream, found: Reach, tls: ssl.SSLContext, patience_seconds: float) -> Reach:
    with _trying(StepName.TLS, patience_seconds, "no handshake in time"):
        secured = await TLSStream.wrap(
            stream, server_side=False, hostname=found.host, ssl_context=tls, standard_compatible=False
        )
    protocol = str(secured.extra(TLSAttribute.tls_version))  # noqa: S610 - Django's rule, anyio's extra
    return replace(found, protocol=protocol, certificate_ends_at=_end(secured))


@contextmanager
def _trying(name: StepName, patience_seconds: float, in_vain: str) -> Iterator[None]:
    try:
        with anyio.fail_after(patience_seconds):
            yield
    except TimeoutError:
        raise _StoppedError(name, in_vain) from None
    except (OSError, UnicodeError, anyio.EndOfStream, anyio.BrokenResourceError) as error:
        raise _StoppedError(name, _words(error)) from None


def unreached(base_url: str) -> Reach:
    """The way to a host that is reached without a network."""
    return Reach(*_place(urlsplit(base_url)))


def _place(parts: SplitResult) -> tuple[str, int, bool]:
    return parts.hostname or "", parts.port or _PORTS[parts.scheme], parts.scheme == "https"


def _words(error: Exception) -> str:
    """What the system says, without its numbers and places in C."""
    words: object = "the other side hung up"
    match error:
        case ssl.SSLCertVerificationError():
            words = error.verify_message
        case ssl.SSLError() if error.reason:
            words = error.reason.replace("_", " ").lower()
        case UnicodeError():
            words = "it is no name of a host"
        case OSError() if error.errno and error.errno > 0:
            # The event loop puts words of its own, with the address in them, where the system's should stand.
            words = os.strerror(error.errno).lower()
        case OSError() if error.strerror:
            words = error.strerror.lower()
        case OSError(__cause__=OSError() as first) | OSError(__cause__=ExceptionGroup(exceptions=[first, *_])):
            # Several addresses were tried: what befell the first says enough.
            words = _words(first)
    return str(words)


def _end(secured: TLSStream) -> datetime | None:
    certificate = secured.extra(TLSAttribute.peer_certificate) or {}  # noqa: S610 - as above
    ends = certificate.get("notAfter")
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC) if isinstance(ends, str) else None
