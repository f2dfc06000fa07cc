"""Breaks a simulation on purpose, so that a checker must notice."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from tests.simulation.environment import SimulationEnvironment
from tests.simulation.runner import SimulationOutcome

Interference = Callable[[SimulationEnvironment], Awaitable[None]]


@contextmanager
def interfering(interfere: Interference) -> Iterator[None]:
    """Do this to the environment after its scenario, just before everything is repaired."""
    performed = SimulationEnvironment.run_actions

    async def perform(self: SimulationEnvironment) -> None:
        await performed(self)
        await interfere(self)

    SimulationEnvironment.run_actions = perform  # type: ignore[method-assign]  # the simulation is broken on purpose
    try:
        yield
    finally:
        SimulationEnvironment.run_actions = performed  # type: ignore[method-assign]  # and repaired


def assert_complaint(outcome: SimulationOutcome, checker: str, *texts: str) -> bool:
    found = [str(complaint) for complaint in outcome.complaints if complaint.checker == checker]
    assert any(all(text in sentence for text in texts) for sentence in found), outcome.complaints
    return True
