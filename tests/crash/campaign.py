"""Hundreds of runs with kills, a few at a time, and a table of their results."""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, cycle

import anyio
from rich.console import Console
from rich.table import Table

from tests.crash.comparison import Baseline, count_refetched, format_difference
from tests.crash.fault_injection import (
    KillPlan,
    PlanOutcome,
    plan_kill_sequence,
    plan_single_kills,
    run_baseline,
    run_plan,
)
from tests.crash.kill_points import KillPoint, KillTrigger
from tests.crash.scenarios import Scenario, find_noon_zone, make_scenarios

TITLES = {
    KillTrigger.REQUEST: "a request arrives",
    KillTrigger.BODY: "in the middle of an answer",
    KillTrigger.ANSWER: "just after an answer",
    KillTrigger.BEFORE: "before a commit",
    KillTrigger.AFTER: "after a commit",
    KillTrigger.START: "some instant of the start",
    KillTrigger.WORK: "some instant at work",
}
IN_A_ROW = 4
ALONE_SHARE = 6 / 7
"""Of all kills: at 300 it is every boundary of the scenarios that are killed everywhere."""
PROGRESS_EVERY = 20


@dataclass(frozen=True)
class CampaignOptions:
    """The options of a campaign.

    Attributes:
        kills: The least number of kills.
        seed: Everything drawn follows from it.
        jobs: Runs side by side.
        scenario: Only this one; empty: all.
        kill_list: Only these kills, one after another.
    """

    kills: int
    seed: int
    jobs: int
    scenario: str = ""
    kill_list: Sequence[KillPoint] = ()


class Campaign:
    """Runs the scenarios through the kills, and counts."""

    def __init__(self, options: CampaignOptions, console: Console) -> None:
        all_scenarios = make_scenarios(find_noon_zone())
        self._options = options
        self._console = console
        self._scenarios: dict[str, Scenario] = (
            {options.scenario: all_scenarios[options.scenario]} if options.scenario else all_scenarios
        )
        self._baselines: dict[str, Baseline] = {}
        self.outcomes: list[PlanOutcome] = []

    @property
    def kill_count(self) -> int:
        """How many there were so far."""
        return sum(outcome.run.kill_count for outcome in self.outcomes)

    @property
    def failure_count(self) -> int:
        """How many runs failed."""
        return sum(bool(outcome.problems) for outcome in self.outcomes)

    async def run(self) -> None:
        """Run each scenario twice without a kill, then with kills."""
        for name, scenario in self._scenarios.items():
            first, second = await run_baseline(scenario), await run_baseline(scenario)
            if first.run.final_state != second.run.final_state:
                unequal = format_difference(first.run.final_state, second.run.final_state)
                raise SystemExit(f"Two runs of scenario {name} without a kill end differently:\n{unequal}")
            self._baselines[name] = first
            self._console.print(f"{name}: {first.run.requests} requests, {first.commits} commits")
        plans = self._iterate_plans()
        async with anyio.create_task_group() as tasks:
            for _ in range(self._options.jobs):
                tasks.start_soon(self._run_plans, plans)

    def build_table(self) -> Table:
        """A row for each kind of kill."""
        planned: dict[KillTrigger, int] = defaultdict(int)
        came: dict[KillTrigger, int] = defaultdict(int)
        refetched: dict[KillTrigger, float] = defaultdict(float)
        for outcome in self.outcomes:
            for life in outcome.run.lives:
                if life.kill is None:
                    continue
                moment = life.kill.trigger
                planned[moment] += 1
                came[moment] += life.was_killed
                refetched[moment] = max(refetched[moment], self._count_refetched(outcome))
        table = Table("killed", "kills", "pages again a kill, at most", "came too late")
        for moment, title in TITLES.items():
            if not planned[moment]:
                continue
            table.add_row(title, str(came[moment]), f"{refetched[moment]:.2g}", str(planned[moment] - came[moment]))
        table.add_section()
        table.add_row("all", str(self.kill_count), f"{max(refetched.values(), default=0):.2g}", "")
        return table

    def _count_refetched(self, outcome: PlanOutcome) -> float:
        refetched = count_refetched(outcome.run, self._baselines[outcome.plan.scenario])
        return max(refetched.values()) / max(1, outcome.run.kill_count)

    def _iterate_plans(self) -> Iterator[KillPlan]:
        options = self._options
        if options.kill_list:
            return iter([KillPlan(options.scenario, options.kill_list)])
        rng = random.Random(options.seed)
        singles = plan_single_kills(self._baselines, rng)[: int(options.kills * ALONE_SHARE)]
        rows = (plan_kill_sequence(scenario, IN_A_ROW, rng) for scenario in cycle(self._baselines))
        everything = chain(singles, rows)
        return iter(lambda: next(everything) if self.kill_count < options.kills else None, None)

    async def _run_plans(self, plans: Iterator[KillPlan]) -> None:
        for plan in plans:
            outcome = await run_plan(plan, self._scenarios[plan.scenario], self._baselines[plan.scenario])
            self.outcomes.append(outcome)
            self._report(outcome)

    def _report(self, outcome: PlanOutcome) -> None:
        if outcome.problems:
            self._print(f"FAILED; again: {outcome.plan.replay_command}")
            for problem in outcome.problems:
                self._print(f"  {problem}")
        elif len(self.outcomes) % PROGRESS_EVERY == 0:
            self._print(f"{self.kill_count} kills in {len(self.outcomes)} runs")

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
