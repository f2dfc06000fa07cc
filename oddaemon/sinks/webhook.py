"""A push over HTTPS that its receiver can trust: signed, in parts, and the same under the same id however often it is.

Signed as Standard Webhooks has it: HMAC-SHA256 over `webhook-id.webhook-timestamp.body`, where the body is the JSON
text before it is compressed, as the reference libraries take text. Each part of a delivery is a request of its own,
with `part` of `parts` in it: a receiver applies them all at once when it has the last, and nothing of a delivery that
breaks off. An attempt begins with part 1, and may be cut otherwise than the one before, as the configuration says now:
so the id of a request tells its text, too, and whoever drops an id that it has had drops no row. Any 2xx is an
acknowledgement. Redirects are not followed: they would carry balances to where nobody configured. What the receiver
says is never shown or logged: it may quote what it was sent.
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
from oddaemon.core.reporting.status_document import format_instant
from oddaemon.http_client.tls import USER_AGENT, describe_tls_error, find_tls_error, make_tls_context
from oddaemon.sinks.formats.columns import Row
from oddaemon.sinks.formats.export import FileFormat, Layout, write_rows
from oddaemon.sinks.formats.text import Envelope
from oddaemon.sinks.payload import DeliveryFailed, Payload

RESPONSE_BYTES_MAX = 65_536
"""Read and forgotten, so that the connection can be used again; whoever says more loses it."""
KEEPALIVE_SECONDS = 30.0
_GZIP_LEVEL = 6


@dataclass(frozen=True, slots=True)
class WebhookOptions:
    """How a receiver is reached."""

    url: str = field(repr=False)
    """It may hold a secret of the receiver's: shown as its host only."""
    secret: bytes = field(repr=False)
    rows_max: int
    timeout_seconds: float
    compressed: bool


class Webhook:
    """One receiver of signed requests.

    Args:
        options: how it is reached.
        now: the wall clock.
        tls: what its certificate is checked against; None: the system's certificates.
        transport: what carries requests; None: the network.
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
        self._idle: list[httpx.AsyncClient] = []
        self._host = urlsplit(options.url).hostname or "its host"

    async def deliver(self, payload: Payload, delivery_id: str) -> None:
        """Send every part, one after another.

        Raises:
            SinkRefused: one of them was not acknowledged.
        """
        rows, rows_max = payload.build_rows(), self._options.rows_max
        parts = max(1, -(-len(rows) // rows_max))
        for part in range(1, parts + 1):
            part_rows = rows[(part - 1) * rows_max : part * rows_max]
            render = partial(render_body, payload, delivery_id, part_rows, part, parts)
            body = await anyio.to_thread.run_sync(render)
            await self._send(f"{delivery_id}-{part}-{crc32(body):08x}", body)

    async def aclose(self) -> None:
        """Hang up what nothing is sent by."""
        idle, self._idle = self._idle, []
        for client in idle:
            await client.aclose()

    async def _send(self, message_id: str, body: bytes) -> None:
        headers = make_signature_headers(self._options.secret, message_id, self._now(), body)
        content = body
        if self._options.compressed:
            headers["content-encoding"] = "gzip"
            content = await anyio.to_thread.run_sync(partial(gzip.compress, body, _GZIP_LEVEL, mtime=0))
        client = self._idle.pop() if self._idle else await self._make_client()
        is_reusable = False
        try:
            # The client's own time-outs are for each read: one that trickles would go on for ever.
            with anyio.fail_after(self._options.timeout_seconds):
                status, retry_after = await self._post(client, headers, content)
            is_reusable = True
            self._idle.append(client)
        except TimeoutError:
            seconds = self._options.timeout_seconds
            raise DeliveryFailed(f"{self._host} has not answered within {seconds:g} s.") from None
        except (httpx.TransportError, httpx.InvalidURL, UnicodeError) as error:
            # A name that is none, such as xn--a.com, shows only when it is looked up.
            raise DeliveryFailed(_describe_transport_error(self._host, error)) from error
        finally:
            if not is_reusable:
                # A request that was cut leaves a dead place in its client.
                with anyio.CancelScope(shield=True):
                    await client.aclose()
        self._require_acknowledged(status, retry_after)

    async def _post(self, client: httpx.AsyncClient, headers: dict[str, str], content: bytes) -> tuple[int, str]:
        async with client.stream("POST", self._options.url, headers=headers, content=content) as response:
            size = 0
            async for chunk in response.aiter_raw():
                size += len(chunk)
                if size > RESPONSE_BYTES_MAX:
                    break
            return response.status_code, response.headers.get("retry-after", "")

    async def _make_client(self) -> httpx.AsyncClient:
        if self._tls is None:
            self._tls = await anyio.to_thread.run_sync(make_tls_context)
        return httpx.AsyncClient(
            transport=self._transport() if self._transport else None,
            verify=self._tls,
            trust_env=False,
            timeout=httpx.Timeout(self._options.timeout_seconds),
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEPALIVE_SECONDS),
            headers={"User-Agent": USER_AGENT, "Content-Type": "application/json"},
        )

    def _require_acknowledged(self, status: int, retry_after: str) -> None:
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return
        message = f"{self._host} answered HTTP {status}"
        if status < HTTPStatus.BAD_REQUEST:
            raise DeliveryFailed(f"{message}, a redirect. It is not followed: write the final address in `url`.")
        if status == HTTPStatus.GONE:
            raise DeliveryFailed(f"{message}: it wants no more deliveries. Remove the sink, or repair it.", final=True)
        raise DeliveryFailed(
            f"{message}{_get_hint(status)}.", retry_after_seconds=parse_retry_after(retry_after, self._now())
        )


def render_body(payload: Payload, delivery_id: str, rows: Sequence[Row], part: int, parts: int) -> bytes:
    """The JSON text of one part."""
    metadata = payload.build_metadata(delivery_id)
    header = {
        "type": f"balances.{payload.content}",
        "timestamp": format_instant(payload.snapshot.published_at),
        **metadata,
        "part": part,
        "parts": parts,
    }
    name = "balances" if payload.delta is None else "changes"
    text = io.BytesIO()
    write_rows(text, Layout(FileFormat.JSON, payload.columns, Envelope(name, header)), [rows])
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
            return ": does it check the signature with the secret that is configured here?"
        case HTTPStatus.NOT_FOUND | HTTPStatus.METHOD_NOT_ALLOWED:
            return ": is `url` right?"
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return ": its requests may not be so large, set a smaller `rows_max`"
        case HTTPStatus.UNSUPPORTED_MEDIA_TYPE | HTTPStatus.BAD_REQUEST:
            return ": if it does not understand compressed requests, set `gzip = false`"
        case HTTPStatus.TOO_MANY_REQUESTS:
            return ": it wants to be asked less often"
        case _:
            return ""


def _describe_transport_error(host: str, error: Exception) -> str:
    if (tls_error := find_tls_error(error)) is not None:
        return describe_tls_error(host, tls_error)
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.InvalidURL | UnicodeError):
        return f"{host} cannot be reached: is its address right, and does it run?"
    return f"The connection to {host} broke before it had answered."
