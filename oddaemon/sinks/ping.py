"""The sign of life after each night, to whoever raises the alarm when it stays out (a dead man's switch).

It tells counts and nothing of any office or patient. The URL is a secret: no error names it. A receiver that refuses,
stalls or leads elsewhere costs a bounded number of attempts of bounded length, and none leaves TLS for the open.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import anyio
import httpx

from oddaemon import __version__

REDIRECTS_MAX = 3
_KEEPS_ITS_BODY = frozenset({307, 308})
_MAY_PASS = frozenset({408, 425, 429})
"""Refusals below 500 that are worth another attempt."""


@dataclass(frozen=True, slots=True)
class Receiver:
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
class _Refusal:
    why: str
    passes: bool = True


def failing(url: str) -> str:
    """The address for bad news of the same receiver: `/fail` behind the path, as healthchecks.io has it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/fail"))


async def ping(receiver: Receiver, document: Mapping[str, str | int]) -> Sent | NotSent:
    """Tell the receiver, again and again within its bounds; never raises over what it does.

    Args:
        receiver: Who is told.
        document: What, as a flat JSON object.
    """
    tls = _tls()
    pause_seconds, attempt = receiver.pause_seconds, 1
    while (refusal := await _attempt(receiver, document, tls)) is not None:
        if attempt >= receiver.attempts or not refusal.passes:
            return NotSent(attempt, refusal.why)
        await anyio.sleep(pause_seconds)
        pause_seconds, attempt = 2 * pause_seconds, attempt + 1
    return Sent(attempt)


def _tls() -> ssl.SSLContext:
    # Made by hand: the default context writes what decrypts the traffic to the file that SSLKEYLOGFILE names.
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.load_default_certs()
    return tls


async def _attempt(receiver: Receiver, document: Mapping[str, str | int], tls: ssl.SSLContext) -> _Refusal | None:
    """One attempt with a client of its own, which is thrown away whatever became of it."""
    client = httpx.AsyncClient(
        verify=tls, trust_env=False, timeout=receiver.timeout_seconds, headers={"User-Agent": f"oddaemon/{__version__}"}
    )
    # A receiver that sends a byte now and then would keep any time-out of httpx's from ending.
    with anyio.move_on_after(receiver.timeout_seconds):
        async with client:
            try:
                return await _asked(client, receiver.url, document)
            except (httpx.TransportError, httpx.InvalidURL, UnicodeError) as error:
                # The message may hold the URL; the kind says enough.
                return _Refusal(f"the request failed ({type(error).__name__})")
    return _Refusal(f"no answer within {receiver.timeout_seconds:g} s")


async def _asked(client: httpx.AsyncClient, url: str, document: Mapping[str, str | int]) -> _Refusal | None:
    method = "POST"
    for _ in range(REDIRECTS_MAX + 1):
        body = dict(document) if method == "POST" else None
        async with client.stream(method, url, json=body) as answer:
            if answer.is_success:
                return None
            if not answer.has_redirect_location:
                status = answer.status_code
                passes = status >= httpx.codes.INTERNAL_SERVER_ERROR or status in _MAY_PASS
                return _Refusal(f"the receiver answered with HTTP {status}", passes)
            if answer.status_code not in _KEEPS_ITS_BODY:
                method = "GET"
            target = _target(url, answer.headers["Location"])
        if target is None:
            return _Refusal("the receiver leads to an address that is not https", passes=False)
        url = target
    return _Refusal("the receiver leads from one address to the next", passes=False)


def _target(url: str, location: str) -> str | None:
    """Where a redirect leads; None: not where a secret may go."""
    try:
        target = httpx.URL(url).join(location)
        is_safe = target.scheme == "https" and target.host and not target.userinfo
    except (httpx.InvalidURL, UnicodeError):  # the latter: a name such as xn--a.com
        return None
    return str(target) if is_safe else None
