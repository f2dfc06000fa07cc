"""One headquarters that falls silent, as its answers to many offices show it."""

import pytest

from oddaemon.core.failure import Kind
from oddaemon.opendental.outage import FORGOTTEN_AFTER_SECONDS, SILENT, TRIAL_FIRST_SECONDS, TRIAL_MAX_SECONDS, Outage


def fallen(now: float = 100.0) -> Outage:
    outage = Outage()
    assert [outage.silent(office, now) for office in ("oak", "elm", "fir")] == [False, False, True]
    return outage


def test_silence_towards_one_office_or_two_is_their_own_trouble() -> None:
    outage = Outage()
    for second in range(50):
        assert not outage.silent("oak", float(second))
        assert not outage.silent("elm", float(second))
    assert not outage.is_closed(50.0)


def test_an_answer_in_between_shows_that_somebody_is_there() -> None:
    outage = Outage()
    outage.silent("oak", 1.0)
    outage.silent("elm", 2.0)
    assert outage.answered() is None
    assert not outage.silent("fir", 3.0)
    assert not outage.is_closed(3.0)


def test_silence_of_long_ago_says_nothing() -> None:
    outage = Outage()
    outage.silent("oak", 1.0)
    outage.silent("elm", 2.0)
    assert not outage.silent("fir", 1.5 + FORGOTTEN_AFTER_SECONDS)
    assert not outage.is_closed(700.0)


def test_one_trial_at_a_time_and_each_later_than_the_one_before() -> None:
    outage, now = fallen(), 100.0
    waits = []
    for _ in range(8):
        before = now
        while outage.is_closed(now):
            now += 0.5
        waits.append(now - before)
        outage.enter("oak")
        assert outage.is_closed(now + 3600.0), "a trial is in flight"
        assert not outage.silent("oak", now)
    assert waits == [TRIAL_FIRST_SECONDS, 10.0, 20.0, 40.0, *[TRIAL_MAX_SECONDS] * 4]


def test_requests_that_left_before_the_outage_was_noticed_are_no_trials() -> None:
    outage = fallen()
    for office in ("ash", "yew", "box"):
        assert not outage.silent(office, 101.0)
    assert not outage.is_closed(100.0 + TRIAL_FIRST_SECONDS)


def test_a_trial_that_was_cut_off_is_given_to_the_next() -> None:
    outage = fallen()
    outage.enter("oak")
    outage.abandoned("elm")
    assert outage.is_closed(200.0)
    outage.abandoned("oak")
    assert not outage.is_closed(200.0)


def test_the_first_answer_ends_it_and_tells_since_when_it_lasted() -> None:
    outage = fallen(100.0)
    outage.enter("oak")
    assert outage.answered() == 100.0
    assert not outage.is_closed(100.0)
    assert outage.answered() is None
    assert not outage.silent("oak", 101.0)


@pytest.mark.parametrize("kind", [Kind.THROTTLED, Kind.ECONNECTOR_DOWN, Kind.GATEWAY_TIMEOUT, Kind.KEY_REJECTED])
def test_a_refusal_is_an_answer(kind: Kind) -> None:
    assert kind not in SILENT
