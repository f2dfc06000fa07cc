"""The log of every request to headquarters, and the violations in it.

The log contains the labels of keys, never a key. Offsets in seconds count from the opening of headquarters on the event
loop's clock, so a step of the wall clock does not change them.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

from oddaemon.simulator.api.messages import Endpoint

RATE_WINDOW_SECONDS = 1.0
STATEMENTS = frozenset({Endpoint.SHORT_QUERY, Endpoint.AGING_REPORT})
"""What an office computes to the end, even if the client has gone."""
STATEMENT_PAUSE_SECONDS = 60.0
"""Agreed, between the time-out of a statement and the next one."""
STATEMENT_UNANSWERED_SECONDS = 60.0
"""A client that hangs up after this long has given the statement up."""
_GATEWAY_TIMEOUT = 504


@dataclass
class RecordedRequest:
    """One request and its outcome, which is known when it is finished.

    Attributes:
        key: label of the customer key, `?` when the key was unknown.
        office_id: the office that the key belongs to, `?` when unknown.
        arrived: the world's instant when the request arrived.
        arrived_seconds: the same, in seconds since opening.
        started_seconds: when it was started; None if it never was.
        executed_seconds: when its execution ends, also if the client has hung up; None if it never began.
        finished_seconds: when the response was ready or the client hung up.
        status: the HTTP status; None if none was sent.
        retry_after_seconds: the Retry-After of the response.
        spacing_seconds: the pause that the key's permissions require between two requests; 0 for none.
        connection: name of the connection that carried it.
        client: name of the program that sent it, `?` when unknown.
    """

    key: str
    office_id: str
    method: str
    kind: Endpoint
    arrived: datetime
    arrived_seconds: float
    started_seconds: float | None = None
    executed_seconds: float | None = None
    finished_seconds: float = math.inf
    status: int | None = None
    retry_after_seconds: float | None = None
    spacing_seconds: float = 0.0
    connection: str = "?"
    client: str = "?"


class ViolationKind(StrEnum):
    """The rules that a request can break: four of its key, two agreed for all keys together.

    Attributes:
        TWO_IN_FLIGHT: it arrived while another request of its key was unanswered.
        TOO_SOON: it arrived earlier after the previous one than the permissions of its key allow.
        RETRY_AFTER_IGNORED: it arrived before the Retry-After of an earlier response had passed.
        STATEMENT_TOO_SOON: it had the office compute something while an earlier statement, which had no response in
            time, may still have been running.
        TOO_MANY_IN_FLIGHT: more requests were unanswered than agreed.
        TOO_FAST: more requests arrived within one second than agreed.
    """

    TWO_IN_FLIGHT = "TwoInFlight"
    TOO_SOON = "TooSoon"
    RETRY_AFTER_IGNORED = "RetryAfterIgnored"
    STATEMENT_TOO_SOON = "StatementTooSoon"
    TOO_MANY_IN_FLIGHT = "TooManyInFlight"
    TOO_FAST = "TooFast"


@dataclass(frozen=True)
class Violation:
    """The rule, the request that broke it, the earlier request of the same key that shows it, and the measurement."""

    kind: ViolationKind
    request: RecordedRequest
    earlier: RecordedRequest | None = None
    details: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.kind}: {self.request.key} at {self.request.arrived_seconds:.3f} s: {self.details}"


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
    found: list[Violation] = []
    for key, own in by_key.items():
        if key == "?":
            continue
        found += _find_key_violations(own, tolerance_seconds)
        found += _find_early_statements(own, tolerance_seconds)
        found += _find_ignored_retry_after(own, retry_after_max_seconds, tolerance_seconds)
    if max_in_flight is not None:
        found += _find_too_many_in_flight(requests, max_in_flight, tolerance_seconds)
    if max_requests_per_second is not None:
        found += _find_too_fast(requests, max_requests_per_second, tolerance_seconds)
    return sorted(found, key=lambda violation: violation.request.arrived_seconds)


def _find_key_violations(own: Sequence[RecordedRequest], tolerance_seconds: float) -> Iterator[Violation]:
    longest = own[0]
    for first, second in pairwise(own):
        at = second.arrived_seconds
        if at < longest.finished_seconds - tolerance_seconds:
            unanswered = f"from {longest.arrived_seconds:.3f} s to {longest.finished_seconds:.3f} s"
            yield Violation(ViolationKind.TWO_IN_FLIGHT, second, longest, f"another was unanswered {unanswered}")
        gap = at - first.arrived_seconds
        if gap < second.spacing_seconds - tolerance_seconds:
            details = f"{gap:.3f} s after the previous one, {second.spacing_seconds:g} s are required"
            yield Violation(ViolationKind.TOO_SOON, second, first, details)
        longest = max(longest, second, key=lambda request: request.finished_seconds)


def _find_early_statements(own: Sequence[RecordedRequest], tolerance_seconds: float) -> Iterator[Violation]:
    for first, second in pairwise([request for request in own if request.kind in STATEMENTS]):
        came_after = second.arrived_seconds - first.finished_seconds
        if _has_timed_out(first) and came_after < STATEMENT_PAUSE_SECONDS - tolerance_seconds:
            details = f"{came_after:.3f} s after a statement without a response, which the office still computes"
            yield Violation(ViolationKind.STATEMENT_TOO_SOON, second, first, details)


def _has_timed_out(request: RecordedRequest) -> bool:
    if request.status is not None or request.started_seconds is None:
        return request.status == _GATEWAY_TIMEOUT
    return request.finished_seconds - request.started_seconds >= STATEMENT_UNANSWERED_SECONDS


def _find_ignored_retry_after(
    own: Sequence[RecordedRequest], retry_after_max_seconds: float, tolerance_seconds: float
) -> Iterator[Violation]:
    previous: RecordedRequest | None = None
    for request in own:
        if previous is not None and previous.retry_after_seconds is not None:
            wait_seconds = min(previous.retry_after_seconds, retry_after_max_seconds)
            came_after = request.arrived_seconds - previous.finished_seconds
            if -tolerance_seconds <= came_after < wait_seconds - tolerance_seconds:
                details = f"{came_after:.3f} s after a response with Retry-After: {previous.retry_after_seconds} s"
                yield Violation(ViolationKind.RETRY_AFTER_IGNORED, request, previous, details)
        if request.retry_after_seconds is not None:
            previous = request


def _find_too_many_in_flight(
    requests: Sequence[RecordedRequest], allowed: int, tolerance_seconds: float
) -> Iterator[Violation]:
    unanswered: list[RecordedRequest] = []
    for request in requests:
        now = request.arrived_seconds
        unanswered = [other for other in unanswered if other.finished_seconds - tolerance_seconds > now]
        unanswered.append(request)
        if len(unanswered) > allowed:
            details = f"{len(unanswered)} requests in flight, {allowed} are agreed"
            yield Violation(ViolationKind.TOO_MANY_IN_FLIGHT, request, details=details)


def _find_too_fast(
    requests: Sequence[RecordedRequest], allowed: float, tolerance_seconds: float
) -> Iterator[Violation]:
    oldest = 0
    for newest, request in enumerate(requests):
        while request.arrived_seconds - requests[oldest].arrived_seconds >= RATE_WINDOW_SECONDS - tolerance_seconds:
            oldest += 1
        in_window = newest - oldest + 1
        if in_window > max(1.0, allowed):
            details = f"{in_window} requests within {RATE_WINDOW_SECONDS:g} s, {allowed:g} are agreed"
            yield Violation(ViolationKind.TOO_FAST, request, details=details)
