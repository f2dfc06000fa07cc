"""The 25 scenarios of the demo, from `scenarios.toml`, filled up with ordinary offices."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.resources import files
from random import Random
from zoneinfo import ZoneInfo

import msgspec

from oddaemon.core.model import Condition, Owner

PlanTable = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ExpectedState:
    """The state of an office at the end of the demo."""

    condition: Condition = Condition.FRESH
    reason_contains: str = ""
    """A word of the true cause, which the reason must contain."""
    owner: Owner | None = None
    """Who must act."""
    published: bool = True
    """Whether there is a snapshot."""
    ages_tonight: bool = True
    """Whether aging completes tonight, so that the snapshot must be of tonight's run."""


@dataclass(frozen=True, slots=True)
class OfficeScenario:
    """An office, its faults, and its expected state."""

    id: str
    description: str
    """For a newcomer: what is special about it."""
    office: dict[str, object]
    """Its `[[office]]` in the simulator's plan, without the id."""
    faults: Sequence[PlanTable] = ()
    """Its `[[fault]]` tables, without the office's id."""
    expected: ExpectedState = field(default=ExpectedState())


@dataclass(frozen=True, slots=True)
class _DemoPlan:
    config: PlanTable
    """Tables of the daemon's configuration."""
    scenario: list[OfficeScenario]


ZONES = ("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles")
SPACING_SECONDS = 0.2
"""Between two requests of a key; a real one is 1 s."""
INTERRUPTED_OFFICE = "fir-grove"
"""The daemon is killed while it reads this office."""
MISSED_AGO = timedelta(minutes=80)
"""How long ago the late office's aging was due: the hour of its service is over."""


def make_scenarios(now: datetime, offices: int, seed: int) -> list[OfficeScenario]:
    """The scenarios, filled up with ordinary offices; `now` is an aware instant just before the night."""
    scenarios = _read_plan().scenario
    for scenario in scenarios:
        scenario.office.update(_set_clock(scenario, now))
    rng = Random(seed)  # noqa: S311 - a seeded world needs reproducible randomness, not cryptography
    ordinary = [_make_ordinary(number, rng) for number in range(1, offices - len(scenarios) + 1)]
    return [*scenarios, *ordinary]


def render_plan(scenarios: Sequence[OfficeScenario], seed: int) -> str:
    """The plan for `oddaemon simulator --plan`, as JSON."""
    plan = {
        "seed": seed,
        "config": _read_plan().config,
        "office": [
            {"id": scenario.id, "spacing_seconds": SPACING_SECONDS, **scenario.office} for scenario in scenarios
        ],
        "fault": [{**fault, "offices": [scenario.id]} for scenario in scenarios for fault in scenario.faults],
    }
    return json.dumps(plan, indent=1, default=str)


def _read_plan() -> _DemoPlan:
    content = files("oddaemon.cli.demo").joinpath("scenarios.toml").read_bytes()
    return msgspec.toml.decode(content, type=_DemoPlan)


def _make_ordinary(number: int, rng: Random) -> OfficeScenario:
    guarantors = round(min(4000.0, rng.lognormvariate(6.0, 0.8)))
    zone, due_in_seconds = ZONES[rng.randrange(len(ZONES))], 6 + 8 * rng.random()
    office = {"zone": zone, "guarantors": guarantors, "due_in_seconds": due_in_seconds, "run_seconds": 2.0}
    return OfficeScenario(f"office-{number:03}", "an ordinary office", office)


def _set_clock(scenario: OfficeScenario, now: datetime) -> PlanTable:
    """What is relative to the clock of an office that does not age tonight; nothing for the others."""
    local = now.astimezone(ZoneInfo(str(scenario.office["zone"])))
    match scenario.id:
        case "chestnut-row":
            missed = (now - MISSED_AGO).astimezone(local.tzinfo)
            deadline = (now - timedelta(minutes=1)).astimezone(local.tzinfo)
            return {
                "service_time_due": f"{missed:%H:%M:%S}",
                "last_aging": missed.date() - timedelta(days=1),
                "config": {"fresh_by": f"{deadline:%H:%M}"},
            }
        case "magnolia-way":
            return {"service_time_due": None}
        case "cypress-court" | "linden-square":
            return {"service_time_due": f"{local + timedelta(hours=6):%H:%M:%S}"}
    return {}
