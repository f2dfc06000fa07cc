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

from oddaemon.core.aging import BLOCKING, Aging, AgingStatus, crashed, evaluate, has_completed, parse_date
from oddaemon.core.backoff import delay_seconds, retry_after_seconds
from oddaemon.core.cadence import deadline, next_probe, next_slot
from oddaemon.core.clock import OfficeClock
from oddaemon.core.failure import Failure, Kind, Policy
from oddaemon.core.model import AgingMark, Condition, Office, Outline, Owner, Preferences, Reader, Standing
from oddaemon.core.packing import FIRST_PACKING
from oddaemon.core.plausibility import doubt, is_other, outline_of, repeats, titled, updated
from oddaemon.core.refusal import of_unproven_key
from oddaemon.core.standing import capital, paused, paused_by_order, stand, troubled
from oddaemon.core.state import (
    Accepted,
    Action,
    ClockMeasured,
    Failed,
    Intent,
    MeasureClock,
    Observation,
    OfficeState,
    Order,
    PauseOrdered,
    Probe,
    Probed,
    Publish,
    Published,
    PublishedNow,
    Pull,
    Pulled,
    ResumeOrdered,
    Started,
    Survey,
    Surveyed,
    SyncOrdered,
    Wait,
    Wish,
    Woke,
)

REREADS_MAX = 3
"""A snapshot that does not add up more often than this in a row is suspect."""
SURVEY_AGAIN_AFTER = timedelta(hours=6)
"""Due times and versions change rarely."""
CLOCK_SURE_FOR = timedelta(hours=1)
"""Nobody is blamed for a date or a lock by a clock that was measured longer ago."""
FAR_FUTURE = datetime(9999, 1, 1, tzinfo=UTC)
STATEMENT_FAILURES_MAX = 2
"""After as many in a row, each with an answered GET behind it, it is the statement and not the office."""
_BROKEN_OFF = frozenset(
    {
        Kind.TIMEOUT,
        Kind.GATEWAY_TIMEOUT,
        Kind.SERVER_ERROR,
        Kind.MALFORMED,
        Kind.CONNECTION_LOST,
        Kind.UNKNOWN_400,
        Kind.GATEWAY_REFUSED,
        Kind.OFFICE_DATABASE,
        Kind.UNEXPECTED_STATUS,
    }
)
"""What may come of a statement that is too much for the office, and as well of an office in trouble."""
_NAMES_THE_KEY = frozenset({Kind.KEY_UNASSIGNED, Kind.KEY_REJECTED, Kind.KEY_NEVER_ACCEPTED, Kind.OTHER_DATABASE})
"""After these a key may open another office's database."""
_HANGS_ON_CLOCK = frozenset({AgingStatus.STUCK, AgingStatus.FUTURE})
"""What a wrong clock looks like, theirs or ours: nobody is blamed for it before the office's clock was measured."""
_LEAVES_OTHER_BALANCES = frozenset({AgingStatus.RUNNING, AgingStatus.STUCK, AgingStatus.FUTURE})
"""After these the table is another one, even if the date becomes what it was."""
_NEXT = {
    Intent.SURVEY: "reads the office's preferences",
    Intent.MEASURE_CLOCK: "asks the office's server for its time and its identity",
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
        IllegalObservationError: The observation answers another intent, or brings another aging than was asked for.
    """
    match observation, state.intent:
        case Started(), _:
            state = _started(state, now, wish)
        case ((Woke() | PublishedNow()), _):
            state = _bounded(state, now, wish)
        case Surveyed(preferences), Intent.SURVEY:
            state = _surveyed(state, preferences, now, wish)
        case Probed() as seen, Intent.PROBE:
            state = _probed(state, seen, now, wish)
        case ClockMeasured() as measured, Intent.MEASURE_CLOCK:
            state = _identified(state, measured, now, wish)
        case Pulled() as pulled, Intent.PULL:
            outline = outline_of(pulled.snapshot, pulled.control)
            why = _doubt(state, outline, pulled, wish)
            if why is None:
                return _pulled(state, pulled, now, wish), Publish(pulled.snapshot)
            state = _held(replace(state, held=outline), Failure(Kind.IMPLAUSIBLE, why), now, wish)
        case (Accepted() | PauseOrdered() | ResumeOrdered() | SyncOrdered()) as order, _:
            state = _ordered(_bounded(state, now, wish), order, now, wish)
        case Failed(failure), _:
            state = _failed(state, failure, now, wish, jitter)
        case _:
            raise IllegalObservationError(f"{type(observation).__name__} does not answer {state.intent}")
    return state, _action(state, now)


def stepped(state: OfficeState, step: timedelta) -> OfficeState:
    """The state after our own wall clock was set forward by `step`: a wait stays as long as it was meant to be.

    What was measured of the office's clock may have been measured against a wrong one.
    """
    state = replace(state, skew_seconds=None, skew_zone="", measured_at=None, run_seconds=None)
    if state.not_before == FAR_FUTURE:
        return state
    return _go(state, state.intent, state.not_before + step, state.standing)


def can_accept(state: OfficeState) -> bool:
    """Whether anything is held back that a human could accept."""
    return state.held is not None or state.stranger is not None


def is_proven(state: OfficeState) -> bool:
    """Whether any key ever opened the office's database."""
    return state.published is not None or state.identity is not None or state.preferences is not None


def named(state: OfficeState, failure: Failure) -> Failure:
    """A failure in the light of what the office has shown before."""
    return failure if is_proven(state) else of_unproven_key(failure)


def clock_of(state: OfficeState, office: Office) -> OfficeClock:
    """The office's clock, as far as it is known."""
    measured = state.skew_seconds if state.skew_zone == str(office.zone) else None
    return OfficeClock(office.zone or UTC, timedelta(seconds=measured or 0.0))


def _action(state: OfficeState, now: datetime) -> Action:
    if now < state.not_before:
        return Wait(state.not_before)
    if state.intent is Intent.SURVEY:
        return Survey()
    if state.intent is Intent.MEASURE_CLOCK:
        return MeasureClock()
    known = _known(state)
    if state.intent is Intent.PROBE:
        return Probe()
    mark = AgingMark(known.date_last_aging, known.aging_begin)
    outline = state.published.outline if state.published else None
    since = outline.office_now if outline else None
    return Pull(state.reader, state.packing, _asked_date(state), mark, state.identity, since)


def _known(state: OfficeState) -> Preferences:
    if state.preferences is None:
        raise IllegalObservationError(f"{state.intent} before any survey")
    return state.preferences


def _asked_date(state: OfficeState) -> date:
    """The aging that a pull is for."""
    asked = parse_date(_known(state).date_last_aging)
    if asked is None:
        raise IllegalObservationError("a pull of an office that never aged")
    return asked


# --- what an observation changes --------------------------------------------------------------------------------------


def _started(state: OfficeState, now: datetime, wish: Wish) -> OfficeState:
    """A stored state meets the present configuration and the present clock."""
    if wish.office.reader not in (Reader.AUTO, state.reader):
        state = replace(state, reader=wish.office.reader)
    elif state.reader is not wish.office.reader and state.reader is Reader.REPORT:
        # The key may query now.
        state = replace(state, reader=Reader.STATEMENT, packing=FIRST_PACKING)
    rescoped = state.published is not None and state.published.scope != wish.scope
    if rescoped:
        state = replace(state, published=None)
    if state.paused or not wish.office.enabled:
        return _paused(state, now, wish)
    if state.standing.condition is Condition.PAUSED:
        standing = stand(state.standing, now, Condition.WAITING, "Switched on again; not asked yet.")
        return _go(state, Intent.SURVEY, now, standing)
    state = _bounded(state, now, wish)
    if rescoped:
        reason = "Other guarantors are wanted than before; not read yet."
        standing = stand(state.standing, now, Condition.WAITING, reason, keep_trouble=True)
        # A back-off goes on: it is owed to the office, whatever is wanted of it.
        return _go(state, Intent.SURVEY, state.not_before if state.attempts else now, standing)
    # Whoever starts us, or wants something else of an office, may have mended what it waits for a human to mend.
    is_blocked = state.standing.condition is Condition.BLOCKED
    return _go(state, state.intent, min(state.not_before, now) if is_blocked else state.not_before, state.standing)


def _paused(state: OfficeState, now: datetime, wish: Wish) -> OfficeState:
    """Left alone; what the configuration says comes first, as no order changes it."""
    pause = paused_by_order if wish.office.enabled else paused
    return _go(state, Intent.SURVEY, FAR_FUTURE, pause(state.standing, now))


def _hurried(state: OfficeState, now: datetime) -> OfficeState:
    """Asked at once: a back-off ends, but the key's spacing stays, as does a pause."""
    if state.standing.condition is Condition.PAUSED:
        return state
    intent = Intent.SURVEY if state.intent is Intent.PROBE else state.intent
    return _go(state, intent, now, state.standing)


def _bounded(state: OfficeState, now: datetime, wish: Wish) -> OfficeState:
    """A wall clock that was set back must not make a wait longer than any that is ever meant."""
    cadence = wish.cadence
    longest_seconds = max(
        cadence.probe_seconds,
        cadence.late_probe_seconds,
        cadence.idle_probe_seconds,
        cadence.blocked_probe_seconds,
        cadence.backoff_max_seconds,
        cadence.retry_after_max_seconds,
        wish.plausibility.hold_seconds,
    )
    latest = now + timedelta(seconds=longest_seconds)
    if state.standing.condition is Condition.PAUSED or state.not_before <= latest:
        return state
    return _go(state, state.intent, latest, state.standing)


def _surveyed(state: OfficeState, preferences: Preferences, now: datetime, wish: Wish) -> OfficeState:
    known = state.preferences
    if known is not None and known.program_version != preferences.program_version and wish.office.reader is Reader.AUTO:
        state = replace(state, reader=Reader.STATEMENT, packing=FIRST_PACKING)
    if known is not None and known.practice_title not in ("", preferences.practice_title):
        state = replace(state, unidentified=True)
    if state.identity is None:
        state = replace(state, identity=titled(preferences.practice_title))
    return _informed(_learned(state, preferences, now, wish), now, wish)


def _probed(state: OfficeState, seen: Probed, now: datetime, wish: Wish) -> OfficeState:
    doubted = state.confirming
    preferences = replace(_known(state), date_last_aging=seen.date_last_aging, aging_begin=seen.aging_begin)
    state = _learned(replace(state, confirming=None), preferences, now, wish)
    if doubted is None:
        return _informed(state, now, wish)
    # A GET was answered, so neither the key nor the office is in trouble: the statement is.
    if doubted.rule.policy is Policy.CONFIRM or state.statement_failures >= STATEMENT_FAILURES_MAX:
        return _other_reader(state, doubted, now, wish)
    return _informed(state, now, wish)


def _identified(state: OfficeState, measured: ClockMeasured, now: datetime, wish: Wish) -> OfficeState:
    if state.identity is not None and is_other(state.identity, measured.identity):
        # What was read of that database's preferences says nothing about this office.
        state = replace(state, stranger=measured.identity, preferences=None)
        return _blocked(state, Failure(Kind.OTHER_DATABASE), now, wish)
    state = replace(_measured(state, measured.skew_seconds, now, wish), unidentified=False, stranger=None)
    return _informed(state, now, wish)


def _ordered(state: OfficeState, order: Order, now: datetime, wish: Wish) -> OfficeState:
    match order:
        case Accepted():
            return _accepted(state, now)
        case PauseOrdered():
            return _paused(replace(state, paused=True), now, wish)
        case ResumeOrdered():
            return _started(replace(state, paused=False), now, wish)
    return _hurried(state, now)


def _accepted(state: OfficeState, now: datetime) -> OfficeState:
    """Do at once what was waiting for a human."""
    if state.stranger is not None:
        state = replace(state, identity=state.stranger, stranger=None, published=None, held=None)
        return _go(state, Intent.SURVEY, now, state.standing)
    if state.held is not None:
        not_before = now if state.intent is Intent.PULL and not state.attempts else state.not_before
        return _go(replace(state, accepted=True), state.intent, not_before, state.standing)
    return state


def _measured(state: OfficeState, skew_seconds: float, now: datetime, wish: Wish) -> OfficeState:
    return replace(state, skew_seconds=skew_seconds, skew_zone=str(wish.office.zone), measured_at=now)


def _learned(state: OfficeState, preferences: Preferences, now: datetime, wish: Wish) -> OfficeState:
    """Take the new preferences in, and how long the night's run took if it was watched to its end and in time.

    By a clock that was never measured, the run may even seem to have been due a day before.
    """
    known, published = state.preferences, state.published
    state = replace(state, preferences=preferences)
    if known is None or state.skew_seconds is None or state.standing.at(now).condition is not Condition.AGING:
        return state
    aging = evaluate(preferences, clock_of(state, wish.office), now, wish.cadence)
    if aging.status is not AgingStatus.COMPLETE or aging.due_at is None:
        return state
    if published is not None and published.aging_date == aging.aging_date:
        return state
    return replace(state, run_seconds=(now - aging.due_at).total_seconds())


def _informed(state: OfficeState, now: datetime, wish: Wish, manner: str = "") -> OfficeState:
    """Preferences and clock are as known as they get: pull, or watch on."""
    preferences = _known(state)
    state = replace(state, attempts=0)
    if not _has_clock(state, wish.office) or (state.unidentified and state.identity is not None):
        return _go(state, Intent.MEASURE_CLOCK, now, state.standing)
    aging = evaluate(preferences, clock_of(state, wish.office), now, wish.cadence)
    if aging.status in _HANGS_ON_CLOCK and not _is_clock_sure(state, now, wish.office):
        return _go(state, Intent.MEASURE_CLOCK, now, state.standing)
    seen, published = state.run_seen, state.published
    if aging.status in _LEAVES_OTHER_BALANCES:
        seen = AgingMark(preferences.date_last_aging, preferences.aging_begin)
        state = replace(state, run_seen=seen)
    elif aging.aging_date is not None and seen is not None and not has_completed(seen, preferences):
        aging = crashed(aging, seen)
    if aging.aging_date is None:
        return _watch(state, aging, now, wish)
    if published is not None and published.aging_date == aging.aging_date and seen is None:
        return _watch(state, aging, now, wish)
    return _pulling(state, now, now, f"reading the balances of the aging of {aging.aging_date}{manner}")


def _has_clock(state: OfficeState, office: Office) -> bool:
    """Whether the office's "today" can be told: by its configured zone, or by its measured clock."""
    return office.zone is not None or (state.skew_seconds is not None and state.skew_zone == str(office.zone))


def _is_clock_sure(state: OfficeState, now: datetime, office: Office) -> bool:
    """Whether the office's clock was measured lately; a wall clock of ours that was set since shows as a long time."""
    if state.skew_zone != str(office.zone) or state.measured_at is None:
        return False
    return abs(now - state.measured_at) < CLOCK_SURE_FOR


def _doubt(state: OfficeState, outline: Outline, pulled: Pulled, wish: Wish) -> str | None:
    """Why a snapshot is not published yet; None: it is."""
    if outline.aging_date != _asked_date(state):
        raise IllegalObservationError(f"a snapshot of {outline.aging_date} where {_asked_date(state)} was asked for")
    last = state.published.outline if state.published else None
    if state.accepted or last is None or (state.held is not None and repeats(state.held, outline, wish.plausibility)):
        return None
    return doubt(last, outline, pulled.control.touched, wish.plausibility)


def _pulled(state: OfficeState, pulled: Pulled, now: datetime, wish: Wish) -> OfficeState:
    snapshot, outline = pulled.snapshot, outline_of(pulled.snapshot, pulled.control)
    reader, packing = state.reader, state.packing
    if reader is Reader.STATEMENT and pulled.packing is not None:
        packing = pulled.packing
    elif reader is Reader.STATEMENT and wish.office.reader is Reader.AUTO:
        reader = Reader.PAGES
    state = replace(
        _measured(state, pulled.skew_seconds, now, wish),
        reader=reader,
        packing=packing,
        rereads=0,
        moves=0,
        statement_failures=0,
        run_seen=None,
        identity=updated(state.identity, pulled.control.identity),
        unidentified=False,
        held=None,
        accepted=False,
        published=Published(
            snapshot.aging_date, now, snapshot.totals.guarantors, snapshot.requests, wish.scope, outline
        ),
    )
    return _informed(state, now, wish)


# --- what a failure changes -------------------------------------------------------------------------------------------


def _failed(state: OfficeState, failure: Failure, now: datetime, wish: Wish, jitter: float) -> OfficeState:
    """What holds for any action; what a pull alone can meet is in `_pull_failed`."""
    failure = named(state, failure)
    unreachable = troubled(state.standing, now, Condition.UNREACHABLE, failure)
    doubted = state.confirming is not None
    if failure.rule.policy is not Policy.STAND_BY:
        state = replace(state, attempts=state.attempts + 1, confirming=None)
    match failure.rule.policy:
        case Policy.RETRY if not doubted and _may_be_the_statement(state, failure, wish):
            state = replace(state, statement_failures=state.statement_failures + 1, confirming=failure)
            return _go(state, Intent.PROBE, _later(state.attempts, now, wish, jitter), unreachable)
        case Policy.RETRY:
            later = _later(state.attempts, now, wish, jitter)
            return _go(replace(state, statement_failures=0), state.intent, later, unreachable)
        case Policy.WAIT | Policy.STAND_BY:
            return _go(state, state.intent, _told(state, failure, now, wish, jitter), unreachable)
        case Policy.CONFIRM if state.intent in (Intent.PULL, Intent.MEASURE_CLOCK):
            return _go(replace(state, confirming=failure), Intent.PROBE, now, state.standing)
        case policy if policy is not Policy.BLOCK and state.intent is Intent.PULL:
            return _pull_failed(state, failure, now, wish, jitter)
        case _:
            return _blocked(state, failure, now, wish)


def _pull_failed(state: OfficeState, failure: Failure, now: datetime, wish: Wish, jitter: float) -> OfficeState:
    match failure.rule.policy:
        case Policy.NARROWER if (narrower := state.packing.narrower()) is not None:
            later = _later(state.attempts, now, wish, jitter)
            return _pulling(replace(state, packing=narrower), now, later, failure.sentence)
        case Policy.REREAD:
            return _reread(state, failure, now, wish, jitter)
        case Policy.HOLD:
            return _held(state, failure, now, wish)
        case Policy.IDENTIFY:
            return _go(replace(state, unidentified=True), Intent.MEASURE_CLOCK, now, state.standing)
        case Policy.WATCH:
            state = replace(state, moves=state.moves + 1)
            late_at = state.standing.late_at
            standing = stand(state.standing, now, Condition.AGING, capital(failure.sentence), late_at=late_at)
            return _go(state, Intent.PROBE, _later(state.moves, now, wish, jitter), standing)
        case _:
            return _other_reader(state, failure, now, wish)


def _may_be_the_statement(state: OfficeState, failure: Failure, wish: Wish) -> bool:
    packed = state.intent is Intent.PULL and state.reader is Reader.STATEMENT and wish.office.reader is Reader.AUTO
    return packed and failure.kind in _BROKEN_OFF


def _other_reader(state: OfficeState, failure: Failure, now: datetime, wish: Wish) -> OfficeState:
    """The statement is closed to us: read in pages, if those are left."""
    left = state.reader is Reader.STATEMENT and wish.office.reader is Reader.AUTO
    if left and _has_clock(state, wish.office):
        return _informed(replace(state, reader=Reader.PAGES), now, wish, f" in pages, because {failure.sentence}")
    if failure.kind is Kind.UNKNOWN_401:
        failure = replace(failure, kind=Kind.PERMISSION_MISSING)
    return _blocked(state, failure, now, wish)


def _blocked(state: OfficeState, failure: Failure, now: datetime, wish: Wish) -> OfficeState:
    standing = troubled(state.standing, now, Condition.BLOCKED, failure)
    only_the_statement = failure.rule.policy in (Policy.OTHER_READER, Policy.NARROWER)
    if wish.office.reader is Reader.STATEMENT and (only_the_statement or failure.kind is Kind.QUERY_REFUSED):
        standing = replace(
            standing, owner=Owner.US, advice='Set `reader = "auto"`: this office may be read in pages.', letter=""
        )
    if wish.office.reader is Reader.AUTO:
        state = replace(state, reader=Reader.STATEMENT)
    state = replace(state, unidentified=state.unidentified or failure.kind in _NAMES_THE_KEY)
    return _go(state, Intent.SURVEY, next_slot(wish.office.id, wish.cadence.blocked_probe_seconds, now), standing)


def _reread(state: OfficeState, failure: Failure, now: datetime, wish: Wish, jitter: float) -> OfficeState:
    # A lane that was cut within its last number counts right and adds up wrong.
    state = replace(state, rereads=state.rereads + 1, packing=state.packing.narrower() or state.packing)
    if state.rereads <= REREADS_MAX:
        return _pulling(state, now, _later(state.rereads, now, wish, jitter), failure.sentence)
    reason = f"{capital(failure.sentence)} It was read {state.rereads} times in a row; nothing was published."
    standing = troubled(state.standing, now, Condition.SUSPECT, failure, reason)
    return _go(state, Intent.PULL, now + timedelta(seconds=wish.cadence.backoff_max_seconds), standing)


def _held(state: OfficeState, failure: Failure, now: datetime, wish: Wish) -> OfficeState:
    """It adds up and is hard to believe: nobody sees it until a second reading says the same."""
    state = replace(state, attempts=0, rereads=0)
    standing = troubled(state.standing, now, Condition.SUSPECT, failure)
    return _go(state, Intent.PULL, now + timedelta(seconds=wish.plausibility.hold_seconds), standing)


def _told(state: OfficeState, failure: Failure, now: datetime, wish: Wish, jitter: float) -> datetime:
    """When to ask again: as the server said, or, where nothing has left this machine, at the office's own turn."""
    if failure.rule.policy is Policy.STAND_BY:
        return next_slot(wish.office.id, wish.cadence.late_probe_seconds, now)
    return now + timedelta(
        seconds=retry_after_seconds(failure.retry_after_seconds, state.attempts, jitter, wish.cadence)
    )


def _later(attempts: int, now: datetime, wish: Wish, jitter: float) -> datetime:
    return now + timedelta(seconds=delay_seconds(attempts, jitter, wish.cadence))


# --- how the office stands, and when it is asked again ----------------------------------------------------------------


def _pulling(state: OfficeState, now: datetime, not_before: datetime, reason: str) -> OfficeState:
    late_at = state.standing.late_at
    standing = stand(state.standing, now, Condition.PULLING, capital(reason), late_at=late_at, keep_trouble=True)
    return _go(state, Intent.PULL, not_before, standing)


def _watch(state: OfficeState, aging: Aging, now: datetime, wish: Wish) -> OfficeState:
    """Nothing to pull: say how the office stands and when it is asked again."""
    clock = clock_of(state, wish.office)
    today = clock.local(now).date()
    late_at = deadline(aging, clock, wish.office.fresh_by, wish.cadence)
    if aging.status is AgingStatus.RUNNING and state.standing.condition is Condition.AGING:
        # A run leaves its date a moment before it ends: it is still the one that was awaited.
        late_at = state.standing.late_at or late_at
    condition = Condition.AGING
    if aging.status in (AgingStatus.COMPLETE, AgingStatus.MONTHLY) or aging.aging_date == today:
        condition = Condition.FRESH
    elif aging.status in BLOCKING:
        condition = Condition.BLOCKED
    elif aging.status in (AgingStatus.WAITING, AgingStatus.MISSED):
        condition = Condition.WAITING
    standing = stand(
        state.standing,
        now,
        condition,
        aging.reason,
        owner=aging.owner,
        advice=aging.advice,
        letter=aging.letter,
        late_at=late_at,
    )
    not_before = next_probe(wish.office.id, aging, wish.cadence, state.run_seconds, now)
    old = condition is Condition.BLOCKED or abs(not_before - _known(state).read_at) >= SURVEY_AGAIN_AFTER
    return _go(state, Intent.SURVEY if old else Intent.PROBE, not_before, standing)


def _go(state: OfficeState, intent: Intent, not_before: datetime, standing: Standing) -> OfficeState:
    next_at = None if not_before == FAR_FUTURE else not_before
    standing = replace(standing, next_action="" if next_at is None else _NEXT[intent], next_action_at=next_at)
    confirming = state.confirming if intent is Intent.PROBE else None
    return replace(state, intent=intent, not_before=not_before, standing=standing, confirming=confirming)
