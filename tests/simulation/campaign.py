"""Many seeds: each played and judged, in as many processes as there are cores, and summed up at the end."""

import sys
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from time import perf_counter, process_time

from tests.simulation.neighbours import compare
from tests.simulation.play import Outcome, play
from tests.simulation.story import Story, draw_story

COMMAND = "python -m tests.simulation"
SEEDS_A_TASK = 2
SEEDS_BETWEEN_NEWS = 50


@dataclass(frozen=True)
class Verdict:
    """What is reported of a seed."""

    seed: int
    complaints: tuple[str, ...]
    drawn: Counter[str]
    failures: Counter[str]
    offices: int
    office_nights: int
    published: int = 0
    requests: int = 0
    daemons: int = 0
    cpu_seconds: float = 0.0

    @property
    def replay(self) -> str:
        """How to see it happen again."""
        return f"{COMMAND} --seed {self.seed} --verbose"


def judge(seed: int) -> Verdict:
    """Play a seed; whatever is raised is a complaint as well."""
    began, story = process_time(), draw_story(seed)
    try:
        outcome = play(story)
        complaints = tuple(map(str, all_complaints(outcome)))
    except Exception as error:  # noqa: BLE001 - one broken seed must not end the others
        return _verdict(story, ("".join(traceback.format_exception(error)),), None, process_time() - began)
    return _verdict(story, complaints, outcome, process_time() - began)


def all_complaints(outcome: Outcome) -> Iterator[object]:
    """What the checkers found, and what the sick office changed for the others where there is one."""
    yield from outcome.findings
    if outcome.story.sick is not None:
        yield from compare(outcome)


def campaign(seeds: range, jobs: int) -> bool:
    """Play them all and say what came of it. Returns whether nobody had anything to complain of."""
    began = perf_counter()
    verdicts: list[Verdict] = []
    with ProcessPoolExecutor(jobs) as processes:
        for done, verdict in enumerate(processes.map(judge, seeds, chunksize=SEEDS_A_TASK), 1):
            verdicts.append(verdict)
            if verdict.complaints:
                say(f"Seed {verdict.seed} failed; replay it: {verdict.replay}")
                for complaint in verdict.complaints:
                    say(f"    {complaint}")
            if done % SEEDS_BETWEEN_NEWS == 0:
                say(f"{done} of {len(seeds)} seeds, {perf_counter() - began:.0f} s")
    for line in summary(verdicts, perf_counter() - began):
        say(line)
    return not any(verdict.complaints for verdict in verdicts)


def summary(verdicts: list[Verdict], seconds: float) -> Iterator[str]:
    """What was drawn, and what came of it."""
    cpu_seconds = sum(verdict.cpu_seconds for verdict in verdicts)
    yield f"{len(verdicts)} seeds in {seconds:.0f} s ({cpu_seconds / max(1, len(verdicts)):.2f} s of a core each)"
    yield f"  offices: {sum(v.offices for v in verdicts)}, their nights: {sum(v.office_nights for v in verdicts)}"
    yield f"  snapshots published: {sum(v.published for v in verdicts)}, requests: {sum(v.requests for v in verdicts)}"
    yield f"  daemons started: {sum(v.daemons for v in verdicts)}"
    yield f"  troubles planted: {_counted(verdict.drawn for verdict in verdicts)}"
    yield f"  failures that the daemon saw: {_counted(verdict.failures for verdict in verdicts)}"
    yield f"  seeds that failed: {[verdict.seed for verdict in verdicts if verdict.complaints] or 'none'}"


def say(text: str) -> None:
    """To whoever watches."""
    print(text, file=sys.stdout, flush=True)  # noqa: T201 - it is what a command is for


def _verdict(story: Story, complaints: tuple[str, ...], outcome: Outcome | None, cpu_seconds: float) -> Verdict:
    offices = len(story.cast.members)
    return Verdict(
        seed=story.seed,
        complaints=complaints,
        drawn=Counter(trouble.kind for trouble in story.troubles),
        failures=outcome.failures if outcome else Counter(),
        offices=offices,
        office_nights=offices * story.cast.nights,
        published=sum(map(len, outcome.published.values())) if outcome else 0,
        requests=outcome.requests if outcome else 0,
        daemons=outcome.daemons if outcome else 0,
        cpu_seconds=cpu_seconds,
    )


def _counted(counters: Iterable[Counter[str]]) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in sum(counters, Counter[str]()).most_common()) or "none"
