"""I3 to I5 and I9: what headquarters sees of a fleet, and how soon a dead host's offices are asked by another."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from oddaemon.simulator.headquarters.traffic_log import RecordedRequest, find_violations
from tests.fleet.evidence import HostDeath, Violation

ONE_IN_FLIGHT = "I3"
TAKEN_OVER = "I9"
TAKEOVER_SECONDS = 30.0
AFTER_OPEN_SECONDS = 5.0
"""After the mark of a request that was under way."""
TOLERANCE_SECONDS = 0.05
"""How far a busy machine may move two arrivals."""
INVARIANTS = {
    "TwoInFlight": ONE_IN_FLIGHT,
    "TooSoon": ONE_IN_FLIGHT,
    "StatementTooSoon": ONE_IN_FLIGHT,
    "TooManyInFlight": "I4",
    "TooFast": "I4",
    "RetryAfterIgnored": "I5",
}


def find_impolite_requests(
    requests: Sequence[RecordedRequest],
    *,
    max_in_flight: int,
    max_requests_per_second: float,
) -> Iterator[Violation]:
    """What breaks a rule of a key, or the caps of the one network of all hosts.

    Args:
        requests: Of all hosts, in any order.
        max_in_flight: Agreed for all keys together.
        max_requests_per_second: The same.
    """
    for found in find_violations(
        requests,
        max_in_flight=max_in_flight,
        max_requests_per_second=max_requests_per_second,
        tolerance_seconds=TOLERANCE_SECONDS,
    ):
        yield Violation(INVARIANTS[found.kind], found.request.key, f"{found.request.client}: {found}")
    yield from _find_requests_beside_abandoned_ones(requests)


def _find_requests_beside_abandoned_ones(requests: Sequence[RecordedRequest]) -> Iterator[Violation]:
    """A host asks while the office still computes what another host, which hung up, had asked."""
    for own in _group_by_office(requests).values():
        running: RecordedRequest | None = None
        for request in own:
            if (
                running is not None
                and running.executed_seconds is not None
                and running.client != request.client
                and request.arrived_seconds < running.executed_seconds - TOLERANCE_SECONDS
            ):
                sentence = (
                    f"{request.client} asked at {request.arrived_seconds:.2f} s, while what "
                    f"{running.client} had asked ran until {running.executed_seconds:.2f} s"
                )
                yield Violation(ONE_IN_FLIGHT, request.office_id, sentence)
            if running is None or (request.executed_seconds or 0.0) >= (running.executed_seconds or 0.0):
                running = request


def _group_by_office(requests: Sequence[RecordedRequest]) -> dict[str, list[RecordedRequest]]:
    groups: defaultdict[str, list[RecordedRequest]] = defaultdict(list)
    for request in sorted(requests, key=lambda each: each.arrived_seconds):
        groups[request.office_id].append(request)
    return groups


@dataclass(frozen=True)
class Takeover:
    """How an office of a dead host went on."""

    office: str
    seconds: float | None
    """From the death to the first request of another host, or of this one as a new member; None: there was none."""
    by: str | None
    open_seconds: float | None
    """How long the mark of a request under way was to stand after the death; None: there was none."""


def measure_takeovers(
    death: HostDeath, requests: Sequence[RecordedRequest], others: Iterable[HostDeath] = ()
) -> list[Takeover]:
    """How each office that a dead host held went on, by office.

    Args:
        death: The host's.
        requests: All of the run.
        others: All deaths of the run. An office that went to a host which died before it had asked is that one's.
    """
    groups = _group_by_office(requests)
    died_again = {office: other.seconds for other in others if other.seconds > death.seconds for office in other.held}
    found = []
    for office in sorted(death.held):
        later = (
            each
            for each in groups.get(office, ())
            if each.arrived_seconds > death.seconds
            and (each.client != death.host or each.arrived_seconds > death.back_seconds)
        )
        first = next(later, None)
        if office in died_again and (first is None or first.arrived_seconds > died_again[office]):
            continue
        seconds = None if first is None else first.arrived_seconds - death.seconds
        by = None if first is None else first.client
        found.append(Takeover(office, seconds, by, death.open_seconds.get(office)))
    return found


def find_late_takeovers(takeovers: Sequence[Takeover], limit_seconds: float = TAKEOVER_SECONDS) -> Iterator[Violation]:
    """An office that was asked elsewhere too late, or not at all."""
    for each in takeovers:
        limit = max(limit_seconds, (each.open_seconds or 0.0) + AFTER_OPEN_SECONDS if each.open_seconds else 0.0)
        if each.seconds is None or each.seconds > limit:
            when = "never" if each.seconds is None else f"after {each.seconds:.1f} s"
            yield Violation(TAKEN_OVER, each.office, f"asked elsewhere {when}; {limit:.1f} s are promised")


def find_longest_gaps(requests: Sequence[RecordedRequest], since: float, until: float) -> dict[str, float]:
    """The longest time without a request to each office, in seconds, within these seconds of the log."""
    gaps = {}
    for office, own in _group_by_office(requests).items():
        times = [since, *(each.arrived_seconds for each in own if since < each.arrived_seconds < until), until]
        gaps[office] = max(second - first for first, second in pairwise(times))
    return gaps
