"""THE state machine: this file alone decides which state and action follow an observation.

An office has an *intent* (what it does next) and an instant before which it does not begin (`not_before`). Each turn
takes one observation (the result of the last action) and returns the new state and the next action:

    survey -> [measure_clock] -> probe, repeated -> pull -> [pull] -> publish -> probe, repeated

    observation                 intent          next
    Started                     any             the stored state, under the present configuration and clock
    TimerFired, PublishSucceeded  any           the stored intent
    TurnCame                    any             at once, if the last failure was the API's
    Surveyed                    survey          decided from aging
    Probed                      probe           decided from aging, or another reader if only the statement fails
    ClockMeasured               measure_clock   decided from aging, or blocked: another database answered
    Pulled                      pull            publish, or pull again later: implausible
    a command                   any             at once, paused, resumed
    Failed                      any             by the failure's `Recovery`: retry, wait, confirm, block …

The decisions use the files beside this one: `aging` (the meaning of preferences), `clock`, `evidence` (what the office
has shown before), `cadence` (the times of requests), `record` (what the state keeps). The moves are in `transition`.

All waiting is `not_before` in the state, so a restart keeps every back-off. All functions depend only on their
arguments: the caller passes the instant and the jitter. An observation that does not belong to the state's intent is a
bug in oddaemon and raises.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from oddaemon.core.backoff import REREADS_MAX
from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.failures.origin import API_FAILURES, STATEMENT_TIMEOUTS
from oddaemon.core.failures.recovery import Recovery
from oddaemon.core.model import AgingMark, Condition, OfficeSpec, Preferences, Reader, Status
from oddaemon.core.office.aging import Aging, AgingStatus, compute_missed_at
from oddaemon.core.office.cadence import SOON_SECONDS, compute_backoff_at, compute_next_slot, compute_retry_at
from oddaemon.core.office.clock import has_clock, is_clock_recent, was_clock_measured_since
from oddaemon.core.office.evidence import (
    find_doubt,
    is_maybe_caused_by_statement,
    is_missed_by_old_run_time,
    refine_failure,
)
from oddaemon.core.office.record import (
    get_pull_date,
    record_aging,
    record_preferences,
    record_pull,
    record_reported,
    record_skew,
    record_table,
    require_preferences,
)
from oddaemon.core.office.state import (
    Action,
    ClockMeasured,
    Failed,
    IllegalObservationError,
    Intent,
    MeasureClock,
    Observation,
    OfficeCommand,
    OfficeState,
    Probe,
    Probed,
    Publish,
    PublishSucceeded,
    Pull,
    Pulled,
    Started,
    Survey,
    Surveyed,
    TimerFired,
    TurnCame,
    Wait,
)
from oddaemon.core.office.status import make_failure_status, make_status, to_sentence
from oddaemon.core.office.transition import (
    block,
    defer_statements,
    hold,
    limit_wait,
    measure_clock,
    move_to,
    pause,
    schedule_pull,
    wait_for_aging,
)
from oddaemon.core.snapshot.packing import FIRST_PACKING
from oddaemon.core.snapshot.plausibility import identify_by_title, is_other_database, summarize_snapshot

STATEMENT_FAILURES_MAX = 2
"""After this many failures in a row, each followed by an answered GET, the statement is at fault and not the office.
One time-out is enough: a statement that takes too long keeps the office's server busy, and must not be repeated."""
_CLOCK_DEPENDENT = frozenset({AgingStatus.STUCK, AgingStatus.FUTURE})
"""A wrong clock, the office's or ours, looks like these: they count only once the office's clock was measured."""


def make_initial_state(now: datetime) -> OfficeState:
    """The state of an office that was never contacted."""
    return OfficeState(Intent.SURVEY, Status(Condition.WAITING, now, "Not contacted yet."), now)


def next_action(
    state: OfficeState, observation: Observation, now: datetime, spec: OfficeSpec, jitter: float
) -> tuple[OfficeState, Action]:
    """Take one turn.

    Args:
        state: The office as remembered.
        observation: The result of the last action.
        now: This instant (aware UTC).
        spec: The office's configuration.
        jitter: A random number from 0 to 1.

    Returns:
        The new state and the action to perform. The state returned with `Publish` must be stored together with the
        snapshot; if that fails, pass the previous state and `Failed`.

    Raises:
        IllegalObservationError: The observation belongs to another intent, or to another aging than was requested.
    """
    match observation, state.intent:
        case Started(), _:
            state = _reconcile_with_config(state, now, spec)
        case ((TimerFired() | PublishSucceeded()), _):
            state = limit_wait(state, now, spec)
        case TurnCame(), _:
            state = _take_turn(state, now)
        case Surveyed(preferences), Intent.SURVEY:
            state = _handle_survey(state, preferences, now, spec)
        case Probed(mark), Intent.PROBE:
            state = _handle_probe(state, mark, now, spec)
        case ClockMeasured() as measured, Intent.MEASURE_CLOCK:
            state = _handle_clock_measurement(state, measured, now, spec)
        case Pulled() as pulled, Intent.PULL:
            return _handle_pull(state, pulled, now, spec)
        case OfficeCommand() as command, _:
            state = _apply_command(limit_wait(state, now, spec), command, now, spec)
        case Failed(failure), _:
            state = _handle_failure(state, failure, now, spec, jitter)
        case _:
            raise IllegalObservationError(f"{type(observation).__name__} does not belong to the intent {state.intent}")
    return state, _choose_action(state, now)


def _choose_action(state: OfficeState, now: datetime) -> Action:
    if now < state.not_before:
        return Wait(state.not_before)
    if state.intent is Intent.SURVEY:
        return Survey()
    if state.intent is Intent.MEASURE_CLOCK:
        return MeasureClock()
    preferences = require_preferences(state)
    if state.intent is Intent.PROBE:
        return Probe()
    mark = AgingMark(preferences.date_last_aging, preferences.aging_begin)
    summary = state.published.outline if state.published else None
    since = summary.office_now if summary else None
    return Pull(state.reader, state.packing, get_pull_date(state), mark, state.identity, since)


# --- a start and commands ---------------------------------------------------------------------------------------------


def _reconcile_with_config(state: OfficeState, now: datetime, spec: OfficeSpec) -> OfficeState:
    """Continue from a stored state under the present configuration and clock."""
    if spec.reader not in (Reader.AUTO, state.reader):
        state = replace(state, reader=spec.reader)
    elif state.reader is not spec.reader and state.reader is Reader.REPORT:
        # The report was configured; `auto` begins with the statement.
        state = replace(state, reader=Reader.STATEMENT, packing=FIRST_PACKING)
    scope_changed = state.published is not None and state.published.scope != spec.scope
    if scope_changed:
        state = replace(state, published=None)
    if state.paused or not spec.enabled:
        return pause(state, now, spec)
    if state.standing.condition is Condition.PAUSED:
        status = make_status(state.standing, now, Condition.WAITING, "Enabled again; not contacted yet.")
        return move_to(state, Intent.SURVEY, now, status)
    state = limit_wait(state, now, spec)
    if scope_changed:
        reason = "The configuration selects other guarantors than the last snapshot holds; not read yet."
        status = make_status(state.standing, now, Condition.WAITING, reason, keep_action_required=True)
        # A back-off still applies: it protects the office, whatever is read.
        return move_to(state, Intent.SURVEY, state.not_before if state.attempts else now, status)
    if state.standing.condition is Condition.BLOCKED:
        # A restart or another configuration may have removed the cause: look at once.
        return move_to(state, state.intent, min(state.not_before, now), state.standing)
    # What failed on the way to the API may be over, and no back-off of the office depends on it.
    latest = compute_next_slot(spec.id, SOON_SECONDS, now) if state.awaits_api else state.not_before
    return move_to(state, state.intent, min(latest, state.not_before), state.standing)


def _apply_command(state: OfficeState, command: OfficeCommand, now: datetime, spec: OfficeSpec) -> OfficeState:
    match command:
        case OfficeCommand.ACCEPT:
            return _accept(state, now)
        case OfficeCommand.PAUSE:
            return pause(replace(state, paused=True), now, spec)
        case OfficeCommand.RESUME:
            return _reconcile_with_config(replace(state, paused=False), now, spec)
    return _sync_now(state, now)


def _accept(state: OfficeState, now: datetime) -> OfficeState:
    """Accept the other database, or the implausible snapshot: continue at once."""
    if state.stranger is not None:
        state = replace(state, identity=state.stranger, stranger=None, published=None, held=None)
        return move_to(state, Intent.SURVEY, now, state.standing)
    if state.held is not None:
        not_before = now if state.intent is Intent.PULL and not state.attempts else state.not_before
        return move_to(replace(state, accepted=True), state.intent, not_before, state.standing)
    return state


def _sync_now(state: OfficeState, now: datetime) -> OfficeState:
    """End any wait, a back-off included. A pause stays, and so does the key's request spacing."""
    if state.standing.condition is Condition.PAUSED:
        return state
    intent = Intent.SURVEY if state.intent is Intent.PROBE else state.intent
    return move_to(state, intent, now, state.standing)


def _take_turn(state: OfficeState, now: datetime) -> OfficeState:
    """Ask the API, which was down, whatever the office waits for."""
    if state.standing.condition is Condition.PAUSED or not state.awaits_api:
        return state
    return move_to(state, state.intent, now, state.standing)


# --- results of actions -----------------------------------------------------------------------------------------------


def _handle_survey(state: OfficeState, preferences: Preferences, now: datetime, spec: OfficeSpec) -> OfficeState:
    previous = state.preferences
    state, mark = record_reported(state, AgingMark(preferences.date_last_aging, preferences.aging_begin))
    preferences = replace(preferences, date_last_aging=mark.date_last_aging, aging_begin=mark.aging_begin)
    if previous is not None:
        is_updated = previous.program_version != preferences.program_version
        if is_updated and spec.reader is Reader.AUTO:
            # Another version may run the statement that this one refused.
            state = replace(state, reader=Reader.STATEMENT, packing=FIRST_PACKING)
        if previous.practice_title not in ("", preferences.practice_title):
            state = replace(state, unidentified=True)
    if state.identity is None:
        state = replace(state, identity=identify_by_title(preferences.practice_title))
    return _decide_from_aging(record_preferences(state, preferences, now, spec), now, spec)


def _handle_probe(state: OfficeState, mark: AgingMark, now: datetime, spec: OfficeSpec) -> OfficeState:
    unconfirmed = state.confirming
    state, mark = record_reported(state, mark)
    preferences = replace(
        require_preferences(state), date_last_aging=mark.date_last_aging, aging_begin=mark.aging_begin
    )
    state = record_preferences(replace(state, confirming=None), preferences, now, spec)
    if unconfirmed is not None and (
        unconfirmed.kind.recovery is Recovery.CONFIRM
        or unconfirmed.kind in STATEMENT_TIMEOUTS
        or state.statement_failures >= STATEMENT_FAILURES_MAX
    ):
        # A GET was answered, so the key and the office are fine: the statement is refused.
        return _switch_reader(state, unconfirmed, now, spec)
    return _decide_from_aging(state, now, spec)


def _handle_clock_measurement(
    state: OfficeState, measured: ClockMeasured, now: datetime, spec: OfficeSpec
) -> OfficeState:
    if state.identity is not None and is_other_database(state.identity, measured.identity):
        # The preferences came from that database, too: they say nothing about this office.
        state = replace(state, stranger=measured.identity, preferences=None, stale=None)
        return block(state, Failure(FailureKind.OTHER_DATABASE), now, spec)
    state = replace(record_skew(state, measured.skew_seconds, now, spec), unidentified=False, stranger=None)
    return _decide_from_aging(record_table(state, measured.mark), now, spec)


def _handle_pull(state: OfficeState, pulled: Pulled, now: datetime, spec: OfficeSpec) -> tuple[OfficeState, Action]:
    summary, requested = summarize_snapshot(pulled.aging_date, pulled.control), get_pull_date(state)
    if summary.aging_date != requested:
        raise IllegalObservationError(f"a snapshot of {summary.aging_date} when {requested} was requested")
    doubt = find_doubt(state, summary, pulled.control.touched, spec)
    if doubt is None:
        state = record_pull(state, pulled, summary, now, spec)
        return _decide_from_aging(state, now, spec), Publish()
    state = hold(replace(state, held=summary), Failure(FailureKind.IMPLAUSIBLE, doubt), now, spec)
    return state, _choose_action(state, now)


def _decide_from_aging(state: OfficeState, now: datetime, spec: OfficeSpec, suffix: str = "") -> OfficeState:
    """Measure the clock if a decision needs it; pull if the balances of an aging are new; otherwise wait."""
    state = replace(state, attempts=0, awaits_api=False)
    must_identify = state.unidentified and state.identity is not None
    if must_identify or not has_clock(state, spec):
        return measure_clock(state, now)
    decided, aging = record_aging(state, now, spec)
    if is_missed_by_old_run_time(require_preferences(state), aging, spec.cadence):
        return move_to(state, Intent.SURVEY, now, state.standing)
    if _must_ask_server(state, aging, now, spec):
        return measure_clock(state, now)
    published = decided.published
    is_published = published is not None and published.aging_date == aging.aging_date and decided.run_seen is None
    if aging.aging_date is None or is_published:
        return wait_for_aging(decided, aging, now, spec)
    return schedule_pull(decided, now, now, f"reading the balances of the aging of {aging.aging_date}{suffix}")


def _must_ask_server(state: OfficeState, aging: Aging, now: datetime, spec: OfficeSpec) -> bool:
    """Whether the office's server itself must say its time and its state of aging before anyone is blamed.

    A GET may be answered from a cache or a replica: a missed run, or a date older than the published one, counts only
    once the table was asked. A reader without queries has nothing but GETs.
    """
    if aging.status in _CLOCK_DEPENDENT:
        return not is_clock_recent(state, now, spec)
    if spec.reader is Reader.REPORT:
        return False
    if aging.status is AgingStatus.MISSED and aging.due_at is not None:
        return not was_clock_measured_since(state, compute_missed_at(aging.due_at, spec.cadence), now, spec)
    published = state.published
    is_older = published is not None and aging.aging_date is not None and aging.aging_date < published.aging_date
    return is_older and not is_clock_recent(state, now, spec)


# --- failures of actions ----------------------------------------------------------------------------------------------


def _handle_failure(
    state: OfficeState, failure: Failure, now: datetime, spec: OfficeSpec, jitter: float
) -> OfficeState:
    """The failures of any action; those that only a pull can meet are in `_handle_pull_failure`."""
    failure = refine_failure(state, failure)
    state = defer_statements(state, failure, now)
    unreachable = make_failure_status(state.standing, now, Condition.UNREACHABLE, failure)
    is_confirming = state.confirming is not None
    state = replace(state, awaits_api=failure.kind in API_FAILURES)
    if failure.kind.recovery is not Recovery.STAND_BY:
        state = replace(state, attempts=state.attempts + 1, confirming=None)
    match failure.kind.recovery:
        case Recovery.RETRY if not is_confirming and is_maybe_caused_by_statement(state, failure, spec):
            state = replace(state, statement_failures=state.statement_failures + 1, confirming=failure)
            return move_to(state, Intent.PROBE, compute_backoff_at(state.attempts, now, spec, jitter), unreachable)
        case Recovery.RETRY:
            retry_at = compute_backoff_at(state.attempts, now, spec, jitter)
            return move_to(replace(state, statement_failures=0), state.intent, retry_at, unreachable)
        case Recovery.WAIT | Recovery.STAND_BY | Recovery.SOON:
            retry_at = compute_retry_at(failure, state.attempts, now, spec, jitter)
            return move_to(state, state.intent, retry_at, unreachable)
        case Recovery.CONFIRM if state.intent in (Intent.PULL, Intent.MEASURE_CLOCK):
            return move_to(replace(state, confirming=failure), Intent.PROBE, now, state.standing)
        case recovery if recovery is not Recovery.BLOCK and state.intent is Intent.PULL:
            return _handle_pull_failure(state, failure, now, spec, jitter)
        case _:
            return block(state, failure, now, spec)


def _handle_pull_failure(
    state: OfficeState, failure: Failure, now: datetime, spec: OfficeSpec, jitter: float
) -> OfficeState:
    match failure.kind.recovery:
        case Recovery.NARROW_PACKING if (narrower := state.packing.narrow()) is not None:
            retry_at = compute_backoff_at(state.attempts, now, spec, jitter)
            return schedule_pull(replace(state, packing=narrower), now, retry_at, failure.sentence)
        case Recovery.REREAD:
            return _reread(state, failure, now, spec, jitter)
        case Recovery.HOLD:
            return hold(state, failure, now, spec)
        case Recovery.IDENTIFY:
            return measure_clock(replace(state, unidentified=True), now)
        case Recovery.WAIT_FOR_AGING:
            state = replace(state, moves=state.moves + 1)
            late_at = state.standing.late_at
            status = make_status(state.standing, now, Condition.AGING, to_sentence(failure.sentence), late_at=late_at)
            return move_to(state, Intent.PROBE, compute_backoff_at(state.moves, now, spec, jitter), status)
        case _:
            return _switch_reader(state, failure, now, spec)


def _switch_reader(state: OfficeState, failure: Failure, now: datetime, spec: OfficeSpec) -> OfficeState:
    """Read in pages if the statement is refused and the configuration allows it; otherwise block."""
    can_switch = state.reader is Reader.STATEMENT and spec.reader is Reader.AUTO
    if can_switch and has_clock(state, spec):
        suffix = f" in pages, because {failure.sentence}"
        return _decide_from_aging(replace(state, reader=Reader.PAGES), now, spec, suffix)
    if failure.kind is FailureKind.UNKNOWN_401:
        failure = replace(failure, kind=FailureKind.PERMISSION_MISSING)
    return block(state, failure, now, spec)


def _reread(state: OfficeState, failure: Failure, now: datetime, spec: OfficeSpec, jitter: float) -> OfficeState:
    # A packed column that was cut within its last number has the right count and the wrong sum: pack less.
    state = replace(state, rereads=state.rereads + 1, packing=state.packing.narrow() or state.packing)
    if state.rereads <= REREADS_MAX:
        retry_at = compute_backoff_at(state.rereads, now, spec, jitter)
        return schedule_pull(state, now, retry_at, failure.sentence)
    reason = f"{to_sentence(failure.sentence)} {state.rereads} reads in a row were rejected; nothing was published."
    status = make_failure_status(state.standing, now, Condition.SUSPECT, failure, reason)
    return move_to(state, Intent.PULL, now + timedelta(seconds=spec.cadence.backoff_max_seconds), status)
