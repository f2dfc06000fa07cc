"""THE state machine: every transition of an office is in this file.

An office has an *intent* (what it does next) and an instant before which it does not (`not_before`). Each turn takes
one observation (what the last action brought) and gives the new state and the next action:

    survey -> [measure_clock] -> probe, again and again -> pull -> [pull] -> publish -> probe, again and again

All waiting is `not_before` in the state, so a restart does not forget a back-off. Everything here is a function of its
arguments: an instant is passed, not a clock; jitter is passed, not drawn. An observation that answers another intent
than the state's is a programmer's error and raises.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from oddaemon.core.backoff import compute_backoff_seconds, compute_retry_seconds
from oddaemon.core.dates import parse_date
from oddaemon.core.failures.classify import refine_unproven_key
from oddaemon.core.failures.failure import Failure, FailureKind, Recovery
from oddaemon.core.model import AgingMark, Condition, Office, Owner, Preferences, Reader, SnapshotSummary, Status
from oddaemon.core.office.aging import (
    BLOCKING_STATUSES,
    Aging,
    AgingStatus,
    evaluate_aging,
    has_completed,
    make_crashed_aging,
)
from oddaemon.core.office.cadence import compute_late_at, compute_next_probe, compute_next_slot
from oddaemon.core.office.clock import OfficeClock
from oddaemon.core.office.state import (
    AcceptCommand,
    Action,
    ClockMeasured,
    Command,
    Failed,
    Intent,
    MeasureClock,
    Observation,
    OfficeSpec,
    OfficeState,
    PauseCommand,
    Probe,
    Probed,
    Publish,
    Published,
    PublishSucceeded,
    Pull,
    Pulled,
    ResumeCommand,
    Started,
    Survey,
    Surveyed,
    SyncCommand,
    TimerFired,
    Wait,
)
from oddaemon.core.office.status import (
    make_disabled_status,
    make_failure_status,
    make_paused_status,
    make_status,
    to_sentence,
)
from oddaemon.core.snapshot.packing import FIRST_PACKING
from oddaemon.core.snapshot.plausibility import (
    find_implausibility,
    identify_by_title,
    is_confirmed,
    is_other_database,
    merge_identity,
    summarize_snapshot,
)

REREADS_MAX = 3
"""A snapshot that does not add up more often than this in a row is suspect."""
SURVEY_INTERVAL = timedelta(hours=6)
"""Due times and versions change rarely."""
CLOCK_AGE_MAX = timedelta(hours=1)
"""Nobody is blamed for a date or a lock by a clock that was measured longer ago."""
FAR_FUTURE = datetime(9999, 1, 1, tzinfo=UTC)
STATEMENT_FAILURES_MAX = 2
"""After as many in a row, each with an answered GET behind it, it is the statement and not the office."""
_MAYBE_CAUSED_BY_STATEMENT = frozenset(
    {
        FailureKind.TIMEOUT,
        FailureKind.GATEWAY_TIMEOUT,
        FailureKind.SERVER_ERROR,
        FailureKind.MALFORMED,
        FailureKind.CONNECTION_LOST,
        FailureKind.UNKNOWN_400,
        FailureKind.GATEWAY_REFUSED,
        FailureKind.OFFICE_DATABASE,
        FailureKind.UNEXPECTED_STATUS,
    }
)
"""What may come of a statement that is too much for the office, and as well of an office in trouble."""
_KEY_FAILURES = frozenset(
    {FailureKind.KEY_UNASSIGNED, FailureKind.KEY_REJECTED, FailureKind.KEY_NEVER_ACCEPTED, FailureKind.OTHER_DATABASE}
)
"""After these a key may open another office's database."""
_CLOCK_DEPENDENT = frozenset({AgingStatus.STUCK, AgingStatus.FUTURE})
"""What a wrong clock looks like, theirs or ours: nobody is blamed for it before the office's clock was measured."""
_INVALIDATES_BALANCES = frozenset({AgingStatus.RUNNING, AgingStatus.STUCK, AgingStatus.FUTURE})
"""After these the table is another one, even if the date becomes what it was."""
_NEXT_ACTION_TEXTS = {
    Intent.SURVEY: "reads the office's preferences",
    Intent.MEASURE_CLOCK: "asks the office's server for its time and its identity",
    Intent.PROBE: "asks whether aging has completed",
    Intent.PULL: "reads the balances",
}


class IllegalObservationError(Exception):
    """An observation that no action of this state can bring: a programmer's error."""


def make_initial_state(now: datetime) -> OfficeState:
    """An office that nothing is known of."""
    return OfficeState(Intent.SURVEY, Status(Condition.WAITING, now, "Not asked yet."), now)


def next_action(
    state: OfficeState, observation: Observation, now: datetime, spec: OfficeSpec, jitter: float
) -> tuple[OfficeState, Action]:
    """Take one turn.

    Args:
        state: The office as remembered.
        observation: What the last action brought.
        now: This instant (aware UTC).
        spec: The office's configuration.
        jitter: A random number from 0 to 1.

    Returns:
        The new state and the action to perform. Beside `Publish` the state is the one to store with the snapshot; if
        that fails, the former state stays and is told `Failed`.

    Raises:
        IllegalObservationError: The observation answers another intent, or brings another aging than was asked for.
    """
    match observation, state.intent:
        case Started(), _:
            state = _reconcile_with_config(state, now, spec)
        case ((TimerFired() | PublishSucceeded()), _):
            state = _limit_wait(state, now, spec)
        case Surveyed(preferences), Intent.SURVEY:
            state = _handle_survey(state, preferences, now, spec)
        case Probed() as probed, Intent.PROBE:
            state = _handle_probe(state, probed, now, spec)
        case ClockMeasured() as measured, Intent.MEASURE_CLOCK:
            state = _handle_clock_measurement(state, measured, now, spec)
        case Pulled() as pulled, Intent.PULL:
            summary = summarize_snapshot(pulled.snapshot, pulled.control)
            doubt_reason = _check_plausibility(state, summary, pulled, spec)
            if doubt_reason is None:
                return _handle_pull(state, pulled, now, spec), Publish(pulled.snapshot)
            state = _hold(replace(state, held=summary), Failure(FailureKind.IMPLAUSIBLE, doubt_reason), now, spec)
        case (AcceptCommand() | PauseCommand() | ResumeCommand() | SyncCommand()) as command, _:
            state = _apply_command(_limit_wait(state, now, spec), command, now, spec)
        case Failed(failure), _:
            state = _handle_failure(state, failure, now, spec, jitter)
        case _:
            raise IllegalObservationError(f"{type(observation).__name__} does not answer {state.intent}")
    return state, _choose_action(state, now)


def adjust_for_clock_step(state: OfficeState, step: timedelta) -> OfficeState:
    """The state after our own wall clock was set forward by `step`: a wait stays as long as it was meant to be.

    What was measured of the office's clock may have been measured against a wrong one.
    """
    state = replace(state, skew_seconds=None, skew_zone="", measured_at=None, run_seconds=None)
    if state.not_before == FAR_FUTURE:
        return state
    return _transition(state, state.intent, state.not_before + step, state.standing)


def can_accept(state: OfficeState) -> bool:
    """Whether anything is held back that a human could accept."""
    return state.held is not None or state.stranger is not None


def has_authenticated(state: OfficeState) -> bool:
    """Whether any key ever opened the office's database."""
    return state.published is not None or state.identity is not None or state.preferences is not None


def refine_failure(state: OfficeState, failure: Failure) -> Failure:
    """A failure in the light of what the office has shown before."""
    return failure if has_authenticated(state) else refine_unproven_key(failure)


def make_office_clock(state: OfficeState, office: Office) -> OfficeClock:
    """The office's clock, as far as it is known."""
    measured = state.skew_seconds if state.skew_zone == str(office.zone) else None
    return OfficeClock(office.zone or UTC, timedelta(seconds=measured or 0.0))


def _choose_action(state: OfficeState, now: datetime) -> Action:
    if now < state.not_before:
        return Wait(state.not_before)
    if state.intent is Intent.SURVEY:
        return Survey()
    if state.intent is Intent.MEASURE_CLOCK:
        return MeasureClock()
    preferences = _require_preferences(state)
    if state.intent is Intent.PROBE:
        return Probe()
    mark = AgingMark(preferences.date_last_aging, preferences.aging_begin)
    summary = state.published.outline if state.published else None
    since = summary.office_now if summary else None
    return Pull(state.reader, state.packing, _get_pull_date(state), mark, state.identity, since)


def _require_preferences(state: OfficeState) -> Preferences:
    if state.preferences is None:
        raise IllegalObservationError(f"{state.intent} before any survey")
    return state.preferences


def _get_pull_date(state: OfficeState) -> date:
    """The aging that a pull is for."""
    aging_date = parse_date(_require_preferences(state).date_last_aging)
    if aging_date is None:
        raise IllegalObservationError("a pull of an office that never aged")
    return aging_date


# --- what an observation changes --------------------------------------------------------------------------------------


def _reconcile_with_config(state: OfficeState, now: datetime, spec: OfficeSpec) -> OfficeState:
    """A stored state meets the present configuration and the present clock."""
    if spec.office.reader not in (Reader.AUTO, state.reader):
        state = replace(state, reader=spec.office.reader)
    elif state.reader is not spec.office.reader and state.reader is Reader.REPORT:
        # The key may query now.
        state = replace(state, reader=Reader.STATEMENT, packing=FIRST_PACKING)
    scope_changed = state.published is not None and state.published.scope != spec.scope
    if scope_changed:
        state = replace(state, published=None)
    if state.paused or not spec.office.enabled:
        return _pause(state, now, spec)
    if state.standing.condition is Condition.PAUSED:
        status = make_status(state.standing, now, Condition.WAITING, "Switched on again; not asked yet.")
        return _transition(state, Intent.SURVEY, now, status)
    state = _limit_wait(state, now, spec)
    if scope_changed:
        reason = "Other guarantors are wanted than before; not read yet."
        status = make_status(state.standing, now, Condition.WAITING, reason, keep_action_required=True)
        # A back-off goes on: it is owed to the office, whatever is wanted of it.
        return _transition(state, Intent.SURVEY, state.not_before if state.attempts else now, status)
    # Whoever starts us, or wants something else of an office, may have mended what it waits for a human to mend.
    is_blocked = state.standing.condition is Condition.BLOCKED
    return _transition(
        state, state.intent, min(state.not_before, now) if is_blocked else state.not_before, state.standing
    )


def _pause(state: OfficeState, now: datetime, spec: OfficeSpec) -> OfficeState:
    """Left alone; what the configuration says comes first, as no order changes it."""
    make_pause_status = make_paused_status if spec.office.enabled else make_disabled_status
    return _transition(state, Intent.SURVEY, FAR_FUTURE, make_pause_status(state.standing, now))


def _sync_now(state: OfficeState, now: datetime) -> OfficeState:
    """Asked at once: a back-off ends, but the key's spacing stays, as does a pause."""
    if state.standing.condition is Condition.PAUSED:
        return state
    intent = Intent.SURVEY if state.intent is Intent.PROBE else state.intent
    return _transition(state, intent, now, state.standing)


def _limit_wait(state: OfficeState, now: datetime, spec: OfficeSpec) -> OfficeState:
    """A wall clock that was set back must not make a wait longer than any that is ever meant."""
    cadence = spec.cadence
    longest_seconds = max(
        cadence.probe_seconds,
        cadence.late_probe_seconds,
        cadence.idle_probe_seconds,
        cadence.blocked_probe_seconds,
        cadence.backoff_max_seconds,
        cadence.retry_after_max_seconds,
        spec.plausibility.hold_seconds,
    )
    latest = now + timedelta(seconds=longest_seconds)
    if state.standing.condition is Condition.PAUSED or state.not_before <= latest:
        return state
    return _transition(state, state.intent, latest, state.standing)


def _handle_survey(state: OfficeState, preferences: Preferences, now: datetime, spec: OfficeSpec) -> OfficeState:
    previous = state.preferences
    if (
        previous is not None
        and previous.program_version != preferences.program_version
        and spec.office.reader is Reader.AUTO
    ):
        state = replace(state, reader=Reader.STATEMENT, packing=FIRST_PACKING)
    if previous is not None and previous.practice_title not in ("", preferences.practice_title):
        state = replace(state, unidentified=True)
    if state.identity is None:
        state = replace(state, identity=identify_by_title(preferences.practice_title))
    return _decide_from_aging(_record_preferences(state, preferences, now, spec), now, spec)


def _handle_probe(state: OfficeState, probed: Probed, now: datetime, spec: OfficeSpec) -> OfficeState:
    unconfirmed = state.confirming
    preferences = replace(
        _require_preferences(state), date_last_aging=probed.date_last_aging, aging_begin=probed.aging_begin
    )
    state = _record_preferences(replace(state, confirming=None), preferences, now, spec)
    if unconfirmed is None:
        return _decide_from_aging(state, now, spec)
    # A GET was answered, so neither the key nor the office is in trouble: the statement is.
    if unconfirmed.rule.recovery is Recovery.CONFIRM or state.statement_failures >= STATEMENT_FAILURES_MAX:
        return _switch_reader(state, unconfirmed, now, spec)
    return _decide_from_aging(state, now, spec)


def _handle_clock_measurement(
    state: OfficeState, measured: ClockMeasured, now: datetime, spec: OfficeSpec
) -> OfficeState:
    if state.identity is not None and is_other_database(state.identity, measured.identity):
        # What was read of that database's preferences says nothing about this office.
        state = replace(state, stranger=measured.identity, preferences=None)
        return _block(state, Failure(FailureKind.OTHER_DATABASE), now, spec)
    state = replace(_record_skew(state, measured.skew_seconds, now, spec), unidentified=False, stranger=None)
    return _decide_from_aging(state, now, spec)


def _apply_command(state: OfficeState, command: Command, now: datetime, spec: OfficeSpec) -> OfficeState:
    match command:
        case AcceptCommand():
            return _accept(state, now)
        case PauseCommand():
            return _pause(replace(state, paused=True), now, spec)
        case ResumeCommand():
            return _reconcile_with_config(replace(state, paused=False), now, spec)
    return _sync_now(state, now)


def _accept(state: OfficeState, now: datetime) -> OfficeState:
    """Do at once what was waiting for a human."""
    if state.stranger is not None:
        state = replace(state, identity=state.stranger, stranger=None, published=None, held=None)
        return _transition(state, Intent.SURVEY, now, state.standing)
    if state.held is not None:
        not_before = now if state.intent is Intent.PULL and not state.attempts else state.not_before
        return _transition(replace(state, accepted=True), state.intent, not_before, state.standing)
    return state


def _record_skew(state: OfficeState, skew_seconds: float, now: datetime, spec: OfficeSpec) -> OfficeState:
    return replace(state, skew_seconds=skew_seconds, skew_zone=str(spec.office.zone), measured_at=now)


def _record_preferences(state: OfficeState, preferences: Preferences, now: datetime, spec: OfficeSpec) -> OfficeState:
    """Take the new preferences in, and how long the night's run took if it was watched to its end and in time.

    By a clock that was never measured, the run may even seem to have been due a day before.
    """
    previous, published = state.preferences, state.published
    state = replace(state, preferences=preferences)
    if (
        previous is None
        or state.skew_seconds is None
        or state.standing.evaluate_at(now).condition is not Condition.AGING
    ):
        return state
    aging = evaluate_aging(preferences, make_office_clock(state, spec.office), now, spec.cadence)
    if aging.status is not AgingStatus.COMPLETE or aging.due_at is None:
        return state
    if published is not None and published.aging_date == aging.aging_date:
        return state
    return replace(state, run_seconds=(now - aging.due_at).total_seconds())


def _decide_from_aging(state: OfficeState, now: datetime, spec: OfficeSpec, suffix: str = "") -> OfficeState:
    """Preferences and clock are as known as they get: pull, or watch on."""
    preferences = _require_preferences(state)
    state = replace(state, attempts=0)
    if not _has_clock(state, spec.office) or (state.unidentified and state.identity is not None):
        return _transition(state, Intent.MEASURE_CLOCK, now, state.standing)
    aging = evaluate_aging(preferences, make_office_clock(state, spec.office), now, spec.cadence)
    if aging.status in _CLOCK_DEPENDENT and not _is_clock_recent(state, now, spec.office):
        return _transition(state, Intent.MEASURE_CLOCK, now, state.standing)
    run_mark, published = state.run_seen, state.published
    if aging.status in _INVALIDATES_BALANCES:
        run_mark = AgingMark(preferences.date_last_aging, preferences.aging_begin)
        state = replace(state, run_seen=run_mark)
    elif aging.aging_date is not None and run_mark is not None and not has_completed(run_mark, preferences):
        aging = make_crashed_aging(aging, run_mark)
    if aging.aging_date is None:
        return _wait_for_aging(state, aging, now, spec)
    if published is not None and published.aging_date == aging.aging_date and run_mark is None:
        return _wait_for_aging(state, aging, now, spec)
    return _schedule_pull(state, now, now, f"reading the balances of the aging of {aging.aging_date}{suffix}")


def _has_clock(state: OfficeState, office: Office) -> bool:
    """Whether the office's "today" can be told: by its configured zone, or by its measured clock."""
    return office.zone is not None or (state.skew_seconds is not None and state.skew_zone == str(office.zone))


def _is_clock_recent(state: OfficeState, now: datetime, office: Office) -> bool:
    """Whether the office's clock was measured lately; a wall clock of ours that was set since shows as a long time."""
    if state.skew_zone != str(office.zone) or state.measured_at is None:
        return False
    return abs(now - state.measured_at) < CLOCK_AGE_MAX


def _check_plausibility(state: OfficeState, summary: SnapshotSummary, pulled: Pulled, spec: OfficeSpec) -> str | None:
    """Why a snapshot is not published yet; None: it is."""
    if summary.aging_date != _get_pull_date(state):
        raise IllegalObservationError(f"a snapshot of {summary.aging_date} where {_get_pull_date(state)} was asked for")
    last = state.published.outline if state.published else None
    if (
        state.accepted
        or last is None
        or (state.held is not None and is_confirmed(state.held, summary, spec.plausibility))
    ):
        return None
    return find_implausibility(last, summary, pulled.control.touched, spec.plausibility)


def _handle_pull(state: OfficeState, pulled: Pulled, now: datetime, spec: OfficeSpec) -> OfficeState:
    snapshot, summary = pulled.snapshot, summarize_snapshot(pulled.snapshot, pulled.control)
    reader, packing = state.reader, state.packing
    if reader is Reader.STATEMENT and pulled.packing is not None:
        packing = pulled.packing
    elif reader is Reader.STATEMENT and spec.office.reader is Reader.AUTO:
        reader = Reader.PAGES
    state = replace(
        _record_skew(state, pulled.skew_seconds, now, spec),
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
    return _decide_from_aging(state, now, spec)


# --- what a failure changes -------------------------------------------------------------------------------------------


def _handle_failure(
    state: OfficeState, failure: Failure, now: datetime, spec: OfficeSpec, jitter: float
) -> OfficeState:
    """What holds for any action; what a pull alone can meet is in `_handle_pull_failure`."""
    failure = refine_failure(state, failure)
    unreachable = make_failure_status(state.standing, now, Condition.UNREACHABLE, failure)
    is_confirming = state.confirming is not None
    if failure.rule.recovery is not Recovery.STAND_BY:
        state = replace(state, attempts=state.attempts + 1, confirming=None)
    match failure.rule.recovery:
        case Recovery.RETRY if not is_confirming and _may_be_statement_failure(state, failure, spec):
            state = replace(state, statement_failures=state.statement_failures + 1, confirming=failure)
            return _transition(state, Intent.PROBE, _compute_backoff_at(state.attempts, now, spec, jitter), unreachable)
        case Recovery.RETRY:
            retry_at = _compute_backoff_at(state.attempts, now, spec, jitter)
            return _transition(replace(state, statement_failures=0), state.intent, retry_at, unreachable)
        case Recovery.WAIT | Recovery.STAND_BY:
            return _transition(state, state.intent, _compute_retry_at(state, failure, now, spec, jitter), unreachable)
        case Recovery.CONFIRM if state.intent in (Intent.PULL, Intent.MEASURE_CLOCK):
            return _transition(replace(state, confirming=failure), Intent.PROBE, now, state.standing)
        case recovery if recovery is not Recovery.BLOCK and state.intent is Intent.PULL:
            return _handle_pull_failure(state, failure, now, spec, jitter)
        case _:
            return _block(state, failure, now, spec)


def _handle_pull_failure(
    state: OfficeState, failure: Failure, now: datetime, spec: OfficeSpec, jitter: float
) -> OfficeState:
    match failure.rule.recovery:
        case Recovery.NARROW_PACKING if (narrower := state.packing.narrow()) is not None:
            retry_at = _compute_backoff_at(state.attempts, now, spec, jitter)
            return _schedule_pull(replace(state, packing=narrower), now, retry_at, failure.sentence)
        case Recovery.REREAD:
            return _reread(state, failure, now, spec, jitter)
        case Recovery.HOLD:
            return _hold(state, failure, now, spec)
        case Recovery.IDENTIFY:
            return _transition(replace(state, unidentified=True), Intent.MEASURE_CLOCK, now, state.standing)
        case Recovery.WAIT_FOR_AGING:
            state = replace(state, moves=state.moves + 1)
            late_at = state.standing.late_at
            status = make_status(state.standing, now, Condition.AGING, to_sentence(failure.sentence), late_at=late_at)
            return _transition(state, Intent.PROBE, _compute_backoff_at(state.moves, now, spec, jitter), status)
        case _:
            return _switch_reader(state, failure, now, spec)


def _may_be_statement_failure(state: OfficeState, failure: Failure, spec: OfficeSpec) -> bool:
    is_packed_pull = (
        state.intent is Intent.PULL and state.reader is Reader.STATEMENT and spec.office.reader is Reader.AUTO
    )
    return is_packed_pull and failure.kind in _MAYBE_CAUSED_BY_STATEMENT


def _switch_reader(state: OfficeState, failure: Failure, now: datetime, spec: OfficeSpec) -> OfficeState:
    """The statement is closed to us: read in pages, if those are left."""
    can_switch = state.reader is Reader.STATEMENT and spec.office.reader is Reader.AUTO
    if can_switch and _has_clock(state, spec.office):
        return _decide_from_aging(
            replace(state, reader=Reader.PAGES), now, spec, f" in pages, because {failure.sentence}"
        )
    if failure.kind is FailureKind.UNKNOWN_401:
        failure = replace(failure, kind=FailureKind.PERMISSION_MISSING)
    return _block(state, failure, now, spec)


def _block(state: OfficeState, failure: Failure, now: datetime, spec: OfficeSpec) -> OfficeState:
    status = make_failure_status(state.standing, now, Condition.BLOCKED, failure)
    is_statement_failure = failure.rule.recovery in (Recovery.SWITCH_READER, Recovery.NARROW_PACKING)
    if spec.office.reader is Reader.STATEMENT and (is_statement_failure or failure.kind is FailureKind.QUERY_REFUSED):
        status = replace(
            status, owner=Owner.US, advice='Set `reader = "auto"`: this office may be read in pages.', letter=""
        )
    if spec.office.reader is Reader.AUTO:
        state = replace(state, reader=Reader.STATEMENT)
    state = replace(state, unidentified=state.unidentified or failure.kind in _KEY_FAILURES)
    return _transition(
        state, Intent.SURVEY, compute_next_slot(spec.office.id, spec.cadence.blocked_probe_seconds, now), status
    )


def _reread(state: OfficeState, failure: Failure, now: datetime, spec: OfficeSpec, jitter: float) -> OfficeState:
    # A lane that was cut within its last number counts right and adds up wrong.
    state = replace(state, rereads=state.rereads + 1, packing=state.packing.narrow() or state.packing)
    if state.rereads <= REREADS_MAX:
        return _schedule_pull(state, now, _compute_backoff_at(state.rereads, now, spec, jitter), failure.sentence)
    reason = f"{to_sentence(failure.sentence)} It was read {state.rereads} times in a row; nothing was published."
    status = make_failure_status(state.standing, now, Condition.SUSPECT, failure, reason)
    return _transition(state, Intent.PULL, now + timedelta(seconds=spec.cadence.backoff_max_seconds), status)


def _hold(state: OfficeState, failure: Failure, now: datetime, spec: OfficeSpec) -> OfficeState:
    """It adds up and is hard to believe: nobody sees it until a second reading says the same."""
    state = replace(state, attempts=0, rereads=0)
    status = make_failure_status(state.standing, now, Condition.SUSPECT, failure)
    return _transition(state, Intent.PULL, now + timedelta(seconds=spec.plausibility.hold_seconds), status)


def _compute_retry_at(state: OfficeState, failure: Failure, now: datetime, spec: OfficeSpec, jitter: float) -> datetime:
    """When to ask again: as the server said, or, where nothing has left this machine, at the office's own turn."""
    if failure.rule.recovery is Recovery.STAND_BY:
        return compute_next_slot(spec.office.id, spec.cadence.late_probe_seconds, now)
    return now + timedelta(
        seconds=compute_retry_seconds(failure.retry_after_seconds, state.attempts, jitter, spec.cadence)
    )


def _compute_backoff_at(attempts: int, now: datetime, spec: OfficeSpec, jitter: float) -> datetime:
    return now + timedelta(seconds=compute_backoff_seconds(attempts, jitter, spec.cadence))


# --- how the office stands, and when it is asked again ----------------------------------------------------------------


def _schedule_pull(state: OfficeState, now: datetime, not_before: datetime, reason: str) -> OfficeState:
    late_at = state.standing.late_at
    status = make_status(
        state.standing, now, Condition.PULLING, to_sentence(reason), late_at=late_at, keep_action_required=True
    )
    return _transition(state, Intent.PULL, not_before, status)


def _wait_for_aging(state: OfficeState, aging: Aging, now: datetime, spec: OfficeSpec) -> OfficeState:
    """Nothing to pull: say how the office stands and when it is asked again."""
    clock = make_office_clock(state, spec.office)
    today = clock.to_local(now).date()
    late_at = compute_late_at(aging, clock, spec.office.fresh_by, spec.cadence)
    if aging.status is AgingStatus.RUNNING and state.standing.condition is Condition.AGING:
        # A run leaves its date a moment before it ends: it is still the one that was awaited.
        late_at = state.standing.late_at or late_at
    condition = Condition.AGING
    if aging.status in (AgingStatus.COMPLETE, AgingStatus.MONTHLY) or aging.aging_date == today:
        condition = Condition.FRESH
    elif aging.status in BLOCKING_STATUSES:
        condition = Condition.BLOCKED
    elif aging.status in (AgingStatus.WAITING, AgingStatus.MISSED):
        condition = Condition.WAITING
    status = make_status(
        state.standing,
        now,
        condition,
        aging.reason,
        owner=aging.owner,
        advice=aging.advice,
        message=aging.message,
        late_at=late_at,
    )
    not_before = compute_next_probe(spec.office.id, aging, spec.cadence, state.run_seconds, now)
    is_survey_due = (
        condition is Condition.BLOCKED or abs(not_before - _require_preferences(state).read_at) >= SURVEY_INTERVAL
    )
    return _transition(state, Intent.SURVEY if is_survey_due else Intent.PROBE, not_before, status)


def _transition(state: OfficeState, intent: Intent, not_before: datetime, status: Status) -> OfficeState:
    next_action_at = None if not_before == FAR_FUTURE else not_before
    status = replace(
        status, next_action="" if next_action_at is None else _NEXT_ACTION_TEXTS[intent], next_action_at=next_action_at
    )
    confirming = state.confirming if intent is Intent.PROBE else None
    return replace(state, intent=intent, not_before=not_before, standing=status, confirming=confirming)
