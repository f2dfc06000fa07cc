"""One headquarters that falls silent, as its answers to many offices show it."""

import pytest

from oddaemon.core.failures.failure import FailureKind
from oddaemon.opendental.circuit_breaker import (
    FAILURE_WINDOW_SECONDS,
    OUTAGE_KINDS,
    RETRY_FIRST_SECONDS,
    RETRY_MAX_SECONDS,
    CircuitBreaker,
)


def make_open_breaker(now: float = 100.0) -> CircuitBreaker:
    breaker = CircuitBreaker()
    assert [breaker.record_failure(office, now) for office in ("oak", "elm", "fir")] == [False, False, True]
    return breaker


def test_silence_towards_one_office_or_two_does_not_open_the_breaker() -> None:
    breaker = CircuitBreaker()
    for second in range(50):
        assert not breaker.record_failure("oak", float(second))
        assert not breaker.record_failure("elm", float(second))
    assert not breaker.is_open(50.0)


def test_a_response_in_between_resets_the_count() -> None:
    breaker = CircuitBreaker()
    breaker.record_failure("oak", 1.0)
    breaker.record_failure("elm", 2.0)
    assert breaker.record_response() is None
    assert not breaker.record_failure("fir", 3.0)
    assert not breaker.is_open(3.0)


def test_silence_of_long_ago_says_nothing() -> None:
    breaker = CircuitBreaker()
    breaker.record_failure("oak", 1.0)
    breaker.record_failure("elm", 2.0)
    assert not breaker.record_failure("fir", 1.5 + FAILURE_WINDOW_SECONDS)
    assert not breaker.is_open(700.0)


def test_one_probe_at_a_time_and_each_later_than_the_one_before() -> None:
    breaker, now = make_open_breaker(), 100.0
    waits = []
    for _ in range(8):
        before = now
        while breaker.is_open(now):
            now += 0.5
        waits.append(now - before)
        breaker.record_start("oak")
        assert breaker.is_open(now + 3600.0), "a trial is in flight"
        assert not breaker.record_failure("oak", now)
    assert waits == [RETRY_FIRST_SECONDS, 10.0, 20.0, 40.0, *[RETRY_MAX_SECONDS] * 4]


def test_requests_sent_before_the_breaker_opened_are_no_probes() -> None:
    breaker = make_open_breaker()
    for office in ("ash", "yew", "box"):
        assert not breaker.record_failure(office, 101.0)
    assert not breaker.is_open(100.0 + RETRY_FIRST_SECONDS)


def test_a_cancelled_probe_is_given_to_the_next_request() -> None:
    breaker = make_open_breaker()
    breaker.record_start("oak")
    breaker.record_cancelled("elm")
    assert breaker.is_open(200.0)
    breaker.record_cancelled("oak")
    assert not breaker.is_open(200.0)


def test_the_first_response_closes_it_and_reports_its_duration() -> None:
    breaker = make_open_breaker(100.0)
    breaker.record_start("oak")
    assert breaker.record_response() == 100.0
    assert not breaker.is_open(100.0)
    assert breaker.record_response() is None
    assert not breaker.record_failure("oak", 101.0)


@pytest.mark.parametrize(
    "kind", [FailureKind.THROTTLED, FailureKind.ECONNECTOR_DOWN, FailureKind.GATEWAY_TIMEOUT, FailureKind.KEY_REJECTED]
)
def test_a_refusal_is_an_answer(kind: FailureKind) -> None:
    assert kind not in OUTAGE_KINDS
