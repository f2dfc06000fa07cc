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


def fallen(now: float = 100.0) -> CircuitBreaker:
    outage = CircuitBreaker()
    assert [outage.record_failure(office, now) for office in ("oak", "elm", "fir")] == [False, False, True]
    return outage


def test_silence_towards_one_office_or_two_is_their_own_trouble() -> None:
    outage = CircuitBreaker()
    for second in range(50):
        assert not outage.record_failure("oak", float(second))
        assert not outage.record_failure("elm", float(second))
    assert not outage.is_open(50.0)


def test_an_answer_in_between_shows_that_somebody_is_there() -> None:
    outage = CircuitBreaker()
    outage.record_failure("oak", 1.0)
    outage.record_failure("elm", 2.0)
    assert outage.record_response() is None
    assert not outage.record_failure("fir", 3.0)
    assert not outage.is_open(3.0)


def test_silence_of_long_ago_says_nothing() -> None:
    outage = CircuitBreaker()
    outage.record_failure("oak", 1.0)
    outage.record_failure("elm", 2.0)
    assert not outage.record_failure("fir", 1.5 + FAILURE_WINDOW_SECONDS)
    assert not outage.is_open(700.0)


def test_one_trial_at_a_time_and_each_later_than_the_one_before() -> None:
    outage, now = fallen(), 100.0
    waits = []
    for _ in range(8):
        before = now
        while outage.is_open(now):
            now += 0.5
        waits.append(now - before)
        outage.record_start("oak")
        assert outage.is_open(now + 3600.0), "a trial is in flight"
        assert not outage.record_failure("oak", now)
    assert waits == [RETRY_FIRST_SECONDS, 10.0, 20.0, 40.0, *[RETRY_MAX_SECONDS] * 4]


def test_requests_that_left_before_the_outage_was_noticed_are_no_trials() -> None:
    outage = fallen()
    for office in ("ash", "yew", "box"):
        assert not outage.record_failure(office, 101.0)
    assert not outage.is_open(100.0 + RETRY_FIRST_SECONDS)


def test_a_trial_that_was_cut_off_is_given_to_the_next() -> None:
    outage = fallen()
    outage.record_start("oak")
    outage.record_cancelled("elm")
    assert outage.is_open(200.0)
    outage.record_cancelled("oak")
    assert not outage.is_open(200.0)


def test_the_first_answer_ends_it_and_tells_since_when_it_lasted() -> None:
    outage = fallen(100.0)
    outage.record_start("oak")
    assert outage.record_response() == 100.0
    assert not outage.is_open(100.0)
    assert outage.record_response() is None
    assert not outage.record_failure("oak", 101.0)


@pytest.mark.parametrize(
    "kind", [FailureKind.THROTTLED, FailureKind.ECONNECTOR_DOWN, FailureKind.GATEWAY_TIMEOUT, FailureKind.KEY_REJECTED]
)
def test_a_refusal_is_an_answer(kind: FailureKind) -> None:
    assert kind not in OUTAGE_KINDS
