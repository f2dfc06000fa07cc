"""One complete response within its size limit, or the failure instead.

Every way in which a request can fail is classified here. A failure quotes neither a key nor a successful body.
"""

import ssl
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import anyio
import httpx

from oddaemon.core.backoff import parse_retry_after
from oddaemon.core.failures.classify import classify_response, extract_message
from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.secret import Secret
from oddaemon.http_client.tls import find_tls_error

ERROR_BYTES_MAX = 20_000
"""The rest of an error's body is ignored."""


class ApiError(Exception):
    """A request failed; `failure` says why and who owns the problem."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.sentence)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a response may take, how large it may be, and how long a key is tried after it was replaced."""

    connect_timeout_seconds: float
    request_timeout_seconds: float
    max_response_bytes: int
    key_change_seconds: float = 900.0


class Response(NamedTuple):
    """A complete response of any status."""

    status: int
    body: bytes
    retry_after: str | None


async def send_request(client: httpx.AsyncClient, request: httpx.Request, limits: Limits) -> Response:
    """Send a request and read the whole response within all limits.

    httpx limits each read of a body, not the whole body; this limits both. A cut spoils the client's connection, so it
    cannot be used afterwards; an action ends with its first failure anyway.

    Raises:
        ApiError: The response is too large, compressed or decompressed, or no complete response came.
    """
    try:
        with anyio.fail_after(limits.connect_timeout_seconds + limits.request_timeout_seconds):
            response = await client.send(request, stream=True)
            try:
                body = await _read_body(response, limits.max_response_bytes)
                return Response(response.status_code, body, response.headers.get("Retry-After"))
            finally:
                await response.aclose()
    except (httpx.HTTPError, OSError, zlib.error, UnicodeError) as error:
        # UnicodeError: httpx parses the target of a redirect, although none is followed, and may not be able to.
        raise ApiError(_classify_transport_error(error)) from None


async def _read_body(response: httpx.Response, bytes_max: int) -> bytes:
    """The whole body, decompressed here: httpx would decompress it without a limit."""
    is_gzip = response.headers.get("Content-Encoding", "").strip().lower() in {"gzip", "x-gzip"}
    decompressor = zlib.decompressobj(zlib.MAX_WBITS | 16) if is_gzip else None
    body = bytearray()
    sent_bytes = 0
    async for chunk in response.aiter_raw():
        # Counted too: gzip blocks may decompress to nothing, and data may follow the end of the stream.
        sent_bytes += len(chunk)
        body += decompressor.decompress(chunk, bytes_max + 1 - len(body)) if decompressor else chunk
        if max(sent_bytes, len(body)) > bytes_max:
            raise ApiError(Failure(FailureKind.OVERSIZED, f"more than {bytes_max} bytes", response.status_code))
    return bytes(body)


def _classify_transport_error(error: Exception) -> Failure:
    """Classify an exception that prevented a complete response."""
    match error:
        case httpx.ConnectTimeout():
            return Failure(FailureKind.CONNECT, "the connection timed out")
        case httpx.TimeoutException() | TimeoutError():
            return Failure(FailureKind.TIMEOUT)
        case httpx.ConnectError():
            return _classify_connect_error(error)
        case zlib.error():
            return Failure(FailureKind.MALFORMED, "the response is not valid gzip")
        case _:  # includes TLS errors after the handshake, which are OSErrors
            return Failure(FailureKind.CONNECTION_LOST, type(error).__name__)


def classify_error_response(response: Response, secrets: Sequence[Secret], now: datetime, *, is_query: bool) -> Failure:
    """Classify a response that is not a success.

    Args:
        response: Any status but 2xx.
        secrets: What the server may echo; masked.
        now: For a Retry-After that is a date.
        is_query: Whether the request was a query, with its rows in the response or in a file.
    """
    body = response.body
    for secret in secrets:
        body = secret.mask_bytes(body)
    text = body[:ERROR_BYTES_MAX].decode("utf-8", "replace")
    kind = classify_response(response.status, text, query=is_query)
    return Failure(kind, extract_message(text, secrets), response.status, parse_retry_after(response.retry_after, now))


def _classify_connect_error(error: httpx.ConnectError) -> Failure:
    """A rejected certificate hides in the cause of a ConnectError; other errors of TLS may pass."""
    tls_error = find_tls_error(error)
    if isinstance(tls_error, ssl.SSLCertVerificationError):
        return Failure(FailureKind.TLS, tls_error.verify_message)
    return Failure(FailureKind.CONNECT, extract_message(str(error)))
