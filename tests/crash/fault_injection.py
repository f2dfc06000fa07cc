"""The kills: at every boundary of three scenarios, one at a time, and several in a row in all scenarios."""

import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.crash.comparison import Baseline, find_problems
from tests.crash.kill_points import KillPoint, draw_random_kill, iterate_boundaries
from tests.crash.scenario_run import ScenarioRun, run_scenario
from tests.crash.scenarios import Scenario

EXHAUSTIVE = ("statement", "pages", "parts")
"""Scenarios that are killed at every boundary."""
EARLY_REQUESTS = 4
EARLY_COMMITS = 3
"""Of a life that goes on with a story: so early that even three of them in a row leave some of it to tell."""


@dataclass(frozen=True)
class KillPlan:
    """One run to come: a scenario, and a kill for each life but the last."""

    scenario: str
    kills: Sequence[KillPoint]

    @property
    def replay_command(self) -> str:
        """The command that does just this again."""
        return f"python -m tests.crash --scenario {self.scenario} --kill {' '.join(map(str, self.kills))}"


@dataclass(frozen=True)
class PlanOutcome:
    """An ordeal that is over, and what went wrong in it."""

    plan: KillPlan
    run: ScenarioRun
    problems: Sequence[str]


def plan_single_kills(baselines: Mapping[str, Baseline], rng: random.Random) -> list[KillPlan]:
    """Every boundary of these scenarios, each in a run of its own, in random order."""
    plans = [
        KillPlan(name, (kill,))
        for name in EXHAUSTIVE
        if name in baselines
        for kill in iterate_boundaries(baselines[name].run.requests, baselines[name].commits, rng)
    ]
    rng.shuffle(plans)
    return plans


def plan_kill_sequence(scenario: str, count: int, rng: random.Random) -> KillPlan:
    """Boundaries, then random instants: each life goes on where the one before was killed.

    The boundaries come first, because how far a life gets until a random instant is the machine's affair.
    """
    early = list(iterate_boundaries(EARLY_REQUESTS, EARLY_COMMITS, rng))
    certain = [rng.choice(early) for _ in range(count - count // 2)]
    return KillPlan(scenario, (*certain, *(draw_random_kill(2 * EARLY_REQUESTS, rng) for _ in range(count // 2))))


async def run_baseline(scenario: Scenario) -> Baseline:
    """Run a scenario without a kill.

    Raises:
        AssertionError: the run has a problem.
    """
    with _empty_directory() as directory:
        commit_count_file = directory.parent / "commits"
        run = await run_scenario(scenario, (), directory, commit_count_file)
        assert not run.problems, "\n".join(run.problems)
        return Baseline(run, int(commit_count_file.read_text(encoding="ascii")))


async def run_plan(plan: KillPlan, scenario: Scenario, baseline: Baseline) -> PlanOutcome:
    """Run a scenario through the kills of a plan, and check the state that is left."""
    with _empty_directory() as directory:
        run = await run_scenario(scenario, plan.kills, directory)
        return PlanOutcome(plan, run, list(find_problems(run, baseline)))


@contextmanager
def _empty_directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="oddaemon-crash-") as directory:
        place = Path(directory) / "daemon"
        place.mkdir()
        yield place
