"""A seed plays the same way every time, and leaves nothing behind in the process."""

import pytest

from tests.simulation.checkers import resource_leaks
from tests.simulation.runner import SimulationOutcome, run_scenario
from tests.simulation.scenario.handmade import make_member, make_scenario
from tests.simulation.scenario.scenario import draw_scenario

RUNS = 50
RUNS_TO_WARM_UP = 10
OBJECTS_A_RUN_MAX = 20
"""A list that grows by one at each request of a run would be ten times that."""


def test_a_seed_plays_the_same_way_every_time() -> None:
    first, again = (run_scenario(draw_scenario(11), verbose=True) for _ in range(2))
    assert _list_events(first) == _list_events(again)
    assert _summarize(first) == _summarize(again)
    assert (first.requests, first.failures, first.daemons) == (again.requests, again.failures, again.daemons)


def test_a_seed_draws_the_same_scenario_every_time() -> None:
    assert draw_scenario(11).describe() == draw_scenario(11).describe()
    assert draw_scenario(11).describe() != draw_scenario(12).describe()


@pytest.mark.slow("fifty runs, and the garbage collector after them")
def test_fifty_runs_leave_nothing_in_the_process() -> None:
    scenario = make_scenario(members=(make_member(guarantors=8),))
    for _ in range(RUNS_TO_WARM_UP):
        assert run_scenario(scenario).complaints == ()
    before = resource_leaks.count_objects()
    for _ in range(RUNS - RUNS_TO_WARM_UP):
        assert run_scenario(scenario).complaints == ()
    assert resource_leaks.count_objects() - before < OBJECTS_A_RUN_MAX * (RUNS - RUNS_TO_WARM_UP)


def _list_events(outcome: SimulationOutcome) -> list[str]:
    """What the daemon logged; tasks that are cancelled together end in any order, and a directory has any name."""
    return sorted(line for line in outcome.lines if "'daemon_started'" not in line)


def _summarize(outcome: SimulationOutcome) -> dict[str, list[tuple[object, ...]]]:
    return {
        office_id: [(result.row.aging_date, result.published_seconds, result.balances) for result in published]
        for office_id, published in outcome.published.items()
    }
