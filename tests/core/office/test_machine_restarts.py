"""What an office keeps over a restart, what the configuration changes, and what never follows an action."""

from dataclasses import replace
from datetime import date, time, timedelta

import msgspec
import pytest

from oddaemon.core.model import AgingMark, Cadence, Condition, Include, OfficeSpec, Owner, Reader
from oddaemon.core.office.machine import make_initial_state, next_action
from oddaemon.core.office.state import (
    ClockMeasured,
    IllegalObservationError,
    Intent,
    Observation,
    OfficeState,
    Probe,
    Probed,
    Pull,
    Started,
    Survey,
    Surveyed,
    TimerFired,
    Wait,
)
from oddaemon.core.office.transition import FAR_FUTURE, quarantine
from tests.core.builders import (
    EVENING,
    IDENTITY,
    JITTER,
    SPEC,
    OfficeRun,
    make_fresh,
    make_instant,
    make_preferences,
    make_pulled,
    make_snapshot,
    make_spec,
    sleep_until,
    start_office,
)
from tests.golden import GoldenTexts

C = Condition


def reload_state(state: OfficeState) -> OfficeState:
    """The state as the next process finds it."""
    return msgspec.json.decode(msgspec.json.encode(state), type=OfficeState)


def make_office_in_each_state() -> dict[str, OfficeRun]:
    """One office in each kind of state."""
    by_name = {
        "new": OfficeRun(make_initial_state(EVENING), EVENING),
        "idle": make_fresh(),
        "surveying": start_office(),
    }
    by_name["pulling"] = start_office()
    by_name["pulling"].answer_survey()
    by_name["measuring"] = start_office(make_spec(zone=None))
    by_name["measuring"].answer_survey()
    by_name["aging"] = make_fresh()
    sleep_until(by_name["aging"], make_instant("2026-05-05 02:10"), "2026-05-04", begin="2026-05-05 02:00:00")
    by_name["probing"] = make_fresh()
    by_name["probing"].sleep_and_wake()
    return by_name


@pytest.mark.parametrize("name", make_office_in_each_state())
def test_a_restart_goes_on_where_the_office_was(name: str) -> None:
    night = make_office_in_each_state()[name]
    state, action = next_action(reload_state(night.state), Started(), night.now, night.spec, JITTER)
    assert state == replace(night.state, standing=state.standing)
    assert state.standing.condition is night.state.standing.condition
    assert action == night.action or name == "new"


def test_a_restart_after_a_long_sleep_asks_at_once() -> None:
    night = make_fresh()
    night.advance(days=3)
    assert isinstance(night.observe(Started()), Probe)


@pytest.mark.parametrize("observation", [Started(), TimerFired()])
def test_a_clock_that_was_set_back_makes_no_wait_longer_than_any_that_is_meant(observation: Observation) -> None:
    night = make_fresh()
    night.now -= timedelta(days=400)
    action = night.observe(observation)
    assert action == Wait(night.now + timedelta(seconds=Cadence().retry_after_max_seconds))
    assert night.state.standing.next_action_at == night.state.not_before


def test_a_clock_that_was_set_back_does_not_keep_preferences_from_being_read() -> None:
    night = make_fresh()
    night.now -= timedelta(days=400)
    night.observe(Started())
    night.sleep_and_wake()
    night.answer_probe("2025-03-31")
    night.answer_clock()
    night.answer_pull()
    night.sleep_and_wake()
    assert night.action == Survey()


def test_who_wakes_early_waits_on() -> None:
    night = make_fresh()
    before = night.action
    night.advance(seconds=1)
    assert night.wake() == before


def test_a_paused_office_is_never_asked_and_goes_on_when_it_is_switched_on() -> None:
    night = make_fresh()
    night.spec = make_spec(enabled=False)
    assert night.observe(Started()) == Wait(FAR_FUTURE)
    status = night.state.standing
    assert (status.condition, status.next_action, status.next_action_at) == (C.PAUSED, "", None)
    night.advance(days=30)
    assert night.wake() == Wait(FAR_FUTURE)
    night.spec = SPEC
    assert night.observe(Started()) == Survey()
    assert night.get_condition() is C.WAITING
    night.answer_survey(make_preferences("2026-06-03"))
    assert isinstance(night.action, Pull)


def test_who_was_paused_with_nothing_new_to_read_is_fresh_again() -> None:
    night = make_fresh()
    night.spec = make_spec(enabled=False)
    night.observe(Started())
    night.spec = SPEC
    night.observe(Started())
    assert isinstance(night.answer_survey(), Wait)
    assert night.get_condition() is C.FRESH


@pytest.mark.parametrize("other", [make_spec(clinics=(3, 1)), make_spec(include=Include.DEBTS)])
@pytest.mark.parametrize("through_a_pause", [False, True])
def test_other_guarantors_wanted_are_pulled_though_the_date_is_the_same(
    other: OfficeSpec, *, through_a_pause: bool
) -> None:
    night = make_fresh()
    if through_a_pause:
        night.spec = replace(other, enabled=False)
        night.observe(Started())
    night.spec = other
    assert night.observe(Started()) == Survey()
    assert night.get_condition() is C.WAITING
    assert isinstance(night.answer_survey(), Pull)
    night.answer_pull()
    assert night.state.published is not None
    assert night.state.published.scope == other.scope
    assert isinstance(night.observe(Started()), Wait)


def test_other_guarantors_wanted_leave_said_what_a_human_must_do() -> None:
    night = start_office()
    night.answer_survey(make_preferences("2026-05-01", due=""))
    night.answer_pull()
    assert night.get_condition() is C.BLOCKED
    night.spec = make_spec(include=Include.DEBTS)
    assert night.observe(Started()) == Survey()
    assert night.get_condition() is C.BLOCKED


def test_the_order_in_which_clinics_are_listed_changes_nothing() -> None:
    assert make_spec(clinics=(3, 1)).scope == make_spec(clinics=(1, 3)).scope != make_spec(clinics=(1,)).scope


def test_the_reader_that_the_configuration_names_is_taken_at_the_next_start() -> None:
    night = make_fresh()
    for reader in (Reader.PAGES, Reader.STATEMENT, Reader.AUTO):
        night.spec = make_spec(reader=reader)
        night.observe(Started())
        assert night.state.reader is (Reader.STATEMENT if reader is Reader.AUTO else reader)


def test_no_deadline_means_never_late() -> None:
    night = make_fresh(make_spec(fresh_by=None))
    sleep_until(night, make_instant("2026-05-05 12:00"), "2026-05-04")
    assert night.get_condition() is C.WAITING
    early = make_fresh(make_spec(fresh_by=time(2, 30)))
    sleep_until(early, make_instant("2026-05-05 02:40"), "2026-05-04")
    assert early.state.standing.evaluate_at(make_instant("2026-05-05 02:40")).condition is C.LATE


# --- what cannot be ---------------------------------------------------------------------------------------------------

OF_INTENT: dict[Intent, Observation] = {
    Intent.SURVEY: Surveyed(make_preferences()),
    Intent.MEASURE_CLOCK: ClockMeasured(0.0, IDENTITY),
    Intent.PROBE: Probed(AgingMark("2026-05-04", "")),
    Intent.PULL: make_pulled(make_snapshot(date(2026, 5, 4))),
}


@pytest.mark.parametrize("intent", Intent)
@pytest.mark.parametrize("answered", Intent)
def test_an_observation_of_another_action_raises(intent: Intent, answered: Intent) -> None:
    state = replace(make_fresh().state, intent=intent, not_before=EVENING)
    if intent is answered:
        next_action(state, OF_INTENT[answered], EVENING, SPEC, JITTER)
        return
    with pytest.raises(IllegalObservationError, match=str(intent)):
        next_action(state, OF_INTENT[answered], EVENING, SPEC, JITTER)


def test_a_snapshot_of_another_aging_than_was_asked_for_is_not_published() -> None:
    night = start_office()
    night.answer_survey()
    with pytest.raises(IllegalObservationError, match=r"2026-05-03 .* 2026-05-04"):
        night.observe(make_pulled(make_snapshot(date(2026, 5, 3))))


def test_no_action_but_the_survey_comes_before_the_preferences_are_known(golden: GoldenTexts) -> None:
    bare = make_initial_state(EVENING)
    for intent in (Intent.PROBE, Intent.PULL):
        with pytest.raises(IllegalObservationError) as caught:
            next_action(replace(bare, intent=intent), TimerFired(), EVENING, SPEC, JITTER)
        golden.check(caught.value)
    never = replace(bare, intent=Intent.PULL, preferences=make_preferences(""))
    with pytest.raises(IllegalObservationError, match="never aged"):
        next_action(never, TimerFired(), EVENING, SPEC, JITTER)


def test_a_quarantine_says_when_it_ends_and_a_restart_looks_at_once(golden: GoldenTexts) -> None:
    until = EVENING + timedelta(hours=1)
    resting = quarantine(make_initial_state(EVENING), EVENING, until)
    assert (resting.standing.condition, resting.standing.owner) == (Condition.BLOCKED, Owner.US)
    assert (resting.not_before, resting.standing.next_action_at) == (until, until)
    state, action = next_action(resting, Started(), EVENING, SPEC, JITTER)
    assert action == Survey()
    golden.check(state.standing.next_action)
