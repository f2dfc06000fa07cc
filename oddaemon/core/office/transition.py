"""The moves of an office: each puts it into one intent, with the instant to begin and the status that people see.

Which move is made when is decided in `machine.py`.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from oddaemon.core.backoff import STATEMENT_PAUSE
from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.failures.origin import STATEMENT_TIMEOUTS
from oddaemon.core.failures.recovery import Recovery
from oddaemon.core.model import Condition, OfficeSpec, Owner, Reader, Status
from oddaemon.core.office.aging import BLOCKING_STATUSES, Aging, AgingStatus
from oddaemon.core.office.cadence import (
    compute_late_at,
    compute_latest_wait,
    compute_next_probe,
    compute_next_slot,
    compute_soon_seconds,
)
from oddaemon.core.office.clock import make_office_clock
from oddaemon.core.office.evidence import KEY_FAILURES
from oddaemon.core.office.record import require_preferences
from oddaemon.core.office.state import Intent, OfficeState
from oddaemon.core.office.status import (
    make_failure_status,
    make_paused_status,
    make_status,
    to_sentence,
)

FAR_FUTURE = datetime(9999, 1, 1, tzinfo=UTC)
SURVEY_INTERVAL = timedelta(hours=6)
BLAME_SURVEY_INTERVAL = timedelta(hours=1)
"""While an owner is named: the cause may be gone, and a probe does not read the run time."""
"""Due times and versions change rarely."""
_NEXT_ACTION_TEXTS = {
    Intent.SURVEY: "reads the office's preferences",
    Intent.MEASURE_CLOCK: "asks the office's server for its time and its identity",
    Intent.PROBE: "asks whether aging has completed",
    Intent.PULL: "reads the balances",
}


_STATEMENT_INTENTS = frozenset({Intent.PULL, Intent.MEASURE_CLOCK})


def move_to(state: OfficeState, intent: Intent, not_before: datetime, status: Status) -> OfficeState:
    """Take up an intent at `not_before`, or when the office may get a statement; `FAR_FUTURE`: not by itself."""
    if intent in _STATEMENT_INTENTS and state.statement_not_before is not None:
        not_before = max(not_before, state.statement_not_before)
    next_action_at = None if not_before == FAR_FUTURE else not_before
    status = replace(
        status,
        next_action="" if next_action_at is None else _NEXT_ACTION_TEXTS[intent],
        next_action_at=next_action_at,
    )
    confirming = state.confirming if intent is Intent.PROBE else None
    return replace(state, intent=intent, not_before=not_before, standing=status, confirming=confirming)


def limit_wait(state: OfficeState, now: datetime, spec: OfficeSpec) -> OfficeState:
    """Cut a wait that is longer than any rule can ask for: our wall clock was set back."""
    if state.statement_not_before is not None:
        earliest = min(state.statement_not_before, now + STATEMENT_PAUSE)
        state = replace(state, statement_not_before=earliest if earliest > now else None)
    latest = compute_latest_wait(now, spec)
    if state.standing.condition is Condition.PAUSED or state.not_before <= latest:
        return state
    return move_to(state, state.intent, latest, state.standing)


def adjust_for_clock_step(state: OfficeState, step: timedelta) -> OfficeState:
    """The state after our own wall clock was set forward by `step`: every wait keeps its length.

    The measurements of the office's clock are dropped: our clock may have been wrong when they were taken.
    """
    deferred = state.statement_not_before
    state = replace(
        state,
        skew_seconds=None,
        skew_zone="",
        measured_at=None,
        run_seconds=None,
        completions=(),
        incomplete_at=None,
        statement_not_before=None if deferred is None else deferred + step,
    )
    if state.not_before == FAR_FUTURE:
        return state
    return move_to(state, state.intent, state.not_before + step, state.standing)


def defer_statements(state: OfficeState, failure: Failure, now: datetime) -> OfficeState:
    """After a statement without an answer: let it end at the office before another begins."""
    if state.intent not in _STATEMENT_INTENTS or failure.kind not in STATEMENT_TIMEOUTS:
        return state
    return replace(state, statement_not_before=now + STATEMENT_PAUSE)


def pause(state: OfficeState, now: datetime, spec: OfficeSpec) -> OfficeState:
    """Stop asking the office. If the configuration disables it, the status says so, as no command can change that."""
    status = make_paused_status(state.standing, now, enabled=spec.enabled)
    return move_to(state, Intent.SURVEY, FAR_FUTURE, status)


def measure_clock(state: OfficeState, now: datetime) -> OfficeState:
    """Ask the office's server for its time and its identity, at once."""
    return move_to(state, Intent.MEASURE_CLOCK, now, state.standing)


def schedule_pull(state: OfficeState, now: datetime, not_before: datetime, reason: str) -> OfficeState:
    """Read the balances; what an operator must look at stays shown until they are published."""
    late_at = state.standing.late_at
    status = make_status(
        state.standing, now, Condition.PULLING, to_sentence(reason), late_at=late_at, keep_action_required=True
    )
    return move_to(state, Intent.PULL, not_before, status)


def hold(state: OfficeState, failure: Failure, now: datetime, spec: OfficeSpec) -> OfficeState:
    """Keep a verified but implausible snapshot back until a second reading confirms it."""
    state = replace(state, attempts=0, rereads=0)
    status = make_failure_status(state.standing, now, Condition.SUSPECT, failure)
    return move_to(state, Intent.PULL, now + timedelta(seconds=spec.plausibility.hold_seconds), status)


def quarantine(state: OfficeState, now: datetime, until: datetime) -> OfficeState:
    """The office's worker crashed too often: it is started again then. A restart of the daemon looks at once."""
    status = make_status(
        state.standing,
        now,
        Condition.BLOCKED,
        "The worker of this office crashed too often, a bug in oddaemon.",
        owner=Owner.US,
        advice=(
            "Report the event `worker_crashed` of the log to us. The worker is started again by itself; "
            "`oddaemon reload` or a restart tries at once."
        ),
    )
    status = replace(status, next_action="starts the worker again", next_action_at=until)
    return replace(state, not_before=until, standing=status)


def block(state: OfficeState, failure: Failure, now: datetime, spec: OfficeSpec) -> OfficeState:
    """Wait until a human has acted, and survey the office from time to time meanwhile."""
    status = make_failure_status(state.standing, now, Condition.BLOCKED, failure)
    is_statement_failure = failure.kind.recovery in (Recovery.SWITCH_READER, Recovery.NARROW_PACKING)
    if spec.reader is Reader.STATEMENT and (is_statement_failure or failure.kind is FailureKind.QUERY_REFUSED):
        advice = 'Set `reader = "auto"`, so that oddaemon may read this office in pages.'
        status = replace(status, owner=Owner.US, advice=advice, letter="")
    if spec.reader is Reader.AUTO:
        state = replace(state, reader=Reader.STATEMENT)
    state = replace(state, unidentified=state.unidentified or failure.kind in KEY_FAILURES)
    # A refused certificate ends the connection before the office is reached, so asking often disturbs no office.
    interval_seconds = spec.cadence.blocked_probe_seconds
    if failure.kind is FailureKind.TLS:
        interval_seconds = compute_soon_seconds(failure)
    return move_to(state, Intent.SURVEY, compute_next_slot(spec.id, interval_seconds, now), status)


def wait_for_aging(state: OfficeState, aging: Aging, now: datetime, spec: OfficeSpec) -> OfficeState:
    """There is nothing to pull: probe again when the next run may be over, and survey every few hours.

    While no run time is set, each look is a survey: a probe does not read the run time.
    """
    clock = make_office_clock(state, spec)
    late_at = compute_late_at(aging, clock, spec.fresh_by, spec.cadence)
    if aging.status is AgingStatus.RUNNING and state.standing.condition is Condition.AGING:
        # A run writes its date a moment before it ends: until then it is still the run that was pending.
        late_at = state.standing.late_at or late_at
    condition = _get_condition(aging, clock.to_local(now).date())
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
    not_before = compute_next_probe(spec.id, aging, spec.cadence, state.run_seconds, now, nights=state.completions)
    interval = SURVEY_INTERVAL if aging.owner is None else BLAME_SURVEY_INTERVAL
    is_survey_due = abs(not_before - require_preferences(state).read_at) >= interval
    is_unset = aging.status is AgingStatus.NOT_CONFIGURED
    intent = Intent.SURVEY if condition is Condition.BLOCKED or is_unset or is_survey_due else Intent.PROBE
    return move_to(state, intent, not_before, status)


def _get_condition(aging: Aging, today: date) -> Condition:
    if aging.status in (AgingStatus.COMPLETE, AgingStatus.MONTHLY) or aging.aging_date == today:
        return Condition.FRESH
    if aging.status in BLOCKING_STATUSES:
        return Condition.BLOCKED
    if aging.status in (AgingStatus.WAITING, AgingStatus.MISSED):
        return Condition.WAITING
    return Condition.AGING
