"""THE state machine: every transition of an office is in this file.

An office has an *intent* (what it does next) and an instant before which it does not (`not_before`). Each turn takes
one observation (what the last action brought) and gives the new state and the next action:

    survey -> [measure_clock] -> probe, again and again -> pull -> publish -> probe, again and again

All waiting is `not_before` in the state, so a restart does not forget a back-off. Everything here is a function of its
arguments: an instant is passed, not a clock; jitter is passed, not drawn. An observation that answers another intent
than the state's is a programmer's error and raises.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from oddaemon.core.aging import BLOCKING, Aging, AgingStatus, evaluate, parse_date
from oddaemon.core.backoff import delay_seconds, retry_after_seconds
from oddaemon.core.cadence import deadline, next_probe, next_slot
from oddaemon.core.clock import OfficeClock
from oddaemon.core.failure import Failure, Kind, Policy
from oddaemon.core.model import AgingMark, Condition, Office, Preferences, Reader, Standing
from oddaemon.core.packing import FIRST_PACKING
from oddaemon.core.standing import capital, paused, stand, troubled
from oddaemon.core.state import (
    Action,
    ClockMeasured,
    Failed,
    Intent,
    MeasureClock,
    Observation,
    OfficeState,
    Probe,
    Probed,
    Publish,
    Published,
    PublishedNow,
    Pull,
    Pulled,
    Started,
    Survey,
    Surveyed,
    Wait,
    Wish,
    Woke,
)

REREADS_MAX = 3
"""A snapshot that does not add up more often than this in a row is suspect."""
SURVEY_AGAIN_AFTER = timedelta(hours=6)
"""Due times and versions change rarely."""
FAR_FUTURE = datetime(9999, 1, 1, tzinfo=UTC)
STATEMENT_ATTEMPTS_MAX = 2
"""After as many broken or late answers a GET finds out whether it is the office or only the statement."""
_HEAVY = frozenset({Kind.TIMEOUT, Kind.GATEWAY_TIMEOUT, Kind.MALFORMED, Kind.CONNECTION_LOST})
_NEXT = {
    Intent.SURVEY: "reads the office's preferences",
    Intent.MEASURE_CLOCK: "asks the office's server for its time",
    Intent.PROBE: "asks whether aging has completed",
    Intent.PULL: "reads the balances",
}


class IllegalObservationError(Exception):
    """An observation that no action of this state can bring: a programmer's error."""


def new_state(now: datetime) -> OfficeState:
    """An office that nothing is known of."""
    return OfficeState(Intent.SURVEY, Standing(Condition.WAITING, now, "Not asked yet."), now)


def next_action(
    state: OfficeState, observation: Observation, now: datetime, wish: Wish, jitter: float
) -> tuple[OfficeState, Action]:
    """Take one turn.

    Args:
        state: The office as remembered.
        observation: What the last action brought.
        now: This instant (aware UTC).
        wish: The office's configuration.
        jitter: A random number from 0 to 1.

    Returns:
        The new state and the action to perform. Beside `Publish` the state is the one to store with the snapshot; if
        that fails, the former state stays and is told `Failed`.

    Raises:
        IllegalObservationError: The observation answers another intent.
    """
    match observation, state.intent:
        case Started(), _:
            state = _started(state, now, wish)
        case ((Woke() | PublishedNow()), _):
            pass
        case Surveyed(preferences), Intent.SURVEY:
            state = _surveyed(state, preferences, now, wish)
        case Probed() as seen, Intent.PROBE:
            state = _probed(state, seen, now, wish)
        case ClockMeasured(skew), Intent.MEASURE_CLOCK:
            state = _informed(replace(state, skew_seconds=skew), now, wish)
        case Pulled() as pulled, Intent.PULL:
            return _pulled(state, pulled, now, wish), Publish(pulled.snapshot)
        case Failed(failure), _:
            state = _failed(state, failure, now, wish, jitter)
        case _:
            raise IllegalObservationError(f"{type(observation).__name__} does not answer {state.intent}")
    return state, _action(state, now)


def clock_of(state: OfficeState, office: Office) -> OfficeClock:
    """The office's clock, as far as it is known."""
    return OfficeClock(office.zone or UTC, timedelta(seconds=state.skew_seconds or 0.0))


def _action(state: OfficeState, now: datetime) -> Action:
    if now < state.not_before:
        return Wait(state.not_before)
    known = state.preferences
    match state.intent:
        case Intent.PROBE if known is not None:
            return Probe(known.date_last_aging)
        case Intent.PULL if known is not None and (aging_date := parse_date(known.date_last_aging)) is not None:
            return Pull(state.reader, state.packing, aging_date, AgingMark(known.date_last_aging, known.aging_begin))
        case Intent.MEASURE_CLOCK:
            return MeasureClock()
        case _:
            return Survey()


# --- what an observation changes --------------------------------------------------------------------------------------


def _started(state: OfficeState, now: datetime, wish: Wish) -> OfficeState:
    """A stored state meets the present configuration and the present clock."""
    if not wish.office.enabled:
        return _go(state, Intent.SURVEY, FAR_FUTURE, paused(state.standing, now))
    if state.standing.condition is Condition.PAUSED:
        return _go(
            state, Intent.SURVEY, now, stand(state.standing, now, Condition.WAITING, "Enabled again; not asked yet.")
        )
    if state.published is not None and state.published.scope != wish.scope:
        return _go(replace(state, published=None), Intent.SURVEY, now, state.standing)
    longest = max(
        wish.cadence.idle_probe_seconds,
        wish.cadence.blocked_probe_seconds,
        wish.cadence.backoff_max_seconds,
        wish.cadence.retry_after_max_seconds,
    )
    not_before = min(state.not_before, now + timedelta(seconds=longest))
    if wish.office.reader is not Reader.AUTO and wish.office.reader is not state.reader:
        state = replace(state, reader=wish.office.reader)
    return _go(state, state.intent, not_before, state.standing)


def _surveyed(state: OfficeState, preferences: Preferences, now: datetime, wish: Wish) -> OfficeState:
    known = state.preferences
    if known is not None and known.program_version != preferences.program_version and wish.office.reader is Reader.AUTO:
        state = replace(state, reader=Reader.STATEMENT, packing=FIRST_PACKING)
    return _informed(_learned(state, preferences, now, wish), now, wish)


def _probed(state: OfficeState, seen: Probed, now: datetime, wish: Wish) -> OfficeState:
    if state.preferences is None:
        raise IllegalObservationError("a probe answered before any survey")
    preferences = replace(state.preferences, date_last_aging=seen.date_last_aging, aging_begin=seen.aging_begin or "")
    doubted, state = state.confirming, replace(state, confirming=None)
    if doubted is not None:
        # A GET was answered, so neither the key nor the office is in trouble: the statement is.
        return _other_reader(state, doubted, now, wish)
    return _informed(_learned(state, preferences, now, wish), now, wish)


def _learned(state: OfficeState, preferences: Preferences, now: datetime, wish: Wish) -> OfficeState:
    """Take the new preferences in, and how long the run took if it was watched to its end."""
    known = state.preferences
    state = replace(state, preferences=preferences)
    moved = known is not None and known.date_last_aging != preferences.date_last_aging
    if not moved or state.standing.condition is not Condition.AGING:
        return state
    aging = evaluate(preferences, clock_of(state, wish.office), now, wish.cadence)
    if aging.status is not AgingStatus.COMPLETE or aging.due_at is None:
        return state
    return replace(state, run_seconds=(now - aging.due_at).total_seconds())


def _informed(state: OfficeState, now: datetime, wish: Wish) -> OfficeState:
    """Preferences and clock are as known as they get: pull, or watch on."""
    preferences = state.preferences
    if preferences is None:
        raise IllegalObservationError("an office without preferences cannot be judged")
    state = replace(state, attempts=0)
    if wish.office.zone is None and state.skew_seconds is None:
        return _go(state, Intent.MEASURE_CLOCK, now, state.standing)
    aging = evaluate(preferences, clock_of(state, wish.office), now, wish.cadence)
    if aging.status is AgingStatus.RUNNING:
        state = replace(state, run_seen=True)
    published = state.published
    if aging.aging_date and (published is None or published.aging_date != aging.aging_date or state.run_seen):
        reason = f"Reading the balances of the aging of {aging.aging_date}."
        late_at = state.standing.late_at
        standing = stand(state.standing, now, Condition.PULLING, reason, late_at=late_at, keep_trouble=True)
        return _go(state, Intent.PULL, now, standing)
    return _watch(state, aging, now, wish)


def _pulled(state: OfficeState, pulled: Pulled, now: datetime, wish: Wish) -> OfficeState:
    snapshot = pulled.snapshot
    reader, packing = state.reader, state.packing
    if reader is Reader.STATEMENT and pulled.packing is not None:
        packing = pulled.packing
    elif reader is Reader.STATEMENT and wish.office.reader is Reader.AUTO:
        reader = Reader.PAGES
    state = replace(
        state,
        reader=reader,
        packing=packing,
        attempts=0,
        rereads=0,
        run_seen=False,
        skew_seconds=pulled.skew_seconds,
        published=Published(snapshot.aging_date, now, snapshot.totals.guarantors, snapshot.requests, wish.scope),
    )
    return _informed(state, now, wish)


# --- what a failure changes -------------------------------------------------------------------------------------------


def _failed(state: OfficeState, failure: Failure, now: datetime, wish: Wish, jitter: float) -> OfficeState:
    """What holds for any action; what a pull alone can meet is in `_pull_failed`."""
    doubted = state.confirming is not None
    state = replace(state, attempts=state.attempts + 1, confirming=None)
    unreachable = troubled(state.standing, now, Condition.UNREACHABLE, failure)
    match failure.rule.policy:
        case Policy.RETRY:
            later = now + timedelta(seconds=delay_seconds(state.attempts, jitter, wish.cadence))
            if _is_heavy(state, failure, wish) and not doubted:
                return _go(replace(state, confirming=failure), Intent.PROBE, later, unreachable)
            return _go(state, state.intent, later, unreachable)
        case Policy.WAIT:
            seconds = retry_after_seconds(failure.retry_after_seconds, state.attempts, jitter, wish.cadence)
            return _go(state, state.intent, now + timedelta(seconds=seconds), unreachable)
        case Policy.BLOCK:
            return _blocked(state, failure, now, wish)
        case _ if state.preferences is None:
            return _blocked(state, failure, now, wish)
        case _:
            return _pull_failed(state, failure, now, wish, jitter)


def _pull_failed(state: OfficeState, failure: Failure, now: datetime, wish: Wish, jitter: float) -> OfficeState:
    match failure.rule.policy:
        case Policy.CONFIRM:
            return _go(replace(state, confirming=failure), Intent.PROBE, now, state.standing)
        case Policy.NARROWER if (narrower := state.packing.narrower()) is not None:
            return _go(replace(state, packing=narrower), Intent.PULL, now, state.standing)
        case Policy.REREAD:
            return _reread(state, failure, now, wish, jitter)
        case Policy.WATCH:
            state = replace(state, rereads=state.rereads + 1, run_seen=True)
            later = now + timedelta(seconds=delay_seconds(state.rereads, jitter, wish.cadence))
            standing = stand(
                state.standing, now, Condition.AGING, capital(failure.sentence), late_at=state.standing.late_at
            )
            return _go(state, Intent.PROBE, later, standing)
        case _:
            return _other_reader(state, failure, now, wish)


def _is_heavy(state: OfficeState, failure: Failure, wish: Wish) -> bool:
    """Whether it may be the packed statement alone that does not come through."""
    packed = state.intent is Intent.PULL and state.reader is Reader.STATEMENT and wish.office.reader is Reader.AUTO
    return packed and failure.kind in _HEAVY and state.attempts >= STATEMENT_ATTEMPTS_MAX


def _other_reader(state: OfficeState, failure: Failure, now: datetime, wish: Wish) -> OfficeState:
    if state.preferences is not None and state.reader is Reader.STATEMENT and wish.office.reader is Reader.AUTO:
        reason = f"Reading in pages, because {failure.sentence}."
        standing = stand(state.standing, now, Condition.PULLING, reason, keep_trouble=True)
        return _go(replace(state, reader=Reader.PAGES), Intent.PULL, now, standing)
    if failure.kind is Kind.UNKNOWN_401:
        failure = replace(failure, kind=Kind.PERMISSION_MISSING)
    return _blocked(state, failure, now, wish)


def _blocked(state: OfficeState, failure: Failure, now: datetime, wish: Wish) -> OfficeState:
    rule = failure.rule
    standing = stand(
        state.standing, now, Condition.BLOCKED, capital(failure.sentence), owner=rule.owner, advice=rule.advice
    )
    if wish.office.reader is Reader.AUTO:
        state = replace(state, reader=Reader.STATEMENT)
    return _go(state, Intent.SURVEY, next_slot(wish.office.id, wish.cadence.blocked_probe_seconds, now), standing)


def _reread(state: OfficeState, failure: Failure, now: datetime, wish: Wish, jitter: float) -> OfficeState:
    state = replace(state, rereads=state.rereads + 1)
    if state.rereads <= REREADS_MAX:
        later = now + timedelta(seconds=delay_seconds(state.rereads, jitter, wish.cadence))
        return _go(state, Intent.PULL, later, state.standing)
    reason = f"{capital(failure.sentence)}, {state.rereads} times in a row; nothing was published."
    standing = stand(
        state.standing, now, Condition.SUSPECT, reason, owner=failure.rule.owner, advice=failure.rule.advice
    )
    return _go(state, Intent.PULL, now + timedelta(seconds=wish.cadence.backoff_max_seconds), standing)


# --- how the office stands, and when it is asked again ----------------------------------------------------------------


def _watch(state: OfficeState, aging: Aging, now: datetime, wish: Wish) -> OfficeState:
    """Nothing to pull: say how the office stands and when it is asked again."""
    clock = clock_of(state, wish.office)
    today = clock.local(now).date()
    late_at = deadline(aging, clock, wish.office.fresh_by, now)
    condition = Condition.AGING
    if aging.status in (AgingStatus.COMPLETE, AgingStatus.MONTHLY) or aging.aging_date == today:
        condition = Condition.FRESH
    elif aging.status in BLOCKING:
        condition = Condition.BLOCKED
    elif aging.status in (AgingStatus.WAITING, AgingStatus.MISSED):
        condition = Condition.WAITING
    standing = stand(
        state.standing, now, condition, aging.reason, owner=aging.owner, advice=aging.advice, late_at=late_at
    )
    not_before = next_probe(wish.office.id, aging, wish.cadence, state.run_seconds, now)
    known = state.preferences
    old = known is None or not_before - known.read_at >= SURVEY_AGAIN_AFTER or condition is Condition.BLOCKED
    return _go(state, Intent.SURVEY if old else Intent.PROBE, not_before, standing)


def _go(state: OfficeState, intent: Intent, not_before: datetime, standing: Standing) -> OfficeState:
    next_at = None if not_before == FAR_FUTURE else not_before
    standing = replace(standing, next_action="" if next_at is None else _NEXT[intent], next_action_at=next_at)
    return replace(state, intent=intent, not_before=not_before, standing=standing)
