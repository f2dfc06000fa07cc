"""The heartbeat ping after each night, to a service that raises an alarm when it does not come (a dead man's switch).

It contains counts, and nothing about an office or a patient. The URL is a secret: no error contains it. A receiver that
fails, stalls or redirects costs a bounded number of attempts of bounded length. No redirect leads from TLS to plain
HTTP.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import anyio
import anyio.to_thread
import httpx

from oddaemon.http_client.tls import USER_AGENT, make_tls_context

REDIRECTS_MAX = 3
_METHOD_PRESERVING_REDIRECTS = frozenset({307, 308})
_RETRYABLE_STATUSES = frozenset({408, 425, 429})
"""Statuses below 500 that are worth another attempt."""


@dataclass(frozen=True, slots=True)
class PingTarget:
    """Where to send the ping, and how often to try."""

    url: str
    """Validated: https, or http in a private network."""
    timeout_seconds: float
    attempts: int
    pause_seconds: float
    """After the first attempt; doubles with each attempt."""


@dataclass(frozen=True, slots=True)
class PingResult:
    """The last attempt."""

    attempts: int
    """Its number; 1 is the first."""
    why: str = ""
    """Why it failed, as a clause without the URL. "": the receiver accepted it."""


@dataclass(frozen=True, slots=True)
class _AttemptFailed:
    why: str
    is_transient: bool = True


def make_failure_url(url: str) -> str:
    """The receiver's address for failures: the path with `/fail`, as healthchecks.io has it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/fail"))


async def ping(target: PingTarget, document: Mapping[str, str | int]) -> PingResult:
    """Send the ping, with repeated attempts; never raises because of the receiver."""
    tls = await anyio.to_thread.run_sync(make_tls_context)
    pause_seconds, attempt = target.pause_seconds, 1
    while (failure := await _attempt(target, document, tls)) is not None:
        if attempt >= target.attempts or not failure.is_transient:
            return PingResult(attempt, failure.why)
        await anyio.sleep(pause_seconds)
        pause_seconds, attempt = 2 * pause_seconds, attempt + 1
    return PingResult(attempt)


async def _attempt(target: PingTarget, document: Mapping[str, str | int], tls: ssl.SSLContext) -> _AttemptFailed | None:
    """One attempt, with a client of its own."""
    client = httpx.AsyncClient(
        verify=tls, trust_env=False, timeout=target.timeout_seconds, headers={"User-Agent": USER_AGENT}
    )
    # httpx's timeouts apply to each read: a trickling response would never time out.
    with anyio.move_on_after(target.timeout_seconds):
        async with client:
            try:
                return await _send_request(client, target.url, document)
            except (httpx.TransportError, httpx.InvalidURL, UnicodeError) as error:
                # The message may contain the URL; the type is enough.
                return _AttemptFailed(f"the request failed ({type(error).__name__})")
    return _AttemptFailed(f"no response within {target.timeout_seconds:g} s")


async def _send_request(
    client: httpx.AsyncClient, url: str, document: Mapping[str, str | int]
) -> _AttemptFailed | None:
    method = "POST"
    for _ in range(REDIRECTS_MAX + 1):
        body = dict(document) if method == "POST" else None
        async with client.stream(method, url, json=body) as response:
            if response.is_success:
                return None
            if not response.has_redirect_location:
                status = response.status_code
                is_transient = status >= httpx.codes.INTERNAL_SERVER_ERROR or status in _RETRYABLE_STATUSES
                return _AttemptFailed(f"the receiver responded with HTTP {status}", is_transient)
            if response.status_code not in _METHOD_PRESERVING_REDIRECTS:
                method = "GET"
            redirect_url = _resolve_redirect(url, response.headers["Location"])
        if redirect_url is None:
            return _AttemptFailed("the receiver redirects to an address that is not https", is_transient=False)
        url = redirect_url
    return _AttemptFailed("too many redirects", is_transient=False)


def _resolve_redirect(url: str, location: str) -> str | None:
    """The target of a redirect; None: a secret must not be sent there."""
    try:
        target = httpx.URL(url).join(location)
        is_safe = target.scheme == "https" and target.host and not target.userinfo
    except (httpx.InvalidURL, UnicodeError):  # the latter for a name such as xn--a.com
        return None
    return str(target) if is_safe else None
