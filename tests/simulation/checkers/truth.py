"""A published snapshot is its own office's table at one instant after one run of aging, and no run is published twice.

Judged by what the simulated office knows of its own past, never by what the daemon says of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from math import inf

from oddaemon.core.model import Balance, Include
from oddaemon.simulator.model.balances import TrueBalance
from oddaemon.simulator.practice.aging_run import AgingOutcome, AgingRun
from oddaemon.simulator.practice.practice import Practice
from oddaemon.store.snapshot_rows import SnapshotRow
from tests.simulation.chronicle import Chronicle, Wished

TRUTH = "truth"
ONCE = "once"


@dataclass(frozen=True)
class Rest:
    """Between two runs of aging the table is whole: from the end of the one until the next begins."""

    begins: float
    ends: float
    aging_date: date | None


def rests(runs: Sequence[AgingRun], aged_before: date | None) -> list[Rest]:
    """Whenever the office's balances were those of one completed run; `aged_before` is that of before the world."""
    found = [Rest(0.0, runs[0].started_seconds if runs else inf, aged_before)]
    for number, run in enumerate(runs):
        if run.outcome is AgingOutcome.COMPLETED and run.ended_seconds is not None:
            ends = runs[number + 1].started_seconds if number + 1 < len(runs) else inf
            found.append(Rest(run.ended_seconds, ends, run.aging_date))
    return found


@dataclass(frozen=True)
class Held:
    """A snapshot as the database holds it, and between which moments it was read, as far as is known."""

    row: SnapshotRow
    balances: Sequence[Balance]
    earliest: float
    latest: float


def judge(
    practice: Practice,
    snapshots: Sequence[Held],
    chronicle: Chronicle,
    *,
    aged_before: date | None,
    strangers: Sequence[tuple[float, float]] = (),
) -> None:
    """Hold an office's snapshots, oldest first, against its past.

    Args:
        practice: the office.
        snapshots: what was published.
        chronicle: takes what is found.
        aged_before: the date of its last run of before the world.
        strangers: when another office answered to its key. What was seen of aging then may be that one's, so that a
            run of its own is rightly read again.
    """
    office_id = practice.spec.office_id
    published: set[tuple[float, float]] = set()
    since = 0.0
    for held in snapshots:
        rest = _rest_of(practice, aged_before, held, chronicle.wishes[office_id])
        name = f"snapshot {held.row.id} of {held.row.aging_date} ({held.row.reader}, {len(held.balances)} guarantors)"
        if rest is None:
            chronicle.find(
                TRUTH,
                office_id,
                f"{name}, read between {held.earliest:.0f} s and {held.latest:.0f} s, was true at no instant after"
                f" that run: {_why_not(practice, aged_before, held, chronicle.wishes[office_id])}",
            )
            continue
        asked_since = max(
            (wished.seconds for wished in _scopes(chronicle.wishes[office_id]) if wished.seconds <= held.latest),
            default=0.0,
        )
        mixed_up = any(begins <= held.latest and ends >= since for begins, ends in strangers)
        since = held.latest
        if (rest.begins, asked_since) in published and not mixed_up:
            chronicle.find(ONCE, office_id, f"{name} is a second one of the run that ended at {rest.begins:.0f} s")
        published.add((rest.begins, asked_since))


def _rest_of(practice: Practice, aged_before: date | None, held: Held, wishes: Sequence[Wished]) -> Rest | None:
    possible = [rest for rest in rests(practice.aging_runs, aged_before) if rest.aging_date == held.row.aging_date]
    true_of = [
        rest
        for begins, ends in _spans(practice, held.balances, wishes)
        for rest in possible
        if max(begins, held.earliest, rest.begins) <= min(ends, held.latest, rest.ends)
    ]
    # A run that changes nothing leaves the same balances as the one before: in doubt it is the later one's.
    return max(true_of, key=lambda rest: rest.begins, default=None)


def _spans(practice: Practice, balances: Sequence[Balance], wishes: Sequence[Wished]) -> Iterator[tuple[float, float]]:
    """When the table was so, as seen through anything that was ever wanted of it."""
    held = [TrueBalance._make(balance) for balance in balances]
    offices = {each.settings.office for each in wishes if each.settings is not None}
    for include, clinics in sorted({(office.include, office.clinics) for office in offices}):
        yield from practice.find_true_spans(held, "debts" if include is Include.DEBTS else "all", clinics)


def _scopes(wishes: Sequence[Wished]) -> Iterator[Wished]:
    """Where other guarantors were wanted than before: the same run is rightly published again."""
    before: object = None
    for wished in wishes:
        if wished.settings is not None:
            scope = (wished.settings.office.include, wished.settings.office.clinics)
            if scope != before:
                yield wished
            before = scope


def _why_not(practice: Practice, aged_before: date | None, held: Held, wishes: Sequence[Wished]) -> str:
    spans = [f"{begins:.0f}..{ends:.0f}" for begins, ends in _spans(practice, held.balances, wishes)]
    whole = [
        f"{rest.aging_date} {rest.begins:.0f}..{rest.ends:.0f}" for rest in rests(practice.aging_runs, aged_before)
    ]
    return f"the table was so at [{', '.join(spans)}], and whole at [{', '.join(whole)}]"
