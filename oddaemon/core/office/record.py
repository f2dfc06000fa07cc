"""What an observation adds to what is remembered of an office. The next action is not decided here."""

from dataclasses import replace
from datetime import date, datetime

from oddaemon.core.dates import parse_date
from oddaemon.core.model import AgingMark, Condition, OfficeSpec, Preferences, Reader, SnapshotSummary
from oddaemon.core.office.aging import (
    Aging,
    AgingStatus,
    began_on_time,
    evaluate_aging,
    has_broken_off,
    make_broken_off_aging,
)
from oddaemon.core.office.clock import make_office_clock
from oddaemon.core.office.completion import Completion, add_completion
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
    if previous is None or state.skew_seconds is None:
        return state
    clock = make_office_clock(state, spec)
    aging = evaluate_aging(preferences, clock, now, spec.cadence)
    state = _record_completion(
        state, aging, now, spec, has_moved=previous.date_last_aging != preferences.date_last_aging
    )
    if state.standing.evaluate_at(now).condition is not Condition.AGING:
        return state
    if aging.status is not AgingStatus.COMPLETE or aging.due_at is None:
        return state
    # A run writes its date a moment before it ends, so the date may have moved while the lock was still held.
    has_moved = previous.date_last_aging != preferences.date_last_aging
    if not has_moved and not began_on_time(previous.aging_begin, aging.due_at, clock, spec.cadence):
        return state
    if published is not None and published.aging_date == aging.aging_date:
        return state
    return replace(state, run_seconds=(now - aging.due_at).total_seconds())


def _record_completion(
    state: OfficeState, aging: Aging, now: datetime, spec: OfficeSpec, *, has_moved: bool
) -> OfficeState:
    """Store when the night's run was complete, as far as it shows, or that it is not yet."""
    if aging.due_at is None:
        return state
    if aging.status in (AgingStatus.DUE, AgingStatus.RUNNING):
        return replace(state, incomplete_at=now)
    if aging.status is not AgingStatus.COMPLETE or (
        state.published is not None and state.published.aging_date == aging.aging_date
    ):
        return state
    by_seconds, after_seconds = (now - aging.due_at).total_seconds(), None
    if state.incomplete_at is not None and state.incomplete_at >= aging.due_at:
        after_seconds = (state.incomplete_at - aging.due_at).total_seconds()
    is_nightly = by_seconds <= spec.cadence.start_window_seconds + spec.cadence.stuck_after_seconds
    if not is_nightly or (after_seconds is None and not has_moved):
        return state
    night = Completion(by_seconds, after_seconds)
    return replace(state, completions=add_completion(state.completions, night), incomplete_at=None)


def record_table(state: OfficeState, table: AgingMark | None) -> OfficeState:
    """Store what the office's own table says of aging, and which answers of GETs it disproves."""
    if table is None:
        return state
    preferences, stale = require_preferences(state), state.stale
    reported_date = preferences.date_last_aging if stale is None else stale.date_last_aging
    reported_begin = preferences.aging_begin if stale is None else preferences.aging_begin or stale.aging_begin
    is_date_stale = is_later(table.date_last_aging, reported_date)
    is_lock_stale = reported_begin != "" and not table.aging_begin
    stale = AgingMark(
        reported_date if is_date_stale else table.date_last_aging, reported_begin if is_lock_stale else ""
    )
    preferences = replace(preferences, date_last_aging=table.date_last_aging, aging_begin=table.aging_begin)
    return replace(state, preferences=preferences, stale=stale if is_date_stale or is_lock_stale else None)


def record_reported(state: OfficeState, reported: AgingMark) -> tuple[OfficeState, AgingMark]:
    """What a GET reports of aging, without what the office's own table has disproved; forgotten once GETs move on."""
    stale, preferences = state.stale, state.preferences
    if stale is None or preferences is None:
        return state, reported
    is_date_stale = reported.date_last_aging == stale.date_last_aging
    is_lock_stale = stale.aging_begin != "" and reported.aging_begin == stale.aging_begin
    if not is_date_stale and not is_lock_stale:
        return replace(state, stale=None), reported
    last = preferences.date_last_aging if is_date_stale else reported.date_last_aging
    return state, AgingMark(last, "" if is_lock_stale else reported.aging_begin)


def is_later(one: str, other: str) -> bool:
    """Whether one date of the last aging is later than another; False if either cannot be parsed."""
    try:
        return (parse_date(one) or date.min) > (parse_date(other) or date.min)
    except ValueError:
        return False


def record_aging(state: OfficeState, now: datetime, spec: OfficeSpec) -> tuple[OfficeState, Aging]:
    """Evaluate the office's aging, and store that its lock was held: balances have moved, even under the same date."""
    preferences = require_preferences(state)
    aging = evaluate_aging(preferences, make_office_clock(state, spec), now, spec.cadence)
    if aging.status in _INVALIDATES_BALANCES:
        return replace(state, run_seen=AgingMark(preferences.date_last_aging, preferences.aging_begin)), aging
    mark = state.run_seen
    if aging.aging_date is not None and mark is not None and has_broken_off(mark, preferences):
        return state, make_broken_off_aging(aging, mark)
    return state, aging


def record_pull(
    state: OfficeState, pulled: Pulled, summary: SnapshotSummary, now: datetime, spec: OfficeSpec
) -> OfficeState:
    """Store a snapshot that is about to be published, and how to read the next one."""
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
        published=Published(summary.aging_date, now, summary.guarantors, pulled.requests, spec.scope, summary),
    )
