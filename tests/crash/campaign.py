"""Hundreds of ordeals, a few at a time, and a table of what became of them."""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, cycle

import anyio
from rich.console import Console
from rich.table import Table

from tests.crash.kills import Kill, Moment
from tests.crash.ordeals import Ordeal, Outcome, alone, in_a_row, rehearse, undergo
from tests.crash.scenes import Scene, noon_zone, scenes
from tests.crash.verdict import Rehearsal, difference, fetched_again

TITLES = {
    Moment.REQUEST: "a request arrives",
    Moment.BODY: "in the middle of an answer",
    Moment.ANSWER: "just after an answer",
    Moment.BEFORE: "before a commit",
    Moment.AFTER: "after a commit",
    Moment.START: "some instant of the start",
    Moment.WORK: "some instant at work",
}
IN_A_ROW = 4
ALONE_SHARE = 6 / 7
"""Of all kills: at 300 it is every boundary of the scenes that are played whole."""
PROGRESS_EVERY = 20


@dataclass(frozen=True)
class Order:
    """What is wanted of a campaign.

    Attributes:
        kills: At least so many.
        seed: Everything drawn follows from it.
        jobs: Tellings side by side.
        scene: Only this one; empty: all.
        only: Just these kills, one after another, instead.
    """

    kills: int
    seed: int
    jobs: int
    scene: str = ""
    only: Sequence[Kill] = ()


class Campaign:
    """One order, carried out."""

    def __init__(self, order: Order, console: Console) -> None:
        told = scenes(noon_zone())
        self._order = order
        self._console = console
        self._scenes: dict[str, Scene] = {order.scene: told[order.scene]} if order.scene else told
        self._rehearsals: dict[str, Rehearsal] = {}
        self.outcomes: list[Outcome] = []

    @property
    def kills(self) -> int:
        """How many there were so far."""
        return sum(outcome.told.kills for outcome in self.outcomes)

    @property
    def failures(self) -> int:
        """How many tellings went wrong."""
        return sum(bool(outcome.wrong) for outcome in self.outcomes)

    async def run(self) -> None:
        """Rehearse each scene twice, then kill."""
        for name, scene in self._scenes.items():
            first, second = await rehearse(scene), await rehearse(scene)
            if first.told.remains != second.told.remains:
                unequal = difference(first.told.remains, second.told.remains)
                raise SystemExit(f"Scene {name} does not end the same twice, without any kill:\n{unequal}")
            self._rehearsals[name] = first
            self._console.print(f"{name}: {first.told.requests} requests, {first.commits} commits")
        ordeals = self._ordeals()
        async with anyio.create_task_group() as tasks:
            for _ in range(self._order.jobs):
                tasks.start_soon(self._work, ordeals)

    def table(self) -> Table:
        """A row for each kind of kill."""
        planned: dict[Moment, int] = defaultdict(int)
        came: dict[Moment, int] = defaultdict(int)
        again: dict[Moment, float] = defaultdict(float)
        for outcome in self.outcomes:
            for life in outcome.told.lives:
                if life.kill is None:
                    continue
                moment = life.kill.moment
                planned[moment] += 1
                came[moment] += life.was_killed
                again[moment] = max(again[moment], self._again(outcome))
        table = Table("killed", "kills", "pages again a kill, at most", "came too late")
        for moment, title in TITLES.items():
            if not planned[moment]:
                continue
            table.add_row(title, str(came[moment]), f"{again[moment]:.2g}", str(planned[moment] - came[moment]))
        table.add_section()
        table.add_row("all", str(self.kills), f"{max(again.values(), default=0):.2g}", "")
        return table

    def _again(self, outcome: Outcome) -> float:
        again = fetched_again(outcome.told, self._rehearsals[outcome.ordeal.scene])
        return max(again.values()) / max(1, outcome.told.kills)

    def _ordeals(self) -> Iterator[Ordeal]:
        order = self._order
        if order.only:
            return iter([Ordeal(order.scene, order.only)])
        dice = random.Random(order.seed)
        singles = alone(self._rehearsals, dice)[: int(order.kills * ALONE_SHARE)]
        rows = (in_a_row(scene, IN_A_ROW, dice) for scene in cycle(self._rehearsals))
        everything = chain(singles, rows)
        return iter(lambda: next(everything) if self.kills < order.kills else None, None)

    async def _work(self, ordeals: Iterator[Ordeal]) -> None:
        for ordeal in ordeals:
            outcome = await undergo(ordeal, self._scenes[ordeal.scene], self._rehearsals[ordeal.scene])
            self.outcomes.append(outcome)
            self._tell(outcome)

    def _tell(self, outcome: Outcome) -> None:
        if outcome.wrong:
            self._print(f"FAILED; again: {outcome.ordeal.replay}")
            for wrong in outcome.wrong:
                self._print(f"  {wrong}")
        elif len(self.outcomes) % PROGRESS_EVERY == 0:
            self._print(f"{self.kills} kills in {len(self.outcomes)} tellings")

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
