"""The state machine under anything: arbitrary lives of an office, and arbitrary states that such lives could leave.

A life is a list of turns, each drawn blindly: what the office answers or how it fails, whether the process restarts and
with which configuration, whether the wall clock is set back.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.failures.recovery import Recovery
from oddaemon.core.model import (
    AgingMark,
    Balance,
    Cadence,
    Condition,
    DatabaseIdentity,
    Include,
    OfficeSpec,
    Preferences,
    Reader,
    Snapshot,
)
from oddaemon.core.office.machine import make_initial_state, next_action
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
    Wait,
)
from oddaemon.core.office.status import ACTION_REQUIRED
from oddaemon.core.office.transition import FAR_FUTURE
from oddaemon.core.snapshot.packing import FIRST_PACKING, Packing
from tests.core.builders import IDENTITY, OTHER_IDENTITY, make_balance, make_pulled, make_snapshot, make_spec

START = datetime(2026, 3, 7, 12, tzinfo=UTC)
LONGEST = timedelta(seconds=Cadence().retry_after_max_seconds)
"""The longest of the default intervals."""
TURNS_WITHOUT_WAITING_MAX = 7
"""Survey, clock, statement, probe, pages, publish, and a look at what comes next."""
FAILURES_WITHOUT_WAITING_MAX = 3
"""The statement is refused, then the pages, then the probe between them."""
INTENT_OF: dict[type[Action], Intent] = {
    Survey: Intent.SURVEY,
    MeasureClock: Intent.MEASURE_CLOCK,
    Probe: Intent.PROBE,
    Pull: Intent.PULL,
}

dates = st.sampled_from(["2026-03-06", "2026-03-07", "2026-03-08", "2026-03-09", "", "0001-01-01", "2027-01-01", "x"])
begins = st.sampled_from(["", "", "2026-03-07 02:00:00", "2026-03-07T06:30:00", "2026-03-08 01:59:00", "x"])
dues = st.sampled_from(["2020-01-01 02:00:00", "2020-01-01 02:30:00", "00:00:00", "23:30:00", "", "x"])
preferences = st.builds(
    Preferences,
    dates,
    dues,
    begins,
    st.sampled_from(["0", "0", "1"]),
    st.sampled_from(["25.4.48.0", "25.4.48.0", "26.1.1.0", "21.4.1.0", ""]),
    st.integers(-20, 20).map(lambda hours: START + timedelta(hours=hours)),
)
skews = st.integers(-50_000, 50_000).map(float)
packings = st.builds(Packing, st.sampled_from([1, 3, 12, 4096]), st.sampled_from([4, 64, 128]))
failures = st.builds(
    Failure,
    st.sampled_from(FailureKind),
    st.sampled_from(["", "why", "Why not?"]),
    st.sampled_from([None, 400, 503]),
    st.none() | st.floats(allow_nan=True, allow_infinity=True),
)
jitters = st.floats(0, 1)
specs = st.builds(
    make_spec,
    zone=st.sampled_from([None, ZoneInfo("America/Chicago"), ZoneInfo("Pacific/Honolulu")]),
    clinics=st.sampled_from([(), (1, 2)]),
    include=st.sampled_from(Include),
    reader=st.sampled_from([Reader.AUTO, Reader.AUTO, Reader.STATEMENT, Reader.PAGES]),
    enabled=st.sampled_from([True, True, True, False]),
)


FEW = (make_balance(1), make_balance(2))
MANY = tuple(make_balance(pat_num) for pat_num in range(1, 41))


@dataclass(frozen=True)
class Turn:
    """What may happen next, whatever is asked for."""

    survey: Preferences
    probe: Probed
    skew_seconds: float
    identity: DatabaseIdentity
    balances: tuple[Balance, ...]
    touched: int
    packing: Packing | None
    failure: Failure | None
    restart: OfficeSpec | None
    set_back_hours: int
    jitter: float
    command: OfficeCommand | None = None


turns = st.builds(
    Turn,
    preferences,
    st.builds(Probed, st.builds(AgingMark, dates, begins)),
    skews,
    st.sampled_from([IDENTITY, IDENTITY, IDENTITY, OTHER_IDENTITY]),
    st.sampled_from([FEW, FEW, MANY, MANY, ()]),
    st.sampled_from([0, 0, 30]),
    packings | st.none(),
    failures | st.none(),
    st.none() | st.none() | st.none() | specs,
    st.sampled_from([0, 0, 0, 0, 0, 0, 1, 30, 9_000]),
    jitters,
    st.sampled_from(
        [None] * 12
        + [OfficeCommand.ACCEPT, OfficeCommand.PAUSE, OfficeCommand.RESUME, OfficeCommand.RESUME, OfficeCommand.SYNC]
    ),
)


@dataclass(frozen=True)
class Step:
    """One turn taken."""

    before: OfficeState
    observation: Observation
    now: datetime
    spec: OfficeSpec
    jitter: float
    after: OfficeState
    action: Action


def answer_pull(read: Snapshot, turn: Turn) -> Pulled:
    return make_pulled(read, turn.packing, turn.skew_seconds, identity=turn.identity, touched=turn.touched)


def perform_action(action: Action, turn: Turn) -> Observation:
    """What performing the action brings."""
    match action:
        case Wait():
            observation: Observation = turn.command or TimerFired()
        case Publish():
            observation = PublishSucceeded()
        case _ if turn.failure is not None:
            observation = Failed(turn.failure)
        case Survey():
            observation = Surveyed(turn.survey)
        case Probe():
            observation = turn.probe
        case MeasureClock():
            observation = ClockMeasured(turn.skew_seconds, turn.identity)
        case Pull(aging_date=aging_date):
            observation = answer_pull(make_snapshot(aging_date, turn.balances), turn)
    return observation


def run_life(wanted: OfficeSpec, life: list[Turn]) -> Iterator[Step]:
    """Every step of a life, as a shell would take it: waiting is slept through, restarts find the stored state."""
    state, now = make_initial_state(START), START
    observation: Observation = Started()
    for turn in life:
        if turn.restart is not None:
            state = msgspec.json.decode(msgspec.json.encode(state), type=OfficeState)
            wanted, observation = turn.restart, Started()
        before = state
        state, action = next_action(before, observation, now, wanted, turn.jitter)
        yield Step(before, observation, now, wanted, turn.jitter, state, action)
        if isinstance(action, Wait) and action.until != FAR_FUTURE:
            now = action.until
        now -= timedelta(hours=turn.set_back_hours)
        observation = perform_action(action, turn)


lives = st.builds(lambda wanted, life: list(run_life(wanted, life)), specs, st.lists(turns, min_size=1, max_size=40))
steps = lives.map(lambda life: life[-1])
slowly = settings(deadline=None, max_examples=150)


@slowly
@given(lives)
def test_every_action_fits_the_state_beside_it(life: list[Step]) -> None:
    for step in life:
        if isinstance(step.action, Wait):
            assert step.action.until == step.after.not_before > step.now
        elif isinstance(step.action, Publish):
            assert isinstance(step.observation, Pulled)
        else:
            assert step.after.not_before <= step.now
            assert INTENT_OF[type(step.action)] is step.after.intent


@slowly
@given(lives)
def test_no_wait_is_longer_than_any_that_is_meant(life: list[Step]) -> None:
    for step in life:
        if isinstance(step.action, Wait) and step.spec.enabled and not step.after.paused:
            assert step.action.until - step.now <= LONGEST
        elif isinstance(step.action, Wait):
            assert step.action.until == FAR_FUTURE


@slowly
@given(lives)
def test_every_status_says_why_and_who_must_act(life: list[Step]) -> None:
    for step in life:
        status = step.after.standing
        assert status.reason.endswith((".", "?", "!"))
        assert status.reason[0] == status.reason[0].upper()
        if status.condition in ACTION_REQUIRED:
            assert status.owner is not None
            assert status.advice
        if status.condition is not Condition.PAUSED:
            assert status.next_action
            assert status.next_action_at == step.after.not_before
        assert status.condition is not Condition.LATE
        assert (status.condition is Condition.PAUSED) is (step.after.paused or not step.spec.enabled)


@slowly
@given(lives)
def test_fresh_is_said_only_of_a_published_snapshot_of_the_latest_known_aging(life: list[Step]) -> None:
    for step in life:
        after = step.after
        if after.standing.condition is Condition.FRESH:
            assert after.published is not None
            assert after.published.scope == step.spec.scope
            assert after.preferences is not None
            assert after.preferences.date_last_aging == after.published.aging_date.isoformat()


@slowly
@given(lives)
def test_nothing_is_ever_pulled_while_a_run_is_known_to_be_in_progress(life: list[Step]) -> None:
    for step in life:
        if isinstance(step.action, Pull):
            begin = step.action.expected.aging_begin
            assert not begin or begin[:10] < step.action.expected.date_last_aging


@slowly
@given(lives)
def test_no_office_is_asked_hot(life: list[Step]) -> None:
    taken = failed = 0
    for step in life:
        if isinstance(step.observation, Started | TimerFired | OfficeCommand):
            taken = failed = 0
        taken += 1
        failed += isinstance(step.observation, Failed)
        assert taken <= TURNS_WITHOUT_WAITING_MAX
        assert failed <= FAILURES_WITHOUT_WAITING_MAX


@slowly
@given(lives)
def test_what_passes_by_itself_or_needs_a_human_is_never_asked_again_at_once(life: list[Step]) -> None:
    for step in life:
        if isinstance(step.observation, Failed):
            policy = step.observation.failure.kind.recovery
            at_once = policy in {
                Recovery.CONFIRM,
                Recovery.SWITCH_READER,
                Recovery.NARROW_PACKING,
            } and step.before.intent in {
                Intent.PULL,
                Intent.MEASURE_CLOCK,
            }
            assert isinstance(step.action, Wait) or at_once


@slowly
@given(lives)
def test_a_restart_at_any_moment_changes_nothing_but_the_text(life: list[Step]) -> None:
    last = life[-1]
    found = msgspec.json.decode(msgspec.json.encode(last.after), type=OfficeState)
    assert found == last.after
    again, _ = next_action(found, Started(), last.now, last.spec, last.jitter)
    reader = again.reader if last.spec.reader is Reader.AUTO else last.spec.reader
    # Who is blocked waits for a human, who may have started us: it is asked at once.
    is_blocked = last.after.standing.condition is Condition.BLOCKED
    not_before = min(last.after.not_before, last.now) if is_blocked else last.after.not_before
    if last.after.awaits_api and not is_blocked:
        # The cause was on the way to the API and may be gone: it is asked soon.
        assert again.not_before <= not_before
        not_before = again.not_before
    assert again == replace(last.after, reader=reader, standing=again.standing, not_before=not_before)
    assert replace(again.standing, next_action="", next_action_at=None) == replace(
        last.after.standing, next_action="", next_action_at=None
    )


@slowly
@given(steps)
def test_the_same_turn_always_has_the_same_outcome(step: Step) -> None:
    again = next_action(step.before, step.observation, step.now, step.spec, step.jitter)
    assert again == (step.after, step.action)


@slowly
@given(steps, turns)
def test_an_answer_is_taken_by_its_own_intent_and_no_other(step: Step, turn: Turn) -> None:
    state = step.after
    asked = state.preferences.date_last_aging if state.preferences else ""
    answers: dict[Intent, Observation] = {
        Intent.SURVEY: Surveyed(turn.survey),
        Intent.MEASURE_CLOCK: ClockMeasured(turn.skew_seconds, turn.identity),
        Intent.PROBE: turn.probe,
    }
    if state.intent is Intent.PULL:
        answers[Intent.PULL] = answer_pull(make_snapshot(datetime.fromisoformat(asked).date()), turn)
    for intent, observation in answers.items():
        if intent is state.intent:
            next_action(state, observation, step.now, step.spec, 0.5)
        else:
            with pytest.raises(IllegalObservationError):
                next_action(state, observation, step.now, step.spec, 0.5)
    anytime: list[Observation] = [
        Started(),
        TimerFired(),
        PublishSucceeded(),
        OfficeCommand.PAUSE,
        *(Failed(Failure(kind)) for kind in FailureKind),
    ]
    for always in anytime:
        next_action(state, always, step.now, step.spec, 0.5)


def make_healthy_turn(today: date, now: datetime, identity: DatabaseIdentity) -> Turn:
    """An office that aged today and has nothing to complain of."""
    known = Preferences(today.isoformat(), "02:00:00", "", "0", "25.4.48.0", now)
    return Turn(
        known, Probed(AgingMark(today.isoformat(), "")), 0.0, identity, FEW, 0, FIRST_PACKING, None, None, 0, 0.5
    )


@slowly
@given(steps)
def test_whatever_happened_an_office_that_ages_every_night_is_fresh_soon(step: Step) -> None:
    now, wanted = step.now, make_spec()
    state, action = next_action(step.after, OfficeCommand.RESUME, now, wanted, 0.5)
    given_up = now + timedelta(hours=50)
    today = None
    while state.standing.condition is not Condition.FRESH or (state.published and state.published.aging_date) != today:
        assert now < given_up, state.standing
        if isinstance(action, Wait):
            now = action.until
        # Aged by ten in UTC, which is two hours after it was due.
        today = (now - timedelta(hours=10)).date()
        state, action = next_action(
            state, perform_action(action, make_healthy_turn(today, now, state.identity or IDENTITY)), now, wanted, 0.5
        )
