"""A published snapshot is its own office's table at one instant after one run of aging, and no run is published twice.

Judged by what the simulated office knows of its own past, never by what the daemon says of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from math import inf

from oddaemon.core.model import Balance, Include, PublishedSnapshot
from oddaemon.simulator.model.balances import TrueBalance
from oddaemon.simulator.practice.aging_run import AgingOutcome, AgingRun, PartialRun
from oddaemon.simulator.practice.practice import Practice
from tests.simulation.event_log import EventLog, WantedSettings

TRUTH = "truth"
ONCE = "once"


@dataclass(frozen=True)
class StablePeriod:
    """Between two runs of aging the table is whole: from the end of the one until the next begins."""

    begins: float
    ends: float
    aging_date: date | None


def find_stable_periods(
    runs: Sequence[AgingRun], aged_before: date | None, partial_runs: Sequence[PartialRun] = ()
) -> list[StablePeriod]:
    """Whenever the office's balances were those of one completed run; `aged_before` is that of before the world.

    Aging of some families and a run that wrote nothing leave a true table, which is rightly read again: a new period
    of the same date begins with the end of either.
    """
    found = [StablePeriod(0.0, inf, aged_before)]
    for run in runs:
        if not run.one_write or run.outcome in (AgingOutcome.RUNNING, AgingOutcome.COMPLETED):
            found[-1] = replace(found[-1], ends=min(found[-1].ends, run.started_seconds))
        if run.ended_seconds is None:
            continue
        if run.outcome is AgingOutcome.COMPLETED:
            found.append(StablePeriod(run.ended_seconds, inf, run.aging_date))
        elif run.one_write and found[-1].ends == inf:
            found.append(StablePeriod(run.ended_seconds, inf, found[-1].aging_date))
    for moment in sorted(each.ended_seconds for each in partial_runs if each.ended_seconds is not None):
        for number, period in enumerate(found):
            if period.begins < moment < period.ends:
                found[number : number + 1] = [replace(period, ends=moment), replace(period, begins=moment)]
                break
    return found


@dataclass(frozen=True)
class StoredSnapshot:
    """A snapshot as the database holds it, and the known bounds of the time at which it was read."""

    row: PublishedSnapshot
    balances: Sequence[Balance]
    earliest: float
    latest: float


def check(
    practice: Practice,
    snapshots: Sequence[StoredSnapshot],
    event_log: EventLog,
    *,
    aged_before: date | None,
    foreign_periods: Sequence[tuple[float, float]] = (),
) -> None:
    """Compare an office's snapshots, oldest first, with its own past.

    Args:
        practice: the office.
        snapshots: what was published.
        event_log: takes the complaints.
        aged_before: the date of its last run of before the world.
        strangers: when another office answered its key. What was seen of aging then may be that one's, so that a
            run of its own is rightly read again.
    """
    office_id = practice.spec.office_id
    published: set[tuple[float, float]] = set()
    since = 0.0
    for stored in snapshots:
        period = _find_stable_period(practice, aged_before, stored, event_log.wanted_settings[office_id])
        description = (
            f"snapshot {stored.row.id} of {stored.row.aging_date} ({stored.row.reader}, "
            f"{len(stored.balances)} guarantors)"
        )
        if period is None:
            event_log.add_complaint(
                TRUTH,
                office_id,
                f"{description}, read between {stored.earliest:.0f} s and {stored.latest:.0f} s, was "
                "true at no instant after"
                f" that run: {_explain_mismatch(practice, aged_before, stored, event_log.wanted_settings[office_id])}",
            )
            continue
        asked_since = max(
            (
                wanted.seconds
                for wanted in _iterate_scopes(event_log.wanted_settings[office_id])
                if wanted.seconds <= stored.latest
            ),
            default=0.0,
        )
        mixed_up = any(begins <= stored.latest and ends >= since for begins, ends in foreign_periods)
        since = stored.latest
        if (period.begins, asked_since) in published and not mixed_up:
            event_log.add_complaint(
                ONCE, office_id, f"{description} is a second one of the run that ended at {period.begins:.0f} s"
            )
        published.add((period.begins, asked_since))


def _find_stable_period(
    practice: Practice, aged_before: date | None, stored: StoredSnapshot, specs: Sequence[WantedSettings]
) -> StablePeriod | None:
    possible = [
        period
        for period in find_stable_periods(practice.aging.runs, aged_before, practice.aging.partial_runs)
        if period.aging_date == stored.row.aging_date
    ]
    true_of = [
        rest
        for begins, ends in _find_spans(practice, stored.balances, specs)
        for rest in possible
        if max(begins, stored.earliest, rest.begins) <= min(ends, stored.latest, rest.ends)
    ]
    # A run that changes nothing leaves the same balances as the one before: in doubt it is the later one's.
    return max(true_of, key=lambda rest: rest.begins, default=None)


def _find_spans(
    practice: Practice, balances: Sequence[Balance], specs: Sequence[WantedSettings]
) -> Iterator[tuple[float, float]]:
    """When the table held these balances, under any selection that was ever configured."""
    true_balances = [TrueBalance._make(balance) for balance in balances]
    offices = {each.settings.spec for each in specs if each.settings is not None}
    for include, clinics in sorted({(office.include, office.clinics) for office in offices}):
        yield from practice.balances.find_true_spans(
            true_balances, "debts" if include is Include.DEBTS else "all", clinics
        )


def _iterate_scopes(specs: Sequence[WantedSettings]) -> Iterator[WantedSettings]:
    """The selections in order: after a change of the selection, the same run is rightly published again."""
    before: object = None
    for wanted in specs:
        if wanted.settings is not None:
            scope = (wanted.settings.spec.include, wanted.settings.spec.clinics)
            if scope != before:
                yield wanted
            before = scope


def _explain_mismatch(
    practice: Practice, aged_before: date | None, stored: StoredSnapshot, specs: Sequence[WantedSettings]
) -> str:
    spans = [f"{begins:.0f}..{ends:.0f}" for begins, ends in _find_spans(practice, stored.balances, specs)]
    whole = [
        f"{period.aging_date} {period.begins:.0f}..{period.ends:.0f}"
        for period in find_stable_periods(practice.aging.runs, aged_before, practice.aging.partial_runs)
    ]
    return f"the table was so at [{', '.join(spans)}], and whole at [{', '.join(whole)}]"
