"""A small sample of `make crash`: five scenes, each through six kills in a row."""

import random

import pytest

from tests.crash.ordeals import in_a_row, rehearse, undergo
from tests.crash.scenes import noon_zone, scenes

SEED = 7
KILLS = 6
MORE_SCENES = ["pages", "parts", "overtaken", "fleet"]


@pytest.mark.parametrize(
    "name",
    [
        "statement",
        *(pytest.param(name, marks=pytest.mark.real("kills real processes")) for name in MORE_SCENES),
    ],
)
async def test_a_daemon_that_is_killed_again_and_again_ends_like_one_that_is_not(name: str) -> None:
    scene = scenes(noon_zone())[name]
    rehearsal = await rehearse(scene)
    outcome = await undergo(in_a_row(name, KILLS, random.Random(f"{SEED}:{name}")), scene, rehearsal)
    assert not outcome.wrong, "\n".join([outcome.ordeal.replay, *outcome.wrong])
    assert outcome.told.kills >= KILLS // 2
