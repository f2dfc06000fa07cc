"""The checker finds a blame of the office, the vendor or us that no injected fault justifies."""

from dataclasses import replace

import pytest

from oddaemon.core.model import Condition, Owner
from oddaemon.simulator.faults.faults import FaultWindow, ScheduledFault, StalePreferences
from tests.simulation.checkers import blame
from tests.simulation.environment import SimulationEnvironment
from tests.simulation.incidents.incident import Impact, Incident
from tests.simulation.interference import Interference, assert_complaint, interfering
from tests.simulation.runner import run_scenario
from tests.simulation.scenario.handmade import DUE, ELM, make_scenario

STALE = Incident(
    "stale",
    (ELM,),
    0.0,
    1e9,
    Impact.DELAY,
    (ScheduledFault(StalePreferences(300.0), frozenset({ELM}), FaultWindow(DUE)),),
)
DOWN_INCIDENT = replace(STALE, kind="down", impact=Impact.EVERYTHING, scheduled_faults=())


def _blame_by_hand(owner: Owner, reason: str = "It is his fault.") -> Interference:
    async def interfere(environment: SimulationEnvironment) -> None:
        runtime = environment.world.daemon.fleet.offices[ELM]
        standing = replace(runtime.state.standing, condition=Condition.BLOCKED, owner=owner, reason=reason)
        runtime.state = replace(runtime.state, standing=standing)
        blame.check(environment)

    return interfere


@pytest.mark.parametrize("owner", [Owner.OFFICE, Owner.VENDOR, Owner.US])
@pytest.mark.parametrize("incidents", [(), (STALE,)], ids=["nothing injected", "stale answers"])
def test_a_wrong_blame_is_found(owner: Owner, incidents: tuple[Incident, ...]) -> None:
    with interfering(_blame_by_hand(owner)):
        outcome = run_scenario(make_scenario(*incidents))
    assert assert_complaint(outcome, blame.BLAME, ELM, f"{owner} must act and nothing is wrong with it")


@pytest.mark.parametrize("owner", [Owner.OFFICE, Owner.VENDOR, Owner.US])
def test_a_blame_with_a_cause_is_none(owner: Owner) -> None:
    with interfering(_blame_by_hand(owner)):
        outcome = run_scenario(make_scenario(DOWN_INCIDENT))
    assert [complaint for complaint in outcome.complaints if complaint.checker == blame.BLAME] == []


def test_balances_of_two_runs_are_found_where_a_run_writes_once() -> None:
    with interfering(_blame_by_hand(Owner.OFFICE, f"The table holds balances of {blame.BROKEN_OFF}.")):
        outcome = run_scenario(make_scenario(DOWN_INCIDENT))
    assert assert_complaint(outcome, blame.BLAME, ELM, "its table holds the balances of one run")
