"""Checks of the demo: each office against its expected state, each snapshot against the simulated tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from oddaemon.cli.demo.scenario import OfficeScenario
from oddaemon.cli.demo.simulator_client import Runs, SimulatorClient
from oddaemon.core.model import OfficeSpec, PublishedSnapshot, Status
from oddaemon.core.reporting.status_document import OfficeStatus
from oddaemon.core.snapshot.verify import compute_totals
from oddaemon.store import snapshots
from oddaemon.store.database import Database

SNAPSHOTS_MAX = 100


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of one office."""

    scenario: OfficeScenario
    status: Status
    snapshots: Sequence[PublishedSnapshot]
    """All that were published, the latest first."""
    problems: Sequence[str]
    """Of its state and its snapshots; empty: as expected."""


async def evaluate_office(
    scenario: OfficeScenario,
    spec: OfficeSpec,
    office: OfficeStatus,
    runs: Runs,
    now: datetime,
    *,
    db: Database,
    simulator: SimulatorClient,
) -> Verdict:
    """Check one office as of `now`, and all of its snapshots."""
    published = await snapshots.list_latest(db, spec.id, SNAPSHOTS_MAX)
    problems = find_status_problems(scenario, office, runs, now)
    if len({row.aging_date for row in published}) < len(published):
        problems.append("published one aging run twice")
    for row in published:
        balances = await snapshots.load_balances(db, spec.id, row.id)
        if compute_totals(balances) != row.totals:
            problems.append(f"snapshot {row.id} does not add up")
        if difference := await simulator.compare_balances(spec, balances, runs.get(row.aging_date)):
            problems.append(f"snapshot {row.id} is wrong: {difference}")
    return Verdict(scenario, office.status.evaluate_at(now), published, problems)


def find_status_problems(scenario: OfficeScenario, office: OfficeStatus, runs: Runs, now: datetime) -> list[str]:
    """Differences from the expected state; empty once the office has reached it."""
    expected, status, snapshot = scenario.expected, office.status.evaluate_at(now), office.snapshot
    problems = []
    if status.condition is not expected.condition:
        problems.append(f"is {status.condition}, should be {expected.condition}")
    if expected.reason_contains.casefold() not in status.reason.casefold():
        problems.append(f"its reason does not mention {expected.reason_contains!r}")
    if expected.owner is not None and status.owner is not expected.owner:
        problems.append(f"names {status.owner or 'no one'} to act, not {expected.owner}")
    if (snapshot is not None) is not expected.published:
        problems.append("has no snapshot" if expected.published else "has a snapshot but should not")
    if expected.ages_tonight and not runs:
        problems.append("did not age tonight")
    elif expected.ages_tonight and snapshot is not None and snapshot.aging_date != max(runs):
        problems.append(f"its snapshot is of {snapshot.aging_date}, but aging ran for {max(runs)}")
    return problems
