"""What the state machine does with a snapshot that is hard to believe, and with a key that may have been moved."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import pytest

from oddaemon.core.failures.failure import FailureKind
from oddaemon.core.model import Balance, Cadence, Condition, Owner, Plausibility
from oddaemon.core.office.evidence import can_accept
from oddaemon.core.office.machine import adjust_for_clock_step, make_initial_state
from oddaemon.core.office.state import AcceptCommand, Intent, MeasureClock, Probe, Pull, Started, Survey, Wait
from oddaemon.core.office.transition import FAR_FUTURE
from oddaemon.core.snapshot.plausibility import is_other_database
from tests.core.builders import IDENTITY, STRANGER, Night, at, balance, preferences

C = Condition
MANY = tuple(balance(pat_num) for pat_num in range(1, 41))
TREBLED = tuple(balance(pat_num, 40_000) for pat_num in range(1, 41))
NOBODY: tuple[Balance, ...] = ()
HOLD = timedelta(seconds=Plausibility().hold_seconds)


def published(balances: tuple[Balance, ...] = MANY) -> Night:
    """An office that was read on the evening of the 4th."""
    night = Night(make_initial_state(at("2026-05-04 20:00")), at("2026-05-04 20:00"))
    night.turn(Started())
    night.surveyed()
    night.pulled(balances=balances)
    assert night.condition() is C.FRESH
    return night


def aged(night: Night, last: str = "2026-05-05") -> Night:
    """The next run has completed; the office is about to be read."""
    while not isinstance(night.action, Pull):
        if isinstance(night.action, Wait):
            night.wait()
        night.told(last if night.now > at(f"{last} 02:00") else "2026-05-04")
    return night


def held(balances: tuple[Balance, ...] = NOBODY) -> Night:
    night = aged(published())
    night.pulled(balances=balances)
    return night


# --- hard to believe --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("balances", [NOBODY, TREBLED])
def test_what_is_hard_to_believe_is_held_and_read_a_second_time(balances: tuple[Balance, ...]) -> None:
    night = held(balances)
    assert (night.condition(), night.state.standing.owner) == (C.SUSPECT, Owner.US)
    assert night.state.standing.reason.startswith("The balances are hard to believe: ")
    assert "oddaemon office accept" in night.state.standing.advice
    assert night.state.published is not None
    assert night.state.published.aging_date == date(2026, 5, 4)
    assert night.action == Wait(night.now + HOLD)
    assert isinstance(night.wait(), Pull)
    night.pulled(balances=balances)
    assert night.condition() is C.FRESH
    assert night.state.published.aging_date == date(2026, 5, 5)
    assert night.state.held is None


def test_a_second_reading_that_is_believed_is_published_and_the_doubt_forgotten() -> None:
    night = held()
    night.wait()
    night.pulled(balances=MANY)
    assert night.condition() is C.FRESH
    assert not can_accept(night.state)


def test_a_second_reading_that_says_something_else_is_held_anew() -> None:
    night = held(NOBODY)
    night.wait()
    night.pulled(balances=TREBLED)
    assert night.condition() is C.SUSPECT
    night.wait()
    night.pulled(balances=TREBLED)
    assert night.condition() is C.FRESH


def test_yesterdays_numbers_under_todays_date_are_held_if_rows_were_written_since() -> None:
    night = aged(published())
    night.pulled(balances=MANY, touched=40)
    assert night.condition() is C.SUSPECT
    assert "those of 2026-05-04 to the cent" in night.state.standing.reason
    quiet = aged(published())
    quiet.pulled(balances=MANY)
    assert quiet.condition() is C.FRESH


def test_what_a_human_accepts_is_published_at_once() -> None:
    night = held()
    assert can_accept(night.state)
    night.passes(minutes=1)
    assert isinstance(night.turn(AcceptCommand()), Pull)
    night.pulled(balances=NOBODY)
    assert night.condition() is C.FRESH
    assert not night.state.accepted


def test_accepting_does_not_cut_a_back_off_short() -> None:
    night = held()
    night.wait()
    night.fails(FailureKind.ECONNECTOR_DOWN)
    assert isinstance(night.turn(AcceptCommand()), Wait)
    assert isinstance(night.wait(), Pull)
    night.pulled(balances=NOBODY)
    assert night.condition() is C.FRESH


def test_there_is_nothing_to_accept_in_an_office_that_is_believed() -> None:
    night = published()
    before = night.state
    assert not can_accept(before)
    assert isinstance(night.turn(AcceptCommand()), Wait)
    assert night.state == before


def test_the_first_snapshot_of_an_office_and_one_of_other_guarantors_have_nothing_to_be_held_against() -> None:
    night = published(TREBLED)
    night.wish = replace(night.wish, office=replace(night.wish.office, clinics=(1,)))
    night.turn(Started())
    night.surveyed()
    night.pulled(balances=NOBODY)
    assert night.condition() is C.FRESH


def test_what_is_believed_is_configured() -> None:
    night = published()
    night.wish = replace(night.wish, plausibility=Plausibility(max_change=5.0, hold_seconds=60.0))
    aged(night)
    night.pulled(balances=TREBLED)
    assert night.condition() is C.FRESH
    aged(night, "2026-05-06")
    night.pulled(balances=NOBODY)
    assert night.action == Wait(night.now + timedelta(seconds=60))


def test_a_restart_remembers_what_is_held() -> None:
    night = held()
    night.turn(Started())
    assert night.condition() is C.SUSPECT
    assert night.action == Wait(night.now + HOLD)


# --- another database -------------------------------------------------------------------------------------------------


def test_a_key_that_answers_for_another_database_blocks_the_office_and_mixes_nothing() -> None:
    night = aged(published())
    assert isinstance(night.action, Pull)
    assert night.action.identity == IDENTITY
    assert night.fails(FailureKind.OTHER_DATABASE) == MeasureClock()
    night.measured(identity=STRANGER)
    assert (night.condition(), night.state.standing.owner) == (C.BLOCKED, Owner.OFFICE)
    assert night.state.standing.reason == "The key answers for another office's database."
    assert night.state.preferences is None
    for _ in range(5):
        assert night.wait() == Survey()
        assert night.surveyed(preferences("2026-05-05")) == MeasureClock()
        night.measured(identity=STRANGER)
        assert night.condition() is C.BLOCKED
        assert night.state.standing.next_action_at is not None
        assert night.state.standing.next_action_at - night.now <= timedelta(seconds=Cadence().blocked_probe_seconds)


def test_a_key_that_comes_back_goes_on_where_it_was() -> None:
    night = aged(published())
    night.fails(FailureKind.OTHER_DATABASE)
    night.measured(identity=STRANGER)
    night.wait()
    night.surveyed(preferences("2026-05-05"))
    assert isinstance(night.measured(), Pull)
    night.pulled(balances=MANY)
    assert night.condition() is C.FRESH
    assert not can_accept(night.state)


@pytest.mark.parametrize("kind", [FailureKind.KEY_UNASSIGNED, FailureKind.KEY_REJECTED])
def test_a_key_that_was_in_trouble_shows_its_database_before_anything_else_counts(kind: FailureKind) -> None:
    night = published()
    night.wait()
    night.fails(kind)
    assert night.condition() is C.BLOCKED
    night.wait()
    assert night.surveyed() == MeasureClock()
    night.measured(identity=STRANGER)
    assert night.state.standing.reason == "The key answers for another office's database."


def test_a_practice_with_another_name_shows_its_database() -> None:
    night = published()
    known = replace(preferences(), practice_title="Mesa Dental")
    night.state = replace(night.state, intent=Intent.SURVEY, preferences=known)
    assert night.wait() == Survey()
    assert night.surveyed(replace(preferences(), practice_title="Mesa Smiles")) == MeasureClock()
    renamed = IDENTITY._replace(title=99)
    night.measured(identity=renamed)
    assert night.condition() is not C.BLOCKED
    assert not night.state.unidentified


def test_a_human_may_accept_the_other_database() -> None:
    night = aged(published())
    night.fails(FailureKind.OTHER_DATABASE)
    night.measured(identity=STRANGER)
    assert can_accept(night.state)
    night.passes(minutes=1)
    assert night.turn(AcceptCommand()) == Survey()
    assert night.surveyed(preferences("2026-05-05")) == MeasureClock()
    assert isinstance(night.measured(identity=STRANGER), Pull)
    night.pulled(balances=NOBODY, identity=STRANGER)
    assert night.condition() is C.FRESH
    assert night.state.identity == STRANGER


def test_a_key_that_is_moved_before_the_first_snapshot_is_noticed_by_the_title() -> None:
    night = Night(make_initial_state(at("2026-05-04 20:00")), at("2026-05-04 20:00"))
    night.turn(Started())
    night.surveyed(replace(preferences(), practice_title="Mesa Dental"))
    assert isinstance(night.action, Pull)
    assert night.action.identity is not None
    assert is_other_database(night.action.identity, STRANGER)


def test_an_office_that_was_never_published_is_whoever_answers() -> None:
    night = Night(make_initial_state(at("2026-05-04 20:00")), at("2026-05-04 20:00"))
    night.turn(Started())
    night.fails(FailureKind.KEY_REJECTED)
    night.wait()
    assert isinstance(night.surveyed(), Pull)
    night.pulled(identity=STRANGER)
    assert (night.condition(), night.state.identity) == (C.FRESH, STRANGER)
    assert not night.state.unidentified


def test_a_key_that_was_never_let_in_is_asked_of_us_and_one_that_was_of_the_office() -> None:
    new = Night(make_initial_state(at("2026-05-04 20:00")), at("2026-05-04 20:00"))
    new.turn(Started())
    new.fails(FailureKind.KEY_REJECTED, "API key is not valid.")
    assert (new.condition(), new.state.standing.owner) == (C.BLOCKED, Owner.US)
    assert new.state.standing.advice.startswith("Was the key typed right?")
    assert "any more" not in new.state.standing.letter
    known = published()
    known.wait()
    known.fails(FailureKind.KEY_REJECTED, "API key is not valid.")
    assert known.state.standing.owner is Owner.OFFICE
    assert "any more" in known.state.standing.letter


# --- our own clock ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [timedelta(hours=7), timedelta(days=-300)])
def test_a_clock_that_is_set_makes_no_wait_longer_or_shorter(step: timedelta) -> None:
    night = published()
    night.wait()
    night.fails(FailureKind.ECONNECTOR_DOWN)
    wait = night.state.not_before - night.now
    night.now += step
    night.state = adjust_for_clock_step(
        replace(night.state, skew_seconds=90.0, run_seconds=300.0, measured_at=night.now), step
    )
    assert night.state.not_before - night.now == wait
    assert night.state.standing.next_action_at == night.state.not_before
    assert (night.state.skew_seconds, night.state.run_seconds, night.state.measured_at) == (None, None, None)


def test_a_paused_office_stays_so_whatever_the_clock_does() -> None:
    night = published()
    night.wish = replace(night.wish, office=replace(night.wish.office, enabled=False))
    night.turn(Started())
    assert adjust_for_clock_step(night.state, timedelta(days=300)).not_before == FAR_FUTURE


# --- headquarters is down ---------------------------------------------------------------------------------------------


def test_while_headquarters_is_down_an_office_looks_again_at_its_own_turn() -> None:
    night = published()
    night.wait()
    before = night.state
    turns = []
    for _ in range(4):
        assert isinstance(night.action, Probe)
        night.fails(FailureKind.HEADQUARTERS_DOWN)
        assert (night.condition(), night.state.standing.owner) == (C.UNREACHABLE, Owner.VENDOR)
        assert night.state.attempts == before.attempts
        night.wait()
        turns.append(night.now)
    assert {later - earlier for earlier, later in pairwise(turns)} == {timedelta(minutes=5)}


def test_an_outage_in_between_does_not_forget_what_a_probe_was_to_find_out() -> None:
    night = aged(published())
    night.fails(FailureKind.UNKNOWN_401)
    assert isinstance(night.action, Probe)
    night.fails(FailureKind.HEADQUARTERS_DOWN)
    assert night.state.confirming is not None
    night.wait()
    assert isinstance(night.probed("2026-05-05"), Pull)
    assert night.state.reader == "pages"
