"""Plays a scenario and runs every checker."""

import gc
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import anyio

from oddaemon.core.model import Balance, Plausibility, PublishedSnapshot
from oddaemon.simulator.virtual_time import make_virtual_loop
from oddaemon.store import snapshots
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.simulation import time_limits
from tests.simulation.checkers import (
    blame,
    confidentiality,
    outage_end,
    publication,
    rate_limits,
    resource_leaks,
    truth,
)
from tests.simulation.environment import SimulationEnvironment
from tests.simulation.environment_settings import memory_directory, wait_for_database_threads
from tests.simulation.event_log import Complaint
from tests.simulation.incidents.request_incidents import KEY_MOVED
from tests.simulation.scenario.scenario import Scenario
from tests.simulation.scenario.seeded_random import make_rng
from tests.simulation.threadless_sqlite import threadless_sqlite

CHECK_INTERVAL_SECONDS = 900.0
"""Between two checks of what is due; each change of a condition is checked, too."""
SNAPSHOTS_MAX = 1000
GARBAGE_THRESHOLDS = (50_000, 20, 20)


@dataclass(frozen=True)
class PublishedResult:
    """A published snapshot as its readers see it."""

    row: PublishedSnapshot
    published_seconds: float
    balances: tuple[Balance, ...]


@dataclass(frozen=True)
class SimulationOutcome:
    """The result of a run."""

    scenario: Scenario
    complaints: tuple[Complaint, ...]
    published: dict[str, tuple[PublishedResult, ...]]
    failures: Counter[str]
    requests: int
    daemons: int
    lines: tuple[str, ...]
    """The daemon's log, each line with its time in front; only on request."""


def run_scenario(scenario: Scenario, *, verbose: bool = False) -> SimulationOutcome:
    """Play a scenario in a new event loop. The same scenario plays the same way every time."""
    with _reduced_garbage_collection(), threadless_sqlite(make_rng(scenario.seed, "database")):
        return anyio.run(_run, scenario, verbose, backend_options={"loop_factory": make_virtual_loop})


@contextmanager
def _reduced_garbage_collection() -> Iterator[None]:
    """As in the daemon's own process: a collection at each thousandth object takes a fifth of all the time."""
    usual = gc.get_threshold()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


async def _run(scenario: Scenario, verbose: bool) -> SimulationOutcome:
    wait_for_database_threads()
    before = resource_leaks.ProcessResources.capture()
    lines: list[str] = []
    with memory_directory() as directory:
        async with anyio.create_task_group() as tasks:
            environment = SimulationEnvironment(scenario, directory, tasks)
            if verbose:
                environment.listeners.append(lambda line: lines.append(f"{environment.seconds:10.1f} {line}"))
            await environment.start()
            tasks.start_soon(_check_repeatedly, environment)
            await environment.run_actions()
            await environment.repair_everything()
            await anyio.sleep(environment.grace_seconds + time_limits.compute_hold_seconds(Plausibility()))
            await environment.sleep_until(
                max(map(environment.get_throttled_until, scenario.fleet.ids)) + time_limits.PULL_SECONDS
            )
            publication.check_recovered(environment)
            confidentiality.check(environment)
            await environment.close()
            tasks.cancel_scope.cancel()
        published = await _read_published(environment)
        rate_limits.check(environment)
        outage_end.check(environment)
    resource_leaks.check(
        before, resource_leaks.ProcessResources.capture(), environment.world.leaked_tasks, environment.event_log
    )
    crashed = [line for line in environment.world.lines if line["event"] == "worker_crashed"]
    for line in crashed:
        environment.event_log.add_complaint("programmers' errors", line["office"], str(line)[:1500])
    return SimulationOutcome(
        scenario,
        tuple(environment.event_log.complaints),
        published,
        Counter(line["kind"] for line in environment.world.lines if line["event"] == "failure_seen"),
        len(environment.headquarters.traffic),
        len(environment.event_log.lives),
        tuple(lines),
    )


async def _check_repeatedly(environment: SimulationEnvironment) -> None:
    """Check what is due, again and again."""
    while True:
        publication.check(environment)
        blame.check(environment)
        await anyio.sleep(CHECK_INTERVAL_SECONDS)


async def _read_published(environment: SimulationEnvironment) -> dict[str, tuple[PublishedResult, ...]]:
    """Read everything that was published, and compare it with the truth."""
    results: dict[str, tuple[PublishedResult, ...]] = {}
    async with SqliteDatabase.open_for_reading(environment.world.settings.state.database_url.reveal()) as database:
        for office_id, practice in environment.practices.items():
            stored = [
                truth.StoredSnapshot(
                    row, await snapshots.load_balances(database, office_id, row.id), 0.0, environment.seconds
                )
                for row in reversed(await snapshots.list_latest(database, office_id, SNAPSHOTS_MAX))
            ]
            moments = {each.snapshot_id: each.seconds for each in environment.event_log.publications[office_id]}
            stored = _assign_read_times(stored, moments)
            foreign_periods = [
                (incident.begins, incident.ends)
                for incident in environment.scenario.incidents
                if incident.kind == KEY_MOVED and office_id in incident.office_ids
            ]
            truth.check(
                practice,
                stored,
                environment.event_log,
                aged_before=environment.aged_before[office_id],
                foreign_periods=foreign_periods,
            )
            results[office_id] = tuple(PublishedResult(each.row, each.latest, tuple(each.balances)) for each in stored)
    return results


def _assign_read_times(stored: Sequence[truth.StoredSnapshot], moments: dict[int, float]) -> list[truth.StoredSnapshot]:
    """The earliest and the latest time at which each was read: after the previous one, before it was reported."""
    dated: list[truth.StoredSnapshot] = []
    earliest = 0.0
    for each in stored:
        latest = moments.get(each.row.id, each.latest)
        dated.append(replace(each, earliest=earliest, latest=latest))
        earliest = latest if each.row.id in moments else earliest
    return dated
