"""A small sample of `make crash`: six scenarios, each through six kills in a row."""

import random

import pytest

from tests.crash.fault_injection import plan_kill_sequence, run_baseline, run_plan
from tests.crash.scenarios import find_noon_zone, make_scenarios

SEED = 7
KILLS = 6
MORE_SCENES = ["pages", "parts", "overtaken", "troubled", "fleet"]


@pytest.mark.parametrize(
    "name",
    [
        "statement",
        *(pytest.param(name, marks=pytest.mark.real("kills real processes")) for name in MORE_SCENES),
    ],
)
async def test_a_daemon_that_is_killed_again_and_again_ends_like_one_that_is_not(name: str) -> None:
    scenario = make_scenarios(find_noon_zone())[name]
    rehearsal = await run_baseline(scenario)
    outcome = await run_plan(plan_kill_sequence(name, KILLS, random.Random(f"{SEED}:{name}")), scenario, rehearsal)
    assert not outcome.problems, "\n".join([outcome.plan.replay_command, *outcome.problems])
    assert outcome.run.kill_count >= KILLS // 2
