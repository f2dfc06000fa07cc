"""Plays and checks many seeds, in as many processes as there are cores, and summarizes the results."""

import gc
import sys
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from time import perf_counter, process_time

from tests.simulation.checkers.isolation import check
from tests.simulation.runner import SimulationOutcome, run_scenario
from tests.simulation.scenario.scenario import Scenario, draw_scenario

COMMAND = "python -m tests.simulation"
SEEDS_A_TASK = 2
SEEDS_BETWEEN_UPDATES = 50


@dataclass(frozen=True)
class SeedResult:
    """What is reported of a seed."""

    seed: int
    complaints: tuple[str, ...]
    drawn_incidents: Counter[str]
    failures: Counter[str]
    offices: int
    office_nights: int
    published: int = 0
    requests: int = 0
    daemons: int = 0
    cpu_seconds: float = 0.0

    @property
    def replay_command(self) -> str:
        """The command that plays the seed again."""
        return f"{COMMAND} --seed {self.seed} --verbose"


def run_seed(seed: int) -> SeedResult:
    """Play a seed. An exception is a complaint, too."""
    began, scenario = process_time(), draw_scenario(seed)
    try:
        outcome = run_scenario(scenario)
        complaints = tuple(map(str, find_complaints(outcome)))
    except Exception as error:  # noqa: BLE001 - one broken seed must not end the others
        return _make_result(scenario, ("".join(traceback.format_exception(error)),), None, process_time() - began)
    return _make_result(scenario, complaints, outcome, process_time() - began)


def find_complaints(outcome: SimulationOutcome) -> Iterator[object]:
    """The complaints of all checkers, and what a failing office changed for the others."""
    yield from outcome.complaints
    if outcome.scenario.failing_office is not None:
        yield from check(outcome)


def run_campaign(seeds: range, jobs: int) -> bool:
    """Run them all and print the results. Returns whether no seed has a complaint."""
    began = perf_counter()
    verdicts: list[SeedResult] = []
    # What the imports made lives for ever: without this the garbage collector goes through it again and again.
    with ProcessPoolExecutor(jobs, initializer=gc.freeze) as processes:
        for done, verdict in enumerate(processes.map(run_seed, seeds, chunksize=SEEDS_A_TASK), 1):
            verdicts.append(verdict)
            if verdict.complaints:
                print_line(f"Seed {verdict.seed} failed; replay it: {verdict.replay_command}")
                for complaint in verdict.complaints:
                    print_line(f"    {complaint}")
            if done % SEEDS_BETWEEN_UPDATES == 0:
                print_line(f"{done} of {len(seeds)} seeds, {perf_counter() - began:.0f} s")
    for line in summarize(verdicts, perf_counter() - began):
        print_line(line)
    return not any(verdict.complaints for verdict in verdicts)


def summarize(verdicts: list[SeedResult], seconds: float) -> Iterator[str]:
    """What was drawn, and what the checkers found."""
    cpu_seconds = sum(verdict.cpu_seconds for verdict in verdicts)
    yield f"{len(verdicts)} seeds in {seconds:.0f} s ({cpu_seconds / max(1, len(verdicts)):.2f} s of a core each)"
    yield f"  offices: {sum(v.offices for v in verdicts)}, their nights: {sum(v.office_nights for v in verdicts)}"
    yield f"  snapshots published: {sum(v.published for v in verdicts)}, requests: {sum(v.requests for v in verdicts)}"
    yield f"  daemons started: {sum(v.daemons for v in verdicts)}"
    yield f"  incidents drawn: {_format_counts(verdict.drawn_incidents for verdict in verdicts)}"
    yield f"  failures that the daemon saw: {_format_counts(verdict.failures for verdict in verdicts)}"
    yield f"  seeds that failed: {[verdict.seed for verdict in verdicts if verdict.complaints] or 'none'}"


def print_line(text: str) -> None:
    """Print at once, also into a pipe."""
    print(text, file=sys.stdout, flush=True)  # noqa: T201 - it is what a command is for


def _make_result(
    scenario: Scenario, complaints: tuple[str, ...], outcome: SimulationOutcome | None, cpu_seconds: float
) -> SeedResult:
    offices = len(scenario.fleet.members)
    return SeedResult(
        seed=scenario.seed,
        complaints=complaints,
        drawn_incidents=Counter(incident.kind for incident in scenario.incidents),
        failures=outcome.failures if outcome else Counter(),
        offices=offices,
        office_nights=offices * scenario.fleet.nights,
        published=sum(map(len, outcome.published.values())) if outcome else 0,
        requests=outcome.requests if outcome else 0,
        daemons=outcome.daemons if outcome else 0,
        cpu_seconds=cpu_seconds,
    )


def _format_counts(counters: Iterable[Counter[str]]) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in sum(counters, Counter[str]()).most_common()) or "none"
