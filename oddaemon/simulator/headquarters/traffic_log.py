"""The log of every request to headquarters, and the violations in it.

The log contains the labels of keys, never a key. Offsets in seconds count from the opening of headquarters on the event
loop's clock, so a step of the wall clock does not change them.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from oddaemon.simulator.api.messages import Endpoint

RATE_WINDOW_SECONDS = 1.0


@dataclass(frozen=True)
class RecordedRequest:
    """One request and its outcome.

    Attributes:
        key: label of the customer key, `?` when the key was unknown.
        office_id: the office that the key belongs to, `?` when unknown.
        arrived: the world's instant when the request arrived.
        arrived_seconds: the same, in seconds since opening.
        started_seconds: when it was started; None if it never was.
        finished_seconds: when the response was ready or the client hung up.
        status: the HTTP status; None if none was sent.
        retry_after_seconds: the Retry-After of the response.
        spacing_seconds: the pause that the key's permissions require between two requests; 0 for none.
        connection: name of the connection that carried it.
    """

    key: str
    office_id: str
    method: str
    kind: Endpoint
    arrived: datetime
    arrived_seconds: float
    started_seconds: float | None
    finished_seconds: float
    status: int | None
    retry_after_seconds: float | None = None
    spacing_seconds: float = 0.0
    connection: str = "?"


@dataclass(frozen=True)
class TwoInFlight:
    """A request arrived while another one of the same key was unanswered."""

    first: RecordedRequest
    second: RecordedRequest

    def __str__(self) -> str:
        return (
            f"{self.second.key}: two in flight: one arrived at {self.second.arrived_seconds:.3f} s "
            f"while one from {self.first.arrived_seconds:.3f} s to {self.first.finished_seconds:.3f} s was unanswered"
        )


@dataclass(frozen=True)
class TooSoon:
    """Two requests of one key arrived at a shorter interval than its permissions allow."""

    first: RecordedRequest
    second: RecordedRequest

    def __str__(self) -> str:
        gap = self.second.arrived_seconds - self.first.arrived_seconds
        return (
            f"{self.second.key}: too soon: {gap:.3f} s after the one before, "
            f"{self.second.spacing_seconds:g} s are asked (at {self.second.arrived_seconds:.3f} s)"
        )


@dataclass(frozen=True)
class RetryAfterIgnored:
    """A request arrived before the Retry-After of an earlier response had passed."""

    previous: RecordedRequest
    request: RecordedRequest

    def __str__(self) -> str:
        waited = self.request.arrived_seconds - self.previous.finished_seconds
        return (
            f"{self.request.key}: Retry-After ignored: had to wait {self.previous.retry_after_seconds} s, "
            f"came back after {waited:.3f} s (at {self.request.arrived_seconds:.3f} s)"
        )


@dataclass(frozen=True)
class TooManyInFlight:
    """More requests of all keys together were unanswered than the agreed limit."""

    request: RecordedRequest
    in_flight: int
    allowed: int

    def __str__(self) -> str:
        return f"{self.in_flight} requests in flight at {self.request.arrived_seconds:.3f} s, {self.allowed} are agreed"


@dataclass(frozen=True)
class TooFast:
    """More requests of all keys together arrived within one second than the agreed limit."""

    request: RecordedRequest
    in_window: int
    allowed: float

    def __str__(self) -> str:
        return (
            f"{self.in_window} requests within {RATE_WINDOW_SECONDS:g} s before {self.request.arrived_seconds:.3f} s, "
            f"{self.allowed:g} are agreed"
        )


Violation = TwoInFlight | TooSoon | RetryAfterIgnored | TooManyInFlight | TooFast


def find_violations(
    log: Iterable[RecordedRequest],
    *,
    max_in_flight: int | None = None,
    max_requests_per_second: float | None = None,
    retry_after_max_seconds: float = math.inf,
    tolerance_seconds: float = 0.001,
) -> list[Violation]:
    """Find every violation in a log, in the order of arrival.

    Args:
        log: exchanges in any order.
        max_in_flight: agreed number of unanswered requests of all keys together; None for any.
        max_requests_per_second: agreed rate of all keys together, over any second; None for any.
        retry_after_max_seconds: a Retry-After beyond this may be cut to it.
        tolerance_seconds: how far the network may change the time between two arrivals.
    """
    requests = sorted(log, key=lambda exchange: exchange.arrived_seconds)
    by_key: dict[str, list[RecordedRequest]] = defaultdict(list)
    for request in requests:
        by_key[request.key].append(request)
    found: list[tuple[float, Violation]] = []
    for key, own in by_key.items():
        if key == "?":
            continue
        found += _find_key_violations(own, tolerance_seconds)
        found += _find_ignored_retry_after(own, retry_after_max_seconds, tolerance_seconds)
    if max_in_flight is not None:
        found += _find_too_many_in_flight(requests, max_in_flight, tolerance_seconds)
    if max_requests_per_second is not None:
        found += _find_too_fast(requests, max_requests_per_second, tolerance_seconds)
    return [violation for _, violation in sorted(found, key=lambda pair: pair[0])]


def _find_key_violations(own: Sequence[RecordedRequest], tolerance_seconds: float) -> Iterator[tuple[float, Violation]]:
    longest = own[0] if own else None
    for first, second in pairwise(own):
        at = second.arrived_seconds
        if longest is not None and at < longest.finished_seconds - tolerance_seconds:
            yield at, TwoInFlight(longest, second)
        if at - first.arrived_seconds < second.spacing_seconds - tolerance_seconds:
            yield at, TooSoon(first, second)
        if longest is None or second.finished_seconds > longest.finished_seconds:
            longest = second


def _find_ignored_retry_after(
    own: Sequence[RecordedRequest], retry_after_max_seconds: float, tolerance_seconds: float
) -> Iterator[tuple[float, Violation]]:
    previous: RecordedRequest | None = None
    for request in own:
        if previous is not None and previous.retry_after_seconds is not None:
            wait_seconds = min(previous.retry_after_seconds, retry_after_max_seconds)
            came_after = request.arrived_seconds - previous.finished_seconds
            if -tolerance_seconds <= came_after < wait_seconds - tolerance_seconds:
                yield request.arrived_seconds, RetryAfterIgnored(previous, request)
        if request.retry_after_seconds is not None:
            previous = request


def _find_too_many_in_flight(
    requests: Sequence[RecordedRequest], allowed: int, tolerance_seconds: float
) -> Iterator[tuple[float, Violation]]:
    unanswered: list[RecordedRequest] = []
    for request in requests:
        now = request.arrived_seconds
        unanswered = [other for other in unanswered if other.finished_seconds - tolerance_seconds > now]
        unanswered.append(request)
        if len(unanswered) > allowed:
            yield now, TooManyInFlight(request, len(unanswered), allowed)


def _find_too_fast(
    requests: Sequence[RecordedRequest], allowed: float, tolerance_seconds: float
) -> Iterator[tuple[float, Violation]]:
    oldest = 0
    for newest, request in enumerate(requests):
        while request.arrived_seconds - requests[oldest].arrived_seconds >= RATE_WINDOW_SECONDS - tolerance_seconds:
            oldest += 1
        in_window = newest - oldest + 1
        if in_window > max(1.0, allowed):
            yield request.arrived_seconds, TooFast(request, in_window, allowed)
