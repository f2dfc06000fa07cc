"""Breaks a played world on purpose, so that a checker must find it."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from tests.simulation.environment import SimulationEnvironment
from tests.simulation.runner import SimulationOutcome

Interference = Callable[[SimulationEnvironment], Awaitable[None]]


@contextmanager
def interfering(interfere: Interference) -> Iterator[None]:
    """Do this to the environment once its scenario has run, just before everything is repaired."""
    performed = SimulationEnvironment.run_actions

    async def perform(self: SimulationEnvironment) -> None:
        await performed(self)
        await interfere(self)

    SimulationEnvironment.run_actions = perform  # type: ignore[method-assign]  # the world is broken on purpose
    try:
        yield
    finally:
        SimulationEnvironment.run_actions = performed  # type: ignore[method-assign]  # and repaired


def assert_complaint(outcome: SimulationOutcome, checker: str, *texts: str) -> bool:
    found = [str(complaint) for complaint in outcome.complaints if complaint.checker == checker]
    assert any(all(text in sentence for text in texts) for sentence in found), outcome.complaints
    return True
