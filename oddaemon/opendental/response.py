"""One complete response within its size limit, or the failure instead.

Every way in which a request can fail is classified here. A failure quotes neither a key nor a successful body.
"""

import ssl
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import anyio
import httpx

from oddaemon.core.backoff import parse_retry_after
from oddaemon.core.failures.classify import (
    classify_response,
    classify_success_text,
    extract_message,
    shorten_message,
)
from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.failures.foreign_text import mask_values
from oddaemon.core.failures.origin import EXHAUSTED
from oddaemon.core.fleet.lease import LeaseLost
from oddaemon.core.secret import Secret
from oddaemon.http_client.host_errors import find_host_failure
from oddaemon.http_client.proxy import TRACE, Proxy, TunnelTrace, describe_proxy_error, is_disconnected
from oddaemon.http_client.tls import describe_untrusted, find_tls_error
from oddaemon.opendental.document import to_utf8

ERROR_BYTES_MAX = 20_000
"""The rest of an error's body is ignored."""


class ApiError(Exception):
    """A request failed; `failure` says why and who owns the problem.

    Args:
        failure: What happened, without values that the other side quoted.
        error_text: The error text as it was received; "": there is none.
        unforeseen: The exception of a library or of a parser that no rule expects; it is worth a traceback.
    """

    def __init__(self, failure: Failure, error_text: str = "", unforeseen: Exception | None = None) -> None:
        super().__init__(failure.sentence)
        self.failure = failure
        self.error_text = error_text
        self.unforeseen = unforeseen


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a response may take, how large it may be, and how long a key is tried after it was replaced."""

    connect_timeout_seconds: float
    request_timeout_seconds: float
    max_response_bytes: int
    key_change_seconds: float = 900.0
    max_guarantors: int = 1_000_000
    """Of one office."""


class Response(NamedTuple):
    """A complete response of any status."""

    status: int
    body: bytes
    retry_after: str | None
    charset: str | None = None
    """The encoding that the server names."""


class _RequestTrace:
    """Follows one request: through a proxy, and to the moment at which it leaves."""

    def __init__(self, tunnel: TunnelTrace, on_sent: Callable[[], None] | None) -> None:
        self._tunnel = tunnel
        self._on_sent = on_sent

    async def __call__(self, step: str, details: object) -> None:
        """Called by httpcore."""
        await self._tunnel(step, details)
        if self._on_sent is not None and step.endswith("send_request_headers.started"):
            self._on_sent()


async def send_request(
    client: httpx.AsyncClient,
    request: httpx.Request,
    limits: Limits,
    on_sent: Callable[[], None] | None = None,
    proxy: Proxy | None = None,
) -> Response:
    """Send a request and read the whole response within all limits.

    httpx limits each read of a body, not the whole body; this limits both. A cut spoils the client's connection, so it
    cannot be used afterwards; an action ends with its first failure anyway.

    Raises:
        ApiError: The response is too large, compressed or decompressed, or no complete response came.
        LeaseLost: `on_sent`, which is called just before the first byte, raised it; nothing was sent.
    """
    tunnel = TunnelTrace()
    if proxy is not None or on_sent is not None:
        request.extensions[TRACE] = _RequestTrace(tunnel, on_sent)
    try:
        with anyio.fail_after(limits.connect_timeout_seconds + limits.request_timeout_seconds):
            response = await client.send(request, stream=True)
            try:
                body = await _read_body(response, limits.max_response_bytes)
                retry_after = response.headers.get("Retry-After")
                return Response(response.status_code, body, retry_after, response.charset_encoding)
            finally:
                await response.aclose()
    except (ApiError, LeaseLost):
        raise
    except Exception as error:  # noqa: BLE001 - whatever the HTTP stack raises over what a server sent
        failure = find_host_failure(error)
        if proxy is not None and tunnel.is_opening and (failure is None or failure.kind not in EXHAUSTED):
            raise ApiError(Failure(FailureKind.PROXY, describe_proxy_error(error, proxy))) from None
        if failure is not None:
            raise ApiError(failure) from None
        is_foreseen = isinstance(error, httpx.HTTPError | httpx.InvalidURL | OSError | zlib.error | UnicodeError)
        unforeseen = None if is_foreseen else error
        if proxy is not None and is_disconnected(error):
            raise ApiError(Failure(FailureKind.PROXY_CONNECTION_LOST, proxy.address)) from None
        raise ApiError(_classify_transport_error(error), unforeseen=unforeseen) from None


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
    kind = classify_response(response.status, _read_text(response, secrets), query=is_query)
    message = _mask_message(extract_error_text(response, secrets))
    return Failure(kind, message, response.status, parse_retry_after(response.retry_after, now))


def extract_error_text(response: Response, secrets: Sequence[Secret]) -> str:
    """The error text as it was received: it may quote a patient's data, so it is neither stored nor logged."""
    return extract_message(_read_text(response, secrets), secrets)


def find_error_in_success(response: Response, secrets: Sequence[Secret], *, is_query: bool) -> Failure | None:
    """The known failure that the text of a success reports, if any."""
    text = _read_text(response, secrets)
    kind = classify_success_text(text, query=is_query)
    return None if kind is None else Failure(kind, _mask_message(extract_message(text, secrets)), response.status)


def _mask_message(text: str) -> str:
    return shorten_message(mask_values(text))


def _read_text(response: Response, secrets: Sequence[Secret]) -> str:
    """The beginning of a body, whatever its encoding, without the keys that the server echoes."""
    # Two bytes a character, at most four; a body of this length is decoded at once.
    body = to_utf8(response.body[: 4 * ERROR_BYTES_MAX], response.charset).body
    for secret in secrets:
        body = secret.mask_bytes(body)
    return body[:ERROR_BYTES_MAX].decode("utf-8", "replace")


def _classify_connect_error(error: httpx.ConnectError) -> Failure:
    """A rejected certificate hides in the cause of a ConnectError; other errors of TLS may pass."""
    tls_error = find_tls_error(error)
    if isinstance(tls_error, ssl.SSLCertVerificationError):
        return Failure(FailureKind.TLS, describe_untrusted(tls_error))
    return Failure(FailureKind.CONNECT, extract_message(str(error)))
