"""The scenario of one seed: its offices and its incidents. All of it follows from the seed, and nothing else does.

Each seed draws only some kinds of incident, and several of each (a swarm): what goes wrong together every
time hides what goes wrong alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.simulation.incidents.actions import Action
from tests.simulation.incidents.daemon_incidents import DAEMON_INCIDENTS
from tests.simulation.incidents.incident import Incident
from tests.simulation.incidents.office_incidents import OFFICE_INCIDENTS
from tests.simulation.incidents.request_incidents import (
    HEADQUARTERS_DOWN,
    INDISTINGUISHABLE,
    REQUEST_INCIDENTS,
    STALE_PREFERENCES,
)
from tests.simulation.scenario.fleet import SimulatedFleet, draw_fleet
from tests.simulation.scenario.seeded_random import make_rng

DrawIncident = Callable[[Random, SimulatedFleet, str], Incident]
KINDS: dict[str, DrawIncident] = {**REQUEST_INCIDENTS, **OFFICE_INCIDENTS, **DAEMON_INCIDENTS}
FLEET_WIDE = frozenset({*DAEMON_INCIDENTS, HEADQUARTERS_DOWN})
"""Drawn once for the whole fleet."""

QUIET_SHARE = 0.04
"""Of seeds in which nothing goes wrong at all."""
ISOLATION_SHARE = 0.2
"""Of seeds in which only one office fails, so that the others can be compared with a run in which it does not."""


@dataclass(frozen=True)
class Scenario:
    """What happens in one run."""

    seed: int
    fleet: SimulatedFleet
    incidents: tuple[Incident, ...]
    failing_office: str | None = None
    """The only office that fails; None: any of them may."""

    @property
    def actions(self) -> list[Action]:
        """All actions, in order of time."""
        return sorted(
            (action for incident in self.incidents for action in incident.actions), key=lambda action: action.at_seconds
        )

    def describe(self) -> str:
        """The scenario as text."""
        fleet = self.fleet
        lines = [
            f"Seed {self.seed}: {len(fleet.members)} offices, {fleet.nights} nights from {fleet.base.isoformat()}."
        ]
        lines += [f"  {fleet.cadence}"]
        lines += [f"  {member}" for member in fleet.members]
        lines += [f"  {incident.describe()}" for incident in self.incidents]
        return "\n".join(lines)


def draw_scenario(seed: int) -> Scenario:
    """Draw the scenario of a seed."""
    fleet = draw_fleet(make_rng(seed, "cast"))
    rng = make_rng(seed, "troubles")
    fate = rng.random()
    if fate < QUIET_SHARE:
        return Scenario(seed, fleet, ())
    failing_office = rng.choice(fleet.ids) if fate < QUIET_SHARE + ISOLATION_SHARE else None
    pool = [kind for kind in KINDS if not (failing_office and kind in FLEET_WIDE)]
    kinds = rng.sample(pool, min(len(pool), rng.choice((1, 2, 3, 4, 6, 9))))
    if set(kinds) >= INDISTINGUISHABLE:
        kinds.remove(STALE_PREFERENCES)
    incidents: list[Incident] = []
    for kind in kinds:
        own_rng = make_rng(seed, kind)
        times = 1 if kind in FLEET_WIDE else own_rng.choice((1, 1, 2, 3))
        incidents += [KINDS[kind](own_rng, fleet, failing_office or own_rng.choice(fleet.ids)) for _ in range(times)]
    # An outage of headquarters hides every other fault, so it comes first.
    incidents.sort(key=lambda incident: (incident.kind != HEADQUARTERS_DOWN, incident.begins))
    return Scenario(seed, fleet, tuple(incidents), failing_office)
