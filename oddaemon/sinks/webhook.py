"""Delivers by HTTPS POST: signed, in parts, and with the same content under the same id at every attempt.

The signature is that of Standard Webhooks: HMAC-SHA256 over `webhook-id.webhook-timestamp.body`, where the body is the
JSON text before compression, as in the reference libraries. Each part of a delivery is one request, with `part` and
`parts` in it: a receiver applies all parts together when it has the last one, and nothing of an incomplete delivery.
Each attempt starts with part 1. It may be split differently from the previous one if the configuration changed, so a
request's id includes a checksum of its body: a receiver that ignores known ids loses no row. Any 2xx acknowledges.
Redirects are not followed: they would send balances to an address that is not configured. The receiver's response is
never shown or logged: it may quote the request.
"""

import base64
import gzip
import hashlib
import hmac
import io
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from http import HTTPStatus
from urllib.parse import urlsplit
from zlib import crc32

import anyio
import anyio.to_thread
import httpx

from oddaemon.core.backoff import parse_retry_after
from oddaemon.core.failures.failure import FailureKind
from oddaemon.core.reporting.formatting import format_instant
from oddaemon.core.snapshot.payload import Payload
from oddaemon.http_client.host_errors import find_host_failure
from oddaemon.http_client.proxy import TRACE, Proxy, TunnelTrace, describe_proxy_error, is_disconnected
from oddaemon.http_client.tls import USER_AGENT, describe_tls_error, find_tls_error, make_tls_context
from oddaemon.sinks.formats.columns import Row
from oddaemon.sinks.formats.export import FileFormat, Layout, write_rows
from oddaemon.sinks.formats.text import Envelope
from oddaemon.sinks.payload import DeliveryFailed, build_metadata, build_rows, get_columns

RESPONSE_BYTES_MAX = 65_536
"""Read and discarded, so that the connection can be reused; a longer response closes it."""
KEEPALIVE_SECONDS = 30.0
ROWS_INLINE_MAX = 200
"""Rendered, signed and compressed on the event loop, in less than a millisecond; more rows in a thread."""
_GZIP_LEVEL = 6
_HEADERS = {"user-agent": USER_AGENT, "content-type": "application/json", "accept": "*/*"}


@dataclass(frozen=True, slots=True)
class WebhookOptions:
    """How to reach a receiver."""

    url: str = field(repr=False)
    """It may contain a secret: only its host is shown."""
    secret: bytes = field(repr=False)
    rows_max: int
    timeout_seconds: float
    compressed: bool
    proxy: Proxy | None = None


class Webhook:
    """One receiver of signed requests.

    Args:
        options: how to reach it.
        now: the wall clock.
        tls: the TLS context; None: one that trusts the system's certificates.
        transport: carries the requests; None: the network.
    """

    def __init__(
        self,
        options: WebhookOptions,
        now: Callable[[], datetime],
        tls: ssl.SSLContext | None = None,
        transport: Callable[[], httpx.AsyncBaseTransport] | None = None,
    ) -> None:
        self._options = options
        self._now = now
        self._tls = tls
        self._transport = transport
        self._idle: list[httpx.AsyncBaseTransport] = []
        self._timeout = httpx.Timeout(options.timeout_seconds).as_dict()
        self._host = urlsplit(options.url).hostname or "its host"

    async def deliver(self, payload: Payload, delivery_id: str) -> None:
        """Send every part, one after another.

        Raises:
            DeliveryFailed: a part was not acknowledged.
        """
        rows, rows_max = build_rows(payload), self._options.rows_max
        parts = max(1, -(-len(rows) // rows_max))
        for part in range(1, parts + 1):
            part_rows = rows[(part - 1) * rows_max : part * rows_max]
            render = partial(self._render_part, payload, delivery_id, part_rows, part, parts)
            # What is quicker than the way to a thread and back is done here.
            is_small = len(part_rows) <= ROWS_INLINE_MAX
            await self._send(*(render() if is_small else await anyio.to_thread.run_sync(render)))

    async def aclose(self) -> None:
        """Close idle connections."""
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.aclose()

    def _render_part(
        self, payload: Payload, delivery_id: str, rows: Sequence[Row], part: int, parts: int
    ) -> tuple[dict[str, str], bytes]:
        """The headers and the content of a request."""
        body = render_body(payload, delivery_id, rows, part, parts)
        message_id = f"{delivery_id}-{part}-{crc32(body):08x}"
        headers = make_signature_headers(self._options.secret, message_id, self._now(), body)
        if not self._options.compressed:
            return headers, body
        return headers | {"content-encoding": "gzip"}, gzip.compress(body, _GZIP_LEVEL, mtime=0)

    async def _send(self, headers: dict[str, str], content: bytes) -> None:
        connection = self._idle.pop() if self._idle else await self._make_connection()
        is_reusable, tunnel = False, TunnelTrace()
        try:
            # The connection's own timeouts apply to each read: a trickling response would never time out.
            with anyio.fail_after(self._options.timeout_seconds):
                status, retry_after = await self._post(connection, headers, content, tunnel)
            is_reusable = True
            self._idle.append(connection)
        except TimeoutError as error:
            self._raise_proxy_error(error, tunnel)
            seconds = self._options.timeout_seconds
            raise DeliveryFailed(f"{self._host} did not respond within {seconds:g} s.") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
            # An invalid name, such as xn--a.com, fails only at the lookup; TLS fails in a read as a bare OSError.
            self._raise_proxy_error(error, tunnel)
            raise DeliveryFailed(_describe_transport_error(self._host, error, self._options.proxy)) from error
        finally:
            if not is_reusable:
                # A cancelled request leaves a dead slot in the pool of the connection.
                with anyio.CancelScope(shield=True):
                    await connection.aclose()
        self._require_acknowledged(status, retry_after)

    def _raise_proxy_error(self, error: Exception, tunnel: TunnelTrace) -> None:
        """Raise a failure of the proxy as such: it says nothing about the receiver."""
        if self._options.proxy is not None and tunnel.is_opening:
            clause = describe_proxy_error(error, self._options.proxy)
            raise DeliveryFailed(
                f"The proxy opens no connection to {self._host}: {clause}. Check the proxy, and `proxy_url`."
            ) from error

    async def _post(
        self, connection: httpx.AsyncBaseTransport, headers: dict[str, str], content: bytes, tunnel: TunnelTrace
    ) -> tuple[int, str]:
        # Without a client, whose layers for redirects, logins and cookies cost a fourth of a small delivery.
        request = httpx.Request(
            "POST",
            self._options.url,
            headers=_HEADERS | headers,
            content=content,
            extensions={"timeout": self._timeout} | ({TRACE: tunnel} if self._options.proxy else {}),
        )
        response = await connection.handle_async_request(request)
        try:
            size = 0
            async for chunk in response.aiter_raw():
                size += len(chunk)
                if size > RESPONSE_BYTES_MAX:
                    break
            return response.status_code, response.headers.get("retry-after", "")
        finally:
            await response.aclose()

    async def _make_connection(self) -> httpx.AsyncBaseTransport:
        if self._transport is not None:
            return self._transport()
        if self._tls is None:
            self._tls = await anyio.to_thread.run_sync(make_tls_context)
        return httpx.AsyncHTTPTransport(
            verify=self._tls,
            trust_env=False,
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEPALIVE_SECONDS),
            proxy=self._options.proxy.make_httpx_proxy(self._tls) if self._options.proxy else None,
        )

    def _require_acknowledged(self, status: int, retry_after: str) -> None:
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return
        message = f"{self._host} responded with HTTP {status}"
        if status < HTTPStatus.BAD_REQUEST:
            raise DeliveryFailed(f"{message}, a redirect, which is not followed. Set `url` to the final address.")
        if status == HTTPStatus.GONE:
            raise DeliveryFailed(
                f"{message}: it accepts no more deliveries. Remove the sink, or fix the receiver.", final=True
            )
        raise DeliveryFailed(
            f"{message}{_get_hint(status)}.", retry_after_seconds=parse_retry_after(retry_after, self._now())
        )


def render_body(payload: Payload, delivery_id: str, rows: Sequence[Row], part: int, parts: int) -> bytes:
    """Render one part as JSON."""
    metadata = build_metadata(payload, delivery_id)
    header = {
        "type": f"balances.{payload.content}",
        "timestamp": format_instant(payload.snapshot.published_at),
        **metadata,
        "part": part,
        "parts": parts,
    }
    name = "balances" if payload.delta is None else "changes"
    text = io.BytesIO()
    write_rows(text, Layout(FileFormat.JSON, get_columns(payload), Envelope(name, header)), [rows])
    return text.getvalue()


def make_signature_headers(secret: bytes, message_id: str, now: datetime, body: bytes) -> dict[str, str]:
    """The three headers of Standard Webhooks."""
    timestamp = str(int(now.timestamp()))
    text = b".".join((message_id.encode(), timestamp.encode(), body))
    signature = base64.b64encode(hmac.new(secret, text, hashlib.sha256).digest()).decode()
    return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": f"v1,{signature}"}


def _get_hint(status: int) -> str:
    match status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return ". Check that the receiver verifies the signature with the secret of this sink"
        case HTTPStatus.NOT_FOUND | HTTPStatus.METHOD_NOT_ALLOWED:
            return ". Check `url`"
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return ": the request is too large. Set a smaller `rows_max`"
        case HTTPStatus.UNSUPPORTED_MEDIA_TYPE | HTTPStatus.BAD_REQUEST:
            return ". If the receiver does not support compressed requests, set `gzip = false`"
        case HTTPStatus.TOO_MANY_REQUESTS:
            return ": the receiver limits the rate of requests"
        case _:
            return ""


def _describe_transport_error(host: str, error: Exception, proxy: Proxy | None) -> str:
    if proxy is not None and is_disconnected(error):
        return f"The connection to {host} through the proxy {proxy.address} was lost: either may have closed it."
    if (tls_error := find_tls_error(error)) is not None:
        return describe_tls_error(host, tls_error)
    if (failure := find_host_failure(error)) is not None and failure.kind is FailureKind.NO_ROUTE:
        return f"This machine has no route to {host}. {failure.kind.advice}"
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.InvalidURL | UnicodeError):
        return f"{host} cannot be reached. Check its address, and that it is running."
    return f"The connection to {host} was lost before it responded."
