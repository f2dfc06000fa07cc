"""The three HTTP clients of foreign servers, each against one hostile server."""

import os
import random
import ssl
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import anyio

from oddaemon.opendental.client import ApiError, Limits
from oddaemon.sinks.heartbeat_ping import PingTarget, ping
from oddaemon.sinks.payload import DeliveryFailed
from oddaemon.sinks.webhook import Webhook, WebhookOptions
from tests.certificates import make_certificate, make_client_context
from tests.hostile.locations import HOSTILE_LOCATIONS
from tests.hostile.mutation import Mutator
from tests.hostile.target import Violation
from tests.hostile.tls_peers import PeerMode, hostile_peer
from tests.opendental.client_harness import make_harness
from tests.sinks.payloads import make_payload

TIMEOUT_SECONDS = 5.0
LIMITS = Limits(TIMEOUT_SECONDS, TIMEOUT_SECONDS, 20_000)


async def ask_api(url: str, tls: ssl.SSLContext) -> str:
    """Send a request as the client of the API does."""
    harness = make_harness(base_url=f"{url}/api/v1", limits=LIMITS)
    harness.api._tls = tls
    try:
        async with harness.office.session() as session:
            await session.query("SELECT 1 AS One", list)
    except ApiError as error:
        _require_foreseen(error.unforeseen)
        return str(error)
    return ""


async def push(url: str, tls: ssl.SSLContext) -> str:
    """Deliver as the webhook does."""
    options = WebhookOptions(url, b"secret", 1000, TIMEOUT_SECONDS, compressed=False)
    sink = Webhook(options, lambda: datetime.now(UTC), tls=tls)
    try:
        await sink.deliver(make_payload(), "d1")
    except DeliveryFailed as error:
        return str(error)
    finally:
        await sink.aclose()
    return ""


async def send_ping(url: str, tls: ssl.SSLContext) -> str:
    """Ping; it trusts what `SSL_CERT_FILE` names."""
    del tls
    result = await ping(PingTarget(url, TIMEOUT_SECONDS, attempts=1, pause_seconds=0.0), {"night": "2026-03-03"})
    _require_foreseen(result.unforeseen)
    return result.why


HTTP_CLIENTS: Mapping[str, Callable[[str, ssl.SSLContext], Awaitable[str]]] = {
    "api": ask_api,
    "webhook": push,
    "ping": send_ping,
}


def _require_foreseen(error: Exception | None) -> None:
    if error is not None:
        raise Violation(f"no rule expects {type(error).__name__}") from error


_MODES = (*[PeerMode.PLAIN] * 4, *PeerMode)
"""In each of them TLS breaks in its own way; without TLS, and in whole TLS, an answer can be more things."""


class PeersTarget:
    """What a foreign server does on a real socket, below HTTP and in the head of its response."""

    name = "peers"

    def make_input(self, number: int, seed: int) -> bytes:
        rng = random.Random(f"{seed}/{self.name}/{number}")
        location = rng.choice(HOSTILE_LOCATIONS).encode()
        status = rng.choice((b"200 OK", b"302 Found", b"307 Moved", b"308 Moved", b"500 No", b"204 No"))
        head = b"HTTP/1.1 %s\r\nLocation: %s\r\nSet-Cookie: a=b; Expires=%s\r\nContent-Length: 2\r\n\r\n[]"
        answers = [head % (status, location, rng.randbytes(8).hex().encode()), rng.randbytes(rng.randrange(300))]
        answer = Mutator(rng).mutate_bytes(rng.choice(answers), answers) if rng.random() < 0.6 else rng.choice(answers)
        return bytes([number % len(HTTP_CLIENTS), rng.randrange(len(_MODES))]) + answer

    def feed(self, sent: bytes) -> Iterable[str]:
        return [anyio.run(self.meet, sent)]

    def describe(self, sent: bytes) -> tuple[str, bool]:
        """Which client an input is for, and whether over TLS."""
        return _parse(sent)[0], _parse(sent)[1] is not PeerMode.PLAIN

    async def meet(self, sent: bytes) -> str:
        """What the client makes of an input."""
        name, mode, answer = _parse(sent)
        directory, tls = self._certificate
        os.environ["SSL_CERT_FILE"] = str(directory / "certificate.pem")
        with hostile_peer(mode, answer, directory) as port:
            return await HTTP_CLIENTS[name](f"{'http' if mode is PeerMode.PLAIN else 'https'}://127.0.0.1:{port}", tls)

    @cached_property
    def _certificate(self) -> tuple[Path, ssl.SSLContext]:
        directory = Path(tempfile.mkdtemp(prefix="oddaemon-fuzz-"))
        make_certificate(directory)
        return directory, make_client_context(directory)


def _parse(sent: bytes) -> tuple[str, PeerMode, bytes]:
    which, mode, *_ = [*sent[:2], 0, 0]
    return list(HTTP_CLIENTS)[which % len(HTTP_CLIENTS)], _MODES[mode % len(_MODES)], sent[2:]
