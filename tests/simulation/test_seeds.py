"""A few seeds on each run of the tests; `make simulate SEEDS=5000` plays as many as you like, 200 by default."""

import pytest

from tests.simulation.campaign import run_seed

SEEDS = 8
SEEDS_A_TEST = 2
"""Few enough for two cores to share them evenly."""


@pytest.mark.parametrize("first", range(1, SEEDS + 1, SEEDS_A_TEST))
def test_nothing_that_a_seed_draws_breaks_an_invariant(first: int) -> None:
    for seed in range(first, first + SEEDS_A_TEST):
        verdict = run_seed(seed)
        assert not verdict.complaints, "\n".join((f"replay it: {verdict.replay_command}", *verdict.complaints))
