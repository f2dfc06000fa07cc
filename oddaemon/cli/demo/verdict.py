"""Checks of the demo: each office against its expected state, each snapshot against the simulated tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from oddaemon.cli.demo.offices import OfficeScenario
from oddaemon.cli.demo.simulator_client import SimulatedAgingRun, SimulatorClient
from oddaemon.cli.sources.fleet import OfficeRecord
from oddaemon.core.model import PublishedSnapshot, Status
from oddaemon.core.snapshot.verify import compute_totals
from oddaemon.store import snapshots
from oddaemon.store.database import Database

SNAPSHOTS_MAX = 100

Runs = Mapping[str, Sequence[SimulatedAgingRun]]


@dataclass(frozen=True, slots=True)
class SnapshotAudit:
    """All published snapshots of one office, compared with the simulated table."""

    snapshots: int
    guarantors: int
    cents: int
    """The sum of their totals."""
    problems: Sequence[str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of one office."""

    scenario: OfficeScenario
    status: Status
    snapshot: PublishedSnapshot | None
    audit: SnapshotAudit
    problems: Sequence[str]
    """Of its state and its snapshots; empty: as expected."""


async def evaluate_office(
    scenario: OfficeScenario,
    record: OfficeRecord,
    runs: Sequence[SimulatedAgingRun],
    now: datetime,
    *,
    db: Database,
    simulator: SimulatorClient,
) -> Verdict:
    """Check one office as of `now`, and all of its snapshots."""
    audit = await _audit_snapshots(record, runs, db, simulator)
    problems = [*find_status_problems(scenario, record, runs, now), *audit.problems]
    return Verdict(scenario, record.summarize(now).status.evaluate_at(now), record.snapshot, audit, problems)


def find_status_problems(
    scenario: OfficeScenario, record: OfficeRecord, runs: Sequence[SimulatedAgingRun], now: datetime
) -> list[str]:
    """Differences from the expected state; empty once the office has reached it."""
    expected, status, snapshot = scenario.expected, record.summarize(now).status.evaluate_at(now), record.snapshot
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
    elif expected.ages_tonight and snapshot is not None and snapshot.aging_date != runs[-1].aging_date:
        problems.append(f"its snapshot is of {snapshot.aging_date}, but aging ran for {runs[-1].aging_date}")
    return problems


async def _audit_snapshots(
    record: OfficeRecord, runs: Sequence[SimulatedAgingRun], db: Database, simulator: SimulatorClient
) -> SnapshotAudit:
    assert record.settings is not None, "every office of the demo is configured"
    rows = await snapshots.list_latest(db, record.id, SNAPSHOTS_MAX)
    problems = []
    if len({row.aging_date for row in rows}) < len(rows):
        problems.append("published one aging run twice")
    for row in rows:
        balances = await snapshots.load_balances(db, record.id, row.id)
        if compute_totals(balances) != row.totals:
            problems.append(f"snapshot {row.id} does not add up")
        finished = [run.finished_at for run in runs if run.aging_date == row.aging_date]
        comparison = await simulator.compare_balances(record.settings.spec, balances, max(finished, default=None))
        if not comparison.matches:
            problems.append(f"snapshot {row.id} is wrong: {comparison.difference}")
    return SnapshotAudit(
        snapshots=len(rows),
        guarantors=sum(row.totals.guarantors for row in rows),
        cents=sum(row.totals.bal_total for row in rows),
        problems=problems,
    )
