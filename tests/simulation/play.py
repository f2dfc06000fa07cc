"""Plays a seed and lets every checker speak."""

import gc
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import anyio

from oddaemon.core.model import Balance
from oddaemon.simulator.virtual_time import make_virtual_loop
from oddaemon.store import snapshots
from oddaemon.store.snapshot_rows import SnapshotRow
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.simulation import patience
from tests.simulation.checkers import delivery, discretion, leftovers, manners, truth
from tests.simulation.chronicle import Finding
from tests.simulation.request_troubles import KEY_MOVED
from tests.simulation.scenery import memory_directory, owe_to_threads
from tests.simulation.stage import Stage
from tests.simulation.story import Story

LOOK_AGAIN_SECONDS = 900.0
"""Between two looks at what is owed; each change of a condition is looked at too."""
SNAPSHOTS_MAX = 1000
GARBAGE_THRESHOLDS = (50_000, 20, 20)


@dataclass(frozen=True)
class Told:
    """A snapshot as its readers see it."""

    row: SnapshotRow
    published_seconds: float
    balances: tuple[Balance, ...]


@dataclass(frozen=True)
class Outcome:
    """What came of a run."""

    story: Story
    findings: tuple[Finding, ...]
    published: dict[str, tuple[Told, ...]]
    failures: Counter[str]
    requests: int
    daemons: int
    lines: tuple[str, ...]
    """The daemon's log, each line with its moment in front; only where it was asked for."""


def play(story: Story, *, verbose: bool = False) -> Outcome:
    """Play a story in a new event loop; the same story plays the same way every time."""
    with _a_calm_collector():
        return anyio.run(_play, story, verbose, backend_options={"loop_factory": make_virtual_loop})


@contextmanager
def _a_calm_collector() -> Iterator[None]:
    """As in the daemon's own process: to look for garbage at each thousandth object is a fifth of all the time."""
    usual = gc.get_threshold()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


async def _play(story: Story, verbose: bool) -> Outcome:
    owe_to_threads()
    before = leftovers.Baseline.now()
    lines: list[str] = []
    with memory_directory() as directory:
        async with anyio.create_task_group() as tasks:
            stage = Stage(story, directory, tasks)
            if verbose:
                stage.listeners.append(lambda line: lines.append(f"{stage.seconds:10.1f} {line}"))
            await stage.open()
            tasks.start_soon(_watch, stage)
            await stage.perform()
            await stage.put_right()
            await anyio.sleep(stage.patience_seconds + patience.hold_seconds(stage.world.settings.plausibility))
            await stage.sleep_until(max(map(stage.obliged_until, story.cast.ids)) + patience.PULL_SECONDS)
            delivery.recovered(stage)
            discretion.judge(stage)
            await stage.close()
            tasks.cancel_scope.cancel()
        published = await _published(stage)
        manners.judge(stage)
    leftovers.judge(before, leftovers.Baseline.now(), stage.world.left_over, stage.chronicle)
    crashed = [line for line in stage.world.lines if line["event"] == "worker_crashed"]
    for line in crashed:
        stage.chronicle.find("programmers' errors", line["office"], str(line)[:1500])
    return Outcome(
        story,
        tuple(stage.chronicle.findings),
        published,
        Counter(line["kind"] for line in stage.world.lines if line["event"] == "failure_seen"),
        len(stage.headquarters.traffic),
        len(stage.chronicle.lives),
        tuple(lines),
    )


async def _watch(stage: Stage) -> None:
    """Look at what is owed, again and again."""
    while True:
        delivery.look(stage)
        await anyio.sleep(LOOK_AGAIN_SECONDS)


async def _published(stage: Stage) -> dict[str, tuple[Told, ...]]:
    """Everything that was published, held against the truth."""
    told: dict[str, tuple[Told, ...]] = {}
    async with SqliteDatabase.open_for_reading(stage.world.settings.state.database) as database:
        for office_id, practice in stage.practices.items():
            held = [
                truth.Held(row, await snapshots.load_balances(database, office_id, row.id), 0.0, stage.seconds)
                for row in reversed(await snapshots.list_latest(database, office_id, SNAPSHOTS_MAX))
            ]
            moments = {each.snapshot_id: each.seconds for each in stage.chronicle.publications[office_id]}
            held = _dated(held, moments)
            strangers = [
                (trouble.begins, trouble.ends)
                for trouble in stage.story.troubles
                if trouble.kind == KEY_MOVED and office_id in trouble.office_ids
            ]
            truth.judge(practice, held, stage.chronicle, aged_before=stage.aged_before[office_id], strangers=strangers)
            told[office_id] = tuple(Told(each.row, each.latest, tuple(each.balances)) for each in held)
    return told


def _dated(held: Sequence[truth.Held], moments: dict[int, float]) -> list[truth.Held]:
    """When each was read at the earliest and the latest: after the one before, and before it was said to be there."""
    dated: list[truth.Held] = []
    earliest = 0.0
    for each in held:
        latest = moments.get(each.row.id, each.latest)
        dated.append(replace(each, earliest=earliest, latest=latest))
        earliest = latest if each.row.id in moments else earliest
    return dated
