from datetime import timedelta

import pytest

from oddaemon.core.fleet.clock import SKEW_SECONDS_MAX, ClockSample, estimate_now, find_skew, is_trusted
from tests.core.fleet.builders import NOW


def test_the_answer_with_the_shortest_round_trip_counts_from_its_middle_on() -> None:
    samples = [ClockSample(10.0, 14.0, NOW), ClockSample(20.0, 20.2, NOW + timedelta(seconds=8))]
    assert estimate_now(samples, 30.1) == NOW + timedelta(seconds=18)


def test_only_the_last_answers_count() -> None:
    old = ClockSample(0.0, 0.0, NOW - timedelta(hours=1))
    samples = [old, *(ClockSample(float(second), second + 1.0, NOW) for second in range(5))]
    assert estimate_now(samples, 0.5) == NOW


@pytest.mark.parametrize(("monotonic", "expected"), [(112.9, True), (113.0, False)])
def test_a_renewal_is_trusted_from_its_sending_on(monotonic: float, *, expected: bool) -> None:
    assert is_trusted(100.0, monotonic, 13.0) is expected


def test_a_clock_that_is_far_off_is_noticed() -> None:
    assert find_skew(NOW + timedelta(hours=1), NOW) == 3600.0
    assert find_skew(NOW - timedelta(seconds=SKEW_SECONDS_MAX), NOW) is None
