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

from oddaemon.http_client.host_errors import find_host_failure
from oddaemon.http_client.proxy import Proxy, describe_proxy_error
from oddaemon.http_client.redirect import detach_location, get_location
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
    proxy: Proxy | None = None


@dataclass(frozen=True, slots=True)
class PingResult:
    """The last attempt."""

    attempts: int
    """Its number; 1 is the first."""
    why: str = ""
    """Why it failed, as a clause without the URL. "": the receiver accepted it."""
    unforeseen: Exception | None = None
    """The exception that it failed with, if no rule expects it."""


@dataclass(frozen=True, slots=True)
class _AttemptFailed:
    why: str
    is_transient: bool = True
    unforeseen: Exception | None = None


def make_failure_url(url: str) -> str:
    """The receiver's address for failures: the path with `/fail`, as healthchecks.io has it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/fail"))


async def ping(target: PingTarget, document: Mapping[str, str | int]) -> PingResult:
    """Send the ping, with repeated attempts; never raises because of the receiver."""
    pause_seconds, attempt = target.pause_seconds, 1
    while (failure := await _attempt(target, document)) is not None:
        if attempt >= target.attempts or not failure.is_transient:
            return PingResult(attempt, failure.why, failure.unforeseen)
        await anyio.sleep(pause_seconds)
        pause_seconds, attempt = 2 * pause_seconds, attempt + 1
    return PingResult(attempt)


async def _attempt(target: PingTarget, document: Mapping[str, str | int]) -> _AttemptFailed | None:
    """One attempt, with a client of its own. Whatever it raises is the receiver's failure."""
    try:
        tls = await anyio.to_thread.run_sync(make_tls_context)
        # httpx's timeouts apply to each read: a trickling response would never time out.
        with anyio.move_on_after(target.timeout_seconds):
            async with _make_client(tls, target) as client:
                return await _send_request(client, target.url, document)
    except Exception as error:  # noqa: BLE001 - the HTTP stack raises more over a receiver than it documents
        is_foreseen = isinstance(error, httpx.HTTPError | httpx.InvalidURL | OSError | UnicodeError)
        # The message may contain the URL; the type is enough.
        if isinstance(error, httpx.ProxyError) and target.proxy is not None:
            return _AttemptFailed(f"the proxy refused it: {describe_proxy_error(error, target.proxy)}")
        if (host_failure := find_host_failure(error)) is not None:
            return _AttemptFailed(host_failure.sentence)
        why = f"the request failed ({type(error).__name__})"
        return _AttemptFailed(why, unforeseen=None if is_foreseen else error)
    return _AttemptFailed(f"no response within {target.timeout_seconds:g} s")


def _make_client(tls: ssl.SSLContext, target: PingTarget) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        proxy=target.proxy.make_httpx_proxy(tls) if target.proxy else None,
        verify=tls,
        trust_env=False,
        timeout=target.timeout_seconds,
        headers={"User-Agent": USER_AGENT},
        event_hooks={"response": [detach_location]},
    )


async def _send_request(
    client: httpx.AsyncClient, url: str, document: Mapping[str, str | int]
) -> _AttemptFailed | None:
    method = "POST"
    for _ in range(REDIRECTS_MAX + 1):
        body = dict(document) if method == "POST" else None
        async with client.stream(method, url, json=body) as response:
            if response.is_success:
                return None
            location = get_location(response)
            if location is None:
                status = response.status_code
                is_transient = status >= httpx.codes.INTERNAL_SERVER_ERROR or status in _RETRYABLE_STATUSES
                return _AttemptFailed(f"the receiver responded with HTTP {status}", is_transient)
            if response.status_code not in _METHOD_PRESERVING_REDIRECTS:
                method = "GET"
            redirect_url = _resolve_redirect(url, location)
        if redirect_url is None:
            return _AttemptFailed("the receiver redirects to an address that is not https", is_transient=False)
        url = redirect_url
    return _AttemptFailed("too many redirects", is_transient=False)


def _resolve_redirect(url: str, location: str) -> str | None:
    """The target of a redirect; None: a secret must not be sent there."""
    if not location:
        return None
    try:
        target = httpx.URL(url).join(location)
        is_safe = target.scheme == "https" and target.host and not target.userinfo
    except (httpx.InvalidURL, ValueError):  # the latter for a name such as xn--a.com
        return None
    return str(target) if is_safe else None
