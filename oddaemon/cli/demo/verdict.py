"""What of the night is right: each office's standing against what was planted, each snapshot against the truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from oddaemon.cli.demo.character import Character
from oddaemon.cli.demo.desk import AgingRun, Desk
from oddaemon.cli.fleet import Known
from oddaemon.core.model import Standing
from oddaemon.core.verify import totals_of
from oddaemon.store import snapshots
from oddaemon.store.database import Database
from oddaemon.store.snapshot_row import SnapshotRow

SNAPSHOTS_MAX = 100

Runs = Mapping[str, Sequence[AgingRun]]


@dataclass(frozen=True, slots=True)
class Proof:
    """All published snapshots of one office, held against the truth."""

    snapshots: int
    guarantors: int
    cents: int
    """What is owed to the office, over all of them."""
    complaints: Sequence[str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One office in the morning."""

    character: Character
    standing: Standing
    snapshot: SnapshotRow | None
    proof: Proof
    complaints: Sequence[str]
    """Of its standing and of its snapshots; none: all is right."""


async def verdict(
    character: Character, known: Known, runs: Sequence[AgingRun], now: datetime, *, db: Database, desk: Desk
) -> Verdict:
    """Judge one office as it stood at `now`, and all of its snapshots."""
    proof = await _proof(known, runs, db, desk)
    wrong = [*standing_complaints(character, known, runs, now), *proof.complaints]
    return Verdict(character, known.status(now).standing.at(now), known.snapshot, proof, wrong)


def standing_complaints(character: Character, known: Known, runs: Sequence[AgingRun], now: datetime) -> list[str]:
    """What is not as it was planted; empty once the night is over for this office."""
    expected, standing, snapshot = character.expected, known.status(now).standing.at(now), known.snapshot
    wrong = []
    if standing.condition is not expected.condition:
        wrong.append(f"is {standing.condition}, should be {expected.condition}")
    if expected.because.casefold() not in standing.reason.casefold():
        wrong.append(f"its reason does not say {expected.because!r}")
    if expected.owner is not None and standing.owner is not expected.owner:
        wrong.append(f"names {standing.owner or 'nobody'} to act, not {expected.owner}")
    if (snapshot is not None) is not expected.published:
        wrong.append("has no snapshot" if expected.published else "has a snapshot that it cannot have")
    if expected.tonight and not runs:
        wrong.append("did not age tonight")
    elif expected.tonight and snapshot is not None and snapshot.aging_date != runs[-1].aging_date:
        wrong.append(f"its snapshot is of {snapshot.aging_date}, aging ran for {runs[-1].aging_date}")
    return wrong


async def _proof(known: Known, runs: Sequence[AgingRun], db: Database, desk: Desk) -> Proof:
    assert known.settings is not None, "every office of the night is configured"
    rows = await snapshots.history(db, known.id, SNAPSHOTS_MAX)
    wrong = []
    if len({row.aging_date for row in rows}) < len(rows):
        wrong.append("published one aging twice")
    for row in rows:
        balances = await snapshots.balances(db, known.id, row.id)
        if totals_of(balances) != row.totals:
            wrong.append(f"snapshot {row.id} does not add up")
        finished = [run.finished_at for run in runs if run.aging_date == row.aging_date]
        truth = await desk.judge(known.settings.office, balances, max(finished, default=None))
        if not truth.true:
            wrong.append(f"snapshot {row.id} is not true: {truth.difference}")
    return Proof(
        snapshots=len(rows),
        guarantors=sum(row.totals.guarantors for row in rows),
        cents=sum(row.totals.bal_total for row in rows),
        complaints=wrong,
    )
