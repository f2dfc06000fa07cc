"""The sign of life after each night, to whoever raises the alarm when it stays out (a dead man's switch).

It tells counts and nothing of any office or patient. The URL is a secret: no error names it. A receiver that refuses,
stalls or leads elsewhere costs a bounded number of attempts of bounded length, and none leaves TLS for the open.
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
"""Refusals below 500 that are worth another attempt."""


@dataclass(frozen=True, slots=True)
class PingTarget:
    """Who is told, and how patiently."""

    url: str
    """Checked: https, or http on our own network."""
    timeout_seconds: float
    attempts: int
    pause_seconds: float
    """After the first attempt; doubles with each further one."""


@dataclass(frozen=True, slots=True)
class Sent:
    """It was taken, at this attempt (1 is the first)."""

    attempts: int


@dataclass(frozen=True, slots=True)
class NotSent:
    """It was not, after so many attempts; why, as a clause without the URL."""

    attempts: int
    why: str


@dataclass(frozen=True, slots=True)
class _AttemptFailed:
    why: str
    is_transient: bool = True


def make_failure_url(url: str) -> str:
    """The address for bad news of the same receiver: `/fail` behind the path, as healthchecks.io has it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/fail"))


async def ping(target: PingTarget, document: Mapping[str, str | int]) -> Sent | NotSent:
    """Tell the receiver, again and again within its bounds; never raises over what it does.

    Args:
        target: Who is told.
        document: What, as a flat JSON object.
    """
    tls = await anyio.to_thread.run_sync(make_tls_context)
    pause_seconds, attempt = target.pause_seconds, 1
    while (failure := await _attempt(target, document, tls)) is not None:
        if attempt >= target.attempts or not failure.is_transient:
            return NotSent(attempt, failure.why)
        await anyio.sleep(pause_seconds)
        pause_seconds, attempt = 2 * pause_seconds, attempt + 1
    return Sent(attempt)


async def _attempt(target: PingTarget, document: Mapping[str, str | int], tls: ssl.SSLContext) -> _AttemptFailed | None:
    """One attempt with a client of its own, which is thrown away whatever became of it."""
    client = httpx.AsyncClient(
        verify=tls, trust_env=False, timeout=target.timeout_seconds, headers={"User-Agent": USER_AGENT}
    )
    # A receiver that sends a byte now and then would keep any time-out of httpx's from ending.
    with anyio.move_on_after(target.timeout_seconds):
        async with client:
            try:
                return await _send_request(client, target.url, document)
            except (httpx.TransportError, httpx.InvalidURL, UnicodeError) as error:
                # The message may hold the URL; the kind says enough.
                return _AttemptFailed(f"the request failed ({type(error).__name__})")
    return _AttemptFailed(f"no answer within {target.timeout_seconds:g} s")


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
                return _AttemptFailed(f"the receiver answered with HTTP {status}", is_transient)
            if response.status_code not in _METHOD_PRESERVING_REDIRECTS:
                method = "GET"
            redirect_url = _resolve_redirect(url, response.headers["Location"])
        if redirect_url is None:
            return _AttemptFailed("the receiver leads to an address that is not https", is_transient=False)
        url = redirect_url
    return _AttemptFailed("the receiver leads from one address to the next", is_transient=False)


def _resolve_redirect(url: str, location: str) -> str | None:
    """Where a redirect leads; None: not where a secret may go."""
    try:
        target = httpx.URL(url).join(location)
        is_safe = target.scheme == "https" and target.host and not target.userinfo
    except (httpx.InvalidURL, UnicodeError):  # the latter: a name such as xn--a.com
        return None
    return str(target) if is_safe else None
