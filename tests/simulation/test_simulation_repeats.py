"""A seed is one story, however often it is played, and a process is as it was when it is over."""

import pytest

from tests.simulation.checkers import leftovers
from tests.simulation.play import Outcome, play
from tests.simulation.small_stories import member, story
from tests.simulation.story import draw_story

RUNS = 50
RUNS_TO_WARM_UP = 10
OBJECTS_A_RUN_MAX = 20
"""A list that grows by one at each request of a run would be ten times that."""


def test_a_seed_plays_the_same_way_every_time() -> None:
    first, again = (play(draw_story(11)) for _ in range(2))
    assert _told(first) == _told(again)
    assert (first.requests, first.failures, first.daemons) == (again.requests, again.failures, again.daemons)


def test_a_seed_draws_the_same_story_every_time() -> None:
    assert draw_story(11).describe() == draw_story(11).describe()
    assert draw_story(11).describe() != draw_story(12).describe()


@pytest.mark.slow("fifty runs, and the garbage collector after them")
def test_fifty_runs_leave_nothing_in_the_process() -> None:
    told = story(members=(member(guarantors=8),))
    for _ in range(RUNS_TO_WARM_UP):
        assert play(told).findings == ()
    before = leftovers.objects()
    for _ in range(RUNS - RUNS_TO_WARM_UP):
        assert play(told).findings == ()
    assert leftovers.objects() - before < OBJECTS_A_RUN_MAX * (RUNS - RUNS_TO_WARM_UP)


def _told(outcome: Outcome) -> dict[str, list[tuple[object, ...]]]:
    return {
        office_id: [(told.row.aging_date, told.published_seconds, told.balances) for told in published]
        for office_id, published in outcome.published.items()
    }
