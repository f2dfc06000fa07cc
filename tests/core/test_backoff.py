import math

import pytest

from oddaemon.core.backoff import compute_backoff_seconds, compute_retry_seconds
from oddaemon.core.model import Cadence

CADENCE = Cadence(backoff_base_seconds=4.0, backoff_max_seconds=60.0, retry_after_max_seconds=300.0)


@pytest.mark.parametrize(("attempts", "ceiling"), [(1, 4.0), (2, 8.0), (3, 16.0), (5, 60.0), (5_000, 60.0)])
def test_the_delay_doubles_up_to_its_cap_and_jitter_moves_its_upper_half(attempts: int, ceiling: float) -> None:
    assert compute_backoff_seconds(attempts, 0.0, CADENCE) == ceiling / 2
    assert compute_backoff_seconds(attempts, 1.0, CADENCE) == ceiling


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [(None, 4.0), (30.0, 30.0), (0.0, 4.0), (-5.0, 4.0), (7200.0, 300.0), (math.inf, 300.0), (math.nan, 4.0)],
)
def test_what_the_server_asks_for_is_heeded_within_reason(asked: float | None, seconds: float) -> None:
    assert compute_retry_seconds(asked, 1, 1.0, CADENCE) == seconds


def test_our_own_back_off_may_be_longer_than_the_longest_that_a_server_may_ask_for() -> None:
    short = Cadence(backoff_base_seconds=40.0, retry_after_max_seconds=10.0)
    assert compute_retry_seconds(20.0, 1, 1.0, short) == 40.0
