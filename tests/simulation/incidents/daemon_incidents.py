"""Incidents of the daemon: it ends and starts again, its configuration changes, its clock is set."""

from collections.abc import Callable
from dataclasses import replace
from datetime import time
from random import Random

from oddaemon.core.model import Include, Reader
from oddaemon.settings import OfficeSettings
from tests.simulation.incidents.actions import Action, ReloadConfig, RestartDaemon, StepClock
from tests.simulation.incidents.incident import Impact, Incident
from tests.simulation.scenario.fleet import DAY, HOUR, FleetMember, SimulatedFleet
from tests.simulation.scenario.timing import draw_moment

DRAIN_SECONDS_MAX = 80.0
CRASH_WAIT_SECONDS_MAX = 3600.0
"""A crash that waits for a line of the log happens after this time without it."""

DrawIncident = Callable[[Random, SimulatedFleet, str], Incident]


def _draw_restarts(rng: Random, fleet: SimulatedFleet, _office_id: str) -> Incident:
    """The daemon ends several times, in every way and at any moment, and is down for seconds or hours."""
    endings: list[Action] = []
    for _ in range(rng.randint(1, 6)):
        how = rng.choices(("crash", "stop", "drain"), (70, 15, 15))[0]
        down_seconds = rng.choice((0.0, 0.0, 5.0, 300.0, 3 * HOUR))
        at = draw_moment(rng, fleet, rng.choice(fleet.ids))
        lines, steps = (rng.randint(1, 20), rng.randint(0, 12)) if rng.random() < 0.6 else (0, 0)
        endings.append(RestartDaemon(at, how, down_seconds, lines, steps))  # type: ignore[arg-type]  # of literals
    return _make_incident("restarts", fleet, endings)


def _draw_reloads(rng: Random, fleet: SimulatedFleet, _office_id: str) -> Incident:
    """Offices are removed, added again and changed while the others continue."""
    actions: list[Action] = []
    for _ in range(rng.randint(1, 3)):
        member = fleet.get_member(rng.choice(fleet.ids))
        at, why, changed = draw_moment(rng, fleet, member.id), *_draw_changed_settings(rng, member)
        actions.append(ReloadConfig(at, ((member.id, changed),), why))
        actions.append(
            ReloadConfig(at + rng.choice((1.0, 60.0, 4 * HOUR)), ((member.id, member.settings),), "as it was")
        )
    return _make_incident("reloads", fleet, actions)


def _draw_changed_settings(rng: Random, member: FleetMember) -> tuple[str, OfficeSettings | None]:
    settings, spec = member.settings, member.settings.spec
    include = Include.ALL if spec.include is Include.DEBTS else Include.DEBTS
    clinics = (0, 1) if member.spec.clinics and not spec.clinics else ()
    changes: dict[str, OfficeSettings | None] = {
        "taken out": None,
        "switched off": replace(settings, spec=replace(spec, enabled=False)),
        "other guarantors": replace(settings, spec=replace(spec, include=include)),
        "other clinics": replace(settings, spec=replace(spec, clinics=clinics)),
        "in pages": replace(settings, spec=replace(spec, reader=Reader.PAGES)),
        "other deadline": replace(settings, spec=replace(spec, fresh_by=time(6, 30))),
        "other name": replace(settings, spec=replace(spec, name="A new name")),
        "without its zone": replace(settings, spec=replace(spec, zone=None)),
    }
    why = rng.choice(list(changes))
    return why, changes[why]


def _draw_clock_steps(rng: Random, fleet: SimulatedFleet, _office_id: str) -> Incident:
    """The clock of the daemon's machine is set wrong, and corrected later."""
    by_seconds = rng.choice((-90.0, 90.0, -HOUR, HOUR, -7 * HOUR, 7 * HOUR, -DAY, 30 * DAY, -300 * DAY, 300 * DAY))
    begins = draw_moment(rng, fleet, rng.choice(fleet.ids))
    ends = begins + rng.choice((60.0, HOUR, 8 * HOUR))
    actions = (StepClock(begins, by_seconds), StepClock(ends, -by_seconds))
    return Incident(CLOCK_STEPS, fleet.ids, begins, ends, Impact.SOMETIMES, actions=actions)


CLOCK_STEPS = "clock steps"


def _make_incident(kind: str, fleet: SimulatedFleet, actions: list[Action]) -> Incident:
    """Of no excuse: when the daemon was down and who was wanted is known from what happened."""
    actions = sorted(actions, key=lambda action: action.at_seconds)
    return Incident(
        kind, fleet.ids, actions[0].at_seconds, actions[-1].at_seconds, Impact.NOTHING, actions=tuple(actions)
    )


DAEMON_INCIDENTS: dict[str, DrawIncident] = {
    "restarts": _draw_restarts,
    "reloads": _draw_reloads,
    CLOCK_STEPS: _draw_clock_steps,
}
