"""What the state machine does with a snapshot that is implausible, and with a key that may have been moved."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import pytest

from oddaemon.core.failures.failure import FailureKind
from oddaemon.core.model import Balance, Cadence, Condition, Owner, Plausibility
from oddaemon.core.office.evidence import can_accept
from oddaemon.core.office.machine import make_initial_state
from oddaemon.core.office.state import (
    Intent,
    MeasureClock,
    OfficeCommand,
    Probe,
    Pull,
    Started,
    Survey,
    TurnCame,
    Wait,
)
from oddaemon.core.office.status import to_sentence
from oddaemon.core.office.transition import FAR_FUTURE, adjust_for_clock_step
from oddaemon.core.snapshot.plausibility import is_other_database
from tests.core.builders import IDENTITY, OTHER_IDENTITY, OfficeRun, make_balance, make_instant, make_preferences
from tests.golden import GoldenTexts

C = Condition
MANY = tuple(make_balance(pat_num) for pat_num in range(1, 41))
TREBLED = tuple(make_balance(pat_num, 40_000) for pat_num in range(1, 41))
NO_BALANCES: tuple[Balance, ...] = ()
HOLD = timedelta(seconds=Plausibility().hold_seconds)


def make_published(balances: tuple[Balance, ...] = MANY) -> OfficeRun:
    """An office that was read on the evening of the 4th."""
    night = OfficeRun(make_initial_state(make_instant("2026-05-04 20:00")), make_instant("2026-05-04 20:00"))
    night.observe(Started())
    night.answer_survey()
    night.answer_pull(balances=balances)
    assert night.get_condition() is C.FRESH
    return night


def run_aging(night: OfficeRun, last: str = "2026-05-05") -> OfficeRun:
    """The next run has completed; the office is about to be read."""
    while not isinstance(night.action, Pull):
        if isinstance(night.action, Wait):
            night.sleep_and_wake()
        night.answer_preferences(last if night.now > make_instant(f"{last} 02:00") else "2026-05-04")
    return night


def make_held(balances: tuple[Balance, ...] = NO_BALANCES) -> OfficeRun:
    night = run_aging(make_published())
    night.answer_pull(balances=balances)
    return night


# --- implausible -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("balances", [NO_BALANCES, TREBLED])
def test_what_is_hard_to_believe_is_held_and_read_a_second_time(balances: tuple[Balance, ...]) -> None:
    night = make_held(balances)
    assert (night.get_condition(), night.state.standing.owner) == (C.SUSPECT, Owner.US)
    assert night.state.standing.reason.startswith(to_sentence(FailureKind.IMPLAUSIBLE.meaning).removesuffix("."))
    assert "oddaemon office accept" in night.state.standing.advice
    assert night.state.published is not None
    assert night.state.published.aging_date == date(2026, 5, 4)
    assert night.action == Wait(night.now + HOLD)
    assert isinstance(night.sleep_and_wake(), Pull)
    night.answer_pull(balances=balances)
    assert night.get_condition() is C.FRESH
    assert night.state.published.aging_date == date(2026, 5, 5)
    assert night.state.held is None


def test_a_second_reading_that_is_believed_is_published_and_the_doubt_forgotten() -> None:
    night = make_held()
    night.sleep_and_wake()
    night.answer_pull(balances=MANY)
    assert night.get_condition() is C.FRESH
    assert not can_accept(night.state)


def test_a_different_second_reading_is_held_again() -> None:
    night = make_held(NO_BALANCES)
    night.sleep_and_wake()
    night.answer_pull(balances=TREBLED)
    assert night.get_condition() is C.SUSPECT
    night.sleep_and_wake()
    night.answer_pull(balances=TREBLED)
    assert night.get_condition() is C.FRESH


def test_yesterdays_numbers_under_todays_date_are_held_if_rows_were_written_since(golden: GoldenTexts) -> None:
    night = run_aging(make_published())
    night.answer_pull(balances=MANY, touched=40)
    assert night.get_condition() is C.SUSPECT
    golden.check(night.state.standing.reason)
    quiet = run_aging(make_published())
    quiet.answer_pull(balances=MANY)
    assert quiet.get_condition() is C.FRESH


def test_what_a_human_accepts_is_published_at_once() -> None:
    night = make_held()
    assert can_accept(night.state)
    night.advance(minutes=1)
    assert isinstance(night.observe(OfficeCommand.ACCEPT), Pull)
    night.answer_pull(balances=NO_BALANCES)
    assert night.get_condition() is C.FRESH
    assert not night.state.accepted


def test_accepting_does_not_cut_a_back_off_short() -> None:
    night = make_held()
    night.sleep_and_wake()
    night.fail(FailureKind.ECONNECTOR_DOWN)
    assert isinstance(night.observe(OfficeCommand.ACCEPT), Wait)
    assert isinstance(night.sleep_and_wake(), Pull)
    night.answer_pull(balances=NO_BALANCES)
    assert night.get_condition() is C.FRESH


def test_there_is_nothing_to_accept_in_an_office_that_is_believed() -> None:
    night = make_published()
    before = night.state
    assert not can_accept(before)
    assert isinstance(night.observe(OfficeCommand.ACCEPT), Wait)
    assert night.state == before


def test_a_first_snapshot_and_one_of_other_guarantors_have_no_baseline() -> None:
    night = make_published(TREBLED)
    night.spec = replace(night.spec, clinics=(1,))
    night.observe(Started())
    night.answer_survey()
    night.answer_pull(balances=NO_BALANCES)
    assert night.get_condition() is C.FRESH


def test_what_is_believed_is_configured() -> None:
    night = make_published()
    night.spec = replace(night.spec, plausibility=Plausibility(max_change=5.0, hold_seconds=60.0))
    run_aging(night)
    night.answer_pull(balances=TREBLED)
    assert night.get_condition() is C.FRESH
    run_aging(night, "2026-05-06")
    night.answer_pull(balances=NO_BALANCES)
    assert night.action == Wait(night.now + timedelta(seconds=60))


def test_a_restart_remembers_what_is_held() -> None:
    night = make_held()
    night.observe(Started())
    assert night.get_condition() is C.SUSPECT
    assert night.action == Wait(night.now + HOLD)


# --- another database -------------------------------------------------------------------------------------------------


def test_a_key_that_answers_for_another_database_blocks_the_office_and_mixes_nothing() -> None:
    night = run_aging(make_published())
    assert isinstance(night.action, Pull)
    assert night.action.identity == IDENTITY
    assert night.fail(FailureKind.OTHER_DATABASE) == MeasureClock()
    night.answer_clock(identity=OTHER_IDENTITY)
    assert (night.get_condition(), night.state.standing.owner) == (C.BLOCKED, Owner.OFFICE)
    assert night.state.standing.reason == to_sentence(FailureKind.OTHER_DATABASE.meaning)
    assert night.state.preferences is None
    for _ in range(5):
        assert night.sleep_and_wake() == Survey()
        assert night.answer_survey(make_preferences("2026-05-05")) == MeasureClock()
        night.answer_clock(identity=OTHER_IDENTITY)
        assert night.get_condition() is C.BLOCKED
        assert night.state.standing.next_action_at is not None
        assert night.state.standing.next_action_at - night.now <= timedelta(seconds=Cadence().blocked_probe_seconds)


def test_a_key_that_comes_back_goes_on_where_it_was() -> None:
    night = run_aging(make_published())
    night.fail(FailureKind.OTHER_DATABASE)
    night.answer_clock(identity=OTHER_IDENTITY)
    night.sleep_and_wake()
    night.answer_survey(make_preferences("2026-05-05"))
    assert isinstance(night.answer_clock(), Pull)
    night.answer_pull(balances=MANY)
    assert night.get_condition() is C.FRESH
    assert not can_accept(night.state)


@pytest.mark.parametrize("kind", [FailureKind.KEY_UNASSIGNED, FailureKind.KEY_REJECTED])
def test_a_key_that_failed_must_show_its_database_first(kind: FailureKind) -> None:
    night = make_published()
    night.sleep_and_wake()
    night.fail(kind)
    assert night.get_condition() is C.BLOCKED
    night.sleep_and_wake()
    assert night.answer_survey() == MeasureClock()
    night.answer_clock(identity=OTHER_IDENTITY)
    assert night.state.standing.reason == to_sentence(FailureKind.OTHER_DATABASE.meaning)


def test_a_practice_with_another_name_shows_its_database() -> None:
    night = make_published()
    known = replace(make_preferences(), practice_title="Mesa Dental")
    night.state = replace(night.state, intent=Intent.SURVEY, preferences=known)
    assert night.sleep_and_wake() == Survey()
    assert night.answer_survey(replace(make_preferences(), practice_title="Mesa Smiles")) == MeasureClock()
    renamed = IDENTITY._replace(title=99)
    night.answer_clock(identity=renamed)
    assert night.get_condition() is not C.BLOCKED
    assert not night.state.unidentified


def test_a_human_may_accept_the_other_database() -> None:
    night = run_aging(make_published())
    night.fail(FailureKind.OTHER_DATABASE)
    night.answer_clock(identity=OTHER_IDENTITY)
    assert can_accept(night.state)
    night.advance(minutes=1)
    assert night.observe(OfficeCommand.ACCEPT) == Survey()
    assert night.answer_survey(make_preferences("2026-05-05")) == MeasureClock()
    assert isinstance(night.answer_clock(identity=OTHER_IDENTITY), Pull)
    night.answer_pull(balances=NO_BALANCES, identity=OTHER_IDENTITY)
    assert night.get_condition() is C.FRESH
    assert night.state.identity == OTHER_IDENTITY


def test_a_key_that_is_moved_before_the_first_snapshot_is_noticed_by_the_title() -> None:
    night = OfficeRun(make_initial_state(make_instant("2026-05-04 20:00")), make_instant("2026-05-04 20:00"))
    night.observe(Started())
    night.answer_survey(replace(make_preferences(), practice_title="Mesa Dental"))
    assert isinstance(night.action, Pull)
    assert night.action.identity is not None
    assert is_other_database(night.action.identity, OTHER_IDENTITY)


def test_an_unpublished_office_accepts_any_identity() -> None:
    night = OfficeRun(make_initial_state(make_instant("2026-05-04 20:00")), make_instant("2026-05-04 20:00"))
    night.observe(Started())
    night.fail(FailureKind.KEY_REJECTED)
    night.sleep_and_wake()
    assert isinstance(night.answer_survey(), Pull)
    night.answer_pull(identity=OTHER_IDENTITY)
    assert (night.get_condition(), night.state.identity) == (C.FRESH, OTHER_IDENTITY)
    assert not night.state.unidentified


def test_a_key_that_was_never_let_in_is_asked_of_us_and_one_that_was_of_the_office() -> None:
    new = OfficeRun(make_initial_state(make_instant("2026-05-04 20:00")), make_instant("2026-05-04 20:00"))
    new.observe(Started())
    new.fail(FailureKind.KEY_REJECTED, "API key is not valid.")
    assert (new.get_condition(), new.state.standing.owner) == (C.BLOCKED, Owner.US)
    assert new.state.standing.advice == FailureKind.KEY_NEVER_ACCEPTED.advice
    assert "no longer" not in new.state.standing.letter
    known = make_published()
    known.sleep_and_wake()
    known.fail(FailureKind.KEY_REJECTED, "API key is not valid.")
    assert known.state.standing.owner is Owner.OFFICE
    assert "no longer" in known.state.standing.letter


# --- our own clock ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [timedelta(hours=7), timedelta(days=-300)])
def test_a_clock_that_is_set_makes_no_wait_longer_or_shorter(step: timedelta) -> None:
    night = make_published()
    night.sleep_and_wake()
    night.fail(FailureKind.ECONNECTOR_DOWN)
    wait = night.state.not_before - night.now
    night.now += step
    night.state = adjust_for_clock_step(
        replace(night.state, skew_seconds=90.0, run_seconds=300.0, measured_at=night.now), step
    )
    assert night.state.not_before - night.now == wait
    assert night.state.standing.next_action_at == night.state.not_before
    assert (night.state.skew_seconds, night.state.run_seconds, night.state.measured_at) == (None, None, None)


def test_a_paused_office_stays_so_whatever_the_clock_does() -> None:
    night = make_published()
    night.spec = replace(night.spec, enabled=False)
    night.observe(Started())
    assert adjust_for_clock_step(night.state, timedelta(days=300)).not_before == FAR_FUTURE


# --- headquarters is down ---------------------------------------------------------------------------------------------


def test_while_headquarters_is_down_an_office_looks_again_at_its_own_turn() -> None:
    night = make_published()
    night.sleep_and_wake()
    before = night.state
    turns = []
    for _ in range(4):
        assert isinstance(night.action, Probe)
        night.fail(FailureKind.HEADQUARTERS_DOWN)
        assert (night.get_condition(), night.state.standing.owner) == (C.UNREACHABLE, Owner.VENDOR)
        assert night.state.attempts == before.attempts
        night.sleep_and_wake()
        turns.append(night.now)
    assert {later - earlier for earlier, later in pairwise(turns)} == {timedelta(minutes=5)}


def test_an_outage_in_between_does_not_forget_what_a_probe_was_to_find_out() -> None:
    night = run_aging(make_published())
    night.fail(FailureKind.UNKNOWN_401)
    assert isinstance(night.action, Probe)
    night.fail(FailureKind.HEADQUARTERS_DOWN)
    assert night.state.confirming is not None
    night.sleep_and_wake()
    assert isinstance(night.answer_probe("2026-05-05"), Pull)
    assert night.state.reader == "pages"


def test_an_office_that_waits_for_the_api_asks_when_its_turn_comes() -> None:
    for kind in (FailureKind.TLS, FailureKind.CONNECT, FailureKind.HEADQUARTERS_DOWN, FailureKind.NAME_UNRESOLVED):
        night = make_published()
        night.sleep_and_wake()
        night.fail(kind)
        assert isinstance(night.action, Wait)
        assert not isinstance(night.observe(TurnCame()), Wait)


def test_a_turn_changes_nothing_for_who_waits_for_something_else() -> None:
    night = make_published()
    night.sleep_and_wake()
    night.fail(FailureKind.THROTTLED)
    until = night.state.not_before
    assert night.observe(TurnCame()) == Wait(until)
    night.fail(FailureKind.CONNECT)
    night.observe(OfficeCommand.PAUSE)
    night.observe(TurnCame())
    assert night.get_condition() is C.PAUSED
