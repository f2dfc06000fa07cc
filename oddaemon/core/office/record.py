"""What an observation adds to what is remembered of an office. The next action is not decided here."""

from dataclasses import replace
from datetime import date, datetime

from oddaemon.core.dates import parse_date
from oddaemon.core.model import AgingMark, Condition, OfficeSpec, Preferences, Reader, SnapshotSummary
from oddaemon.core.office.aging import Aging, AgingStatus, evaluate_aging, has_completed, make_crashed_aging
from oddaemon.core.office.clock import make_office_clock
from oddaemon.core.office.state import IllegalObservationError, OfficeState, Published, Pulled
from oddaemon.core.snapshot.plausibility import merge_identity

_INVALIDATES_BALANCES = frozenset({AgingStatus.RUNNING, AgingStatus.STUCK, AgingStatus.FUTURE})
"""After one of these the balances are different ones, even under the same aging date."""


def require_preferences(state: OfficeState) -> Preferences:
    """The preferences, without which no action but a survey exists."""
    if state.preferences is None:
        raise IllegalObservationError(f"{state.intent} before any survey")
    return state.preferences


def get_pull_date(state: OfficeState) -> date:
    """The aging date that a pull is for."""
    aging_date = parse_date(require_preferences(state).date_last_aging)
    if aging_date is None:
        raise IllegalObservationError("a pull of an office that never aged")
    return aging_date


def record_skew(state: OfficeState, skew_seconds: float, now: datetime, spec: OfficeSpec) -> OfficeState:
    """Store how far the office's clock is from its zone."""
    return replace(state, skew_seconds=skew_seconds, skew_zone=str(spec.zone), measured_at=now)


def record_preferences(state: OfficeState, preferences: Preferences, now: datetime, spec: OfficeSpec) -> OfficeState:
    """Store new preferences, and how long the night's run took if it was observed until its end.

    The duration is not stored before the office's clock was measured: on an unmeasured clock the run may seem to have
    been due a day earlier.
    """
    previous, published = state.preferences, state.published
    state = replace(state, preferences=preferences)
    if (
        previous is None
        or state.skew_seconds is None
        or state.standing.evaluate_at(now).condition is not Condition.AGING
    ):
        return state
    aging = evaluate_aging(preferences, make_office_clock(state, spec), now, spec.cadence)
    if aging.status is not AgingStatus.COMPLETE or aging.due_at is None:
        return state
    if published is not None and published.aging_date == aging.aging_date:
        return state
    return replace(state, run_seconds=(now - aging.due_at).total_seconds())


def record_aging(state: OfficeState, now: datetime, spec: OfficeSpec) -> tuple[OfficeState, Aging]:
    """Evaluate the office's aging, and store that a run was observed, as its balances replace all earlier ones.

    A run that was observed and never completed has broken off, whatever date the preferences hold.
    """
    preferences = require_preferences(state)
    aging = evaluate_aging(preferences, make_office_clock(state, spec), now, spec.cadence)
    if aging.status in _INVALIDATES_BALANCES:
        return replace(state, run_seen=AgingMark(preferences.date_last_aging, preferences.aging_begin)), aging
    mark = state.run_seen
    if aging.aging_date is not None and mark is not None and not has_completed(mark, preferences):
        return state, make_crashed_aging(aging, mark)
    return state, aging


def record_pull(
    state: OfficeState, pulled: Pulled, summary: SnapshotSummary, now: datetime, spec: OfficeSpec
) -> OfficeState:
    """Store a snapshot that is about to be published, and how to read the next one."""
    snapshot = pulled.snapshot
    reader, packing = state.reader, state.packing
    if reader is Reader.STATEMENT and pulled.packing is not None:
        packing = pulled.packing
    elif reader is Reader.STATEMENT and spec.reader is Reader.AUTO:
        reader = Reader.PAGES
    return replace(
        record_skew(state, pulled.skew_seconds, now, spec),
        reader=reader,
        packing=packing,
        rereads=0,
        moves=0,
        statement_failures=0,
        run_seen=None,
        identity=merge_identity(state.identity, pulled.control.identity),
        unidentified=False,
        held=None,
        accepted=False,
        published=Published(
            snapshot.aging_date, now, snapshot.totals.guarantors, snapshot.requests, spec.scope, summary
        ),
    )
