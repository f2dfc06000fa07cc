"""What a night costs, and how soon its end is noticed: the state machine itself, through whole nights of many offices.

python -m tests.bench.reading.cadence [OFFICES NIGHTS]

The same nights are watched three times: once a minute from the due time on, which learns nothing; from most of the
last night's length on, as before; and from what the last nights showed.
"""

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from oddaemon.core.model import AgingMark
from oddaemon.core.office.machine import make_initial_state
from oddaemon.core.office.state import (
    ClockMeasured,
    MeasureClock,
    Observation,
    OfficeState,
    Probe,
    Probed,
    Pull,
    Started,
    Survey,
    Surveyed,
    TimerFired,
    Wait,
)
from tests.bench.harness.figure import Figure, Measurement, Step, make_figure
from tests.core.builders import (
    IDENTITY,
    OfficeRun,
    make_instant,
    make_preferences,
    make_pulled,
    make_snapshot,
)

OFFICES, NIGHTS = 100, 30
LEARNING_NIGHTS = 3
REQUEST_SECONDS = 1.2
"""Of one key, with its spacing."""
SURVEY_REQUESTS, PROBE_REQUESTS = 6, 2
FIRST_DUE_AT = make_instant("2026-05-05 02:00")
DAY = timedelta(days=1)
TIMER_FIRED: Observation = TimerFired()

Forget = Callable[[OfficeState], OfficeState]
WAYS: dict[str, Forget] = {
    "every minute": lambda state: replace(state, completions=(), run_seconds=None),
    "the last night's length": lambda state: replace(state, completions=()),
    "the last nights": lambda state: state,
}


@dataclass
class Tally:
    """What was measured of one way, a number for each night."""

    probes: list[float] = field(default_factory=list)
    """Requests of probes from the due time to the completion's notice."""
    day: list[float] = field(default_factory=list)
    """All requests of a day and night."""
    delays: list[float] = field(default_factory=list)
    """Seconds from the completion to its notice."""


def draw_completions(rng: random.Random, nights: int) -> list[float]:
    """When the runs of one office are complete, in seconds from the due time: two in a hundred are held up."""
    usual = 30.0 * 2 ** rng.uniform(0.0, 6.0)
    return [
        max(5.0, rng.gauss(usual, 5.0 + 0.02 * usual)) + (rng.uniform(300.0, 1200.0) if rng.random() < 0.02 else 0.0)
        for _ in range(nights)
    ]


def watch(completions: list[float], forget: Forget, tally: Tally) -> None:
    """One office through its nights."""
    begins = FIRST_DUE_AT - timedelta(hours=6)
    run = OfficeRun(make_initial_state(begins), begins)
    run.observe(Started())
    requests, probes, noticed = 0, 0, 0
    while run.now < FIRST_DUE_AT + len(completions) * DAY - timedelta(hours=6):
        night = max(0, (run.now - FIRST_DUE_AT) // DAY)
        due_at = FIRST_DUE_AT + night * DAY
        complete_at = due_at + timedelta(seconds=completions[night])
        last = make_preferences(f"{(due_at if run.now >= complete_at else due_at - DAY):%Y-%m-%d}", read_at=run.now)
        mark = AgingMark(last.date_last_aging, "")
        cost, observation = 0, TIMER_FIRED
        match run.action:
            case Wait(until):
                run.now = max(run.now, until)
            case Survey():
                cost, observation = SURVEY_REQUESTS, Surveyed(last)
            case MeasureClock():
                cost, observation = 1, ClockMeasured(0.0, IDENTITY, mark)
            case Probe():
                cost, observation = PROBE_REQUESTS, Probed(mark)
                probes += PROBE_REQUESTS if run.now >= due_at and noticed <= night else 0
            case Pull(aging_date=aging_date):
                if run.now >= complete_at and noticed <= night:
                    if night >= LEARNING_NIGHTS:
                        tally.probes.append(probes)
                        tally.day.append(requests)
                        tally.delays.append((run.now - complete_at).total_seconds())
                    requests, probes, noticed = 0, 0, night + 1
                cost, observation = 1, make_pulled(make_snapshot(aging_date), now=run.now)
        run.now += timedelta(seconds=cost * REQUEST_SECONDS)
        requests += cost
        run.observe(observation)
        run.state = forget(run.state)


def measure(offices: int = OFFICES, nights: int = NIGHTS) -> Measurement:
    """The three ways, on the same nights."""
    for name, forget in WAYS.items():
        yield Step(f"watching by {name}")
        tally, rng = Tally(), random.Random(7)
        for _ in range(offices):
            watch(draw_completions(rng, nights), forget, tally)
        late = sorted(tally.delays)[int(0.95 * len(tally.delays))]
        yield make_figure(f"{name}: requests of probes a night", sum(tally.probes) / len(tally.probes), "requests")
        yield make_figure(f"{name}: requests a day and night", sum(tally.day) / len(tally.day), "requests")
        yield make_figure(f"{name}: completion noticed after", tally.delays, "s", goal=20)
        yield make_figure(f"{name}: the same in 19 of 20 nights", late, "s")


if __name__ == "__main__":
    for found in measure(*map(int, sys.argv[1:])):
        if isinstance(found, Figure):
            print(f"{found.name}: {found.value:.1f} {found.unit}", flush=True)  # noqa: T201
