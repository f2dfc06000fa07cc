"""Plays a few seeds on each run of the tests; `make simulate SEEDS=5000` plays more, by default 200."""

import pytest

from tests.simulation.campaign import run_seed

SEEDS = 2


@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
def test_nothing_that_a_seed_draws_breaks_an_invariant(seed: int) -> None:
    verdict = run_seed(seed)
    assert not verdict.complaints, "\n".join((f"replay it: {verdict.replay_command}", *verdict.complaints))
