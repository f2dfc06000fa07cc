"""The ordinary life of an office: nights, runs by hand, and the office's clock."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest

from oddaemon.core.model import AgingMark, Condition, Owner, Reader
from oddaemon.core.office.clock import make_office_clock
from oddaemon.core.office.machine import next_action
from oddaemon.core.office.record import record_preferences
from oddaemon.core.office.state import (
    Intent,
    MeasureClock,
    Probe,
    Publish,
    PublishSucceeded,
    Pull,
    Survey,
    Surveyed,
    Wait,
)
from oddaemon.core.snapshot.packing import FIRST_PACKING, Packing
from tests.core.builders import (
    EVENING,
    IDENTITY,
    JITTER,
    SPEC,
    answer_until_wait,
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


def test_the_documented_night_turn_by_turn() -> None:
    night = start_office()
    assert night.action == Survey()

    assert night.answer_survey(make_preferences("2026-05-04")) == Pull(
        Reader.STATEMENT, FIRST_PACKING, date(2026, 5, 4), AgingMark("2026-05-04", "")
    )
    assert night.get_condition() is C.PULLING
    wide = Packing(48, 8)
    assert isinstance(night.answer_pull(wide), Wait)
    assert night.get_condition() is C.FRESH
    assert night.state.published is not None
    assert night.state.published.aging_date == date(2026, 5, 4)

    # Idle until the run is due, then asked every minute.
    sleep_until(night, make_instant("2026-05-05 02:00"), "2026-05-04")
    night.sleep_and_wake()
    assert night.now < make_instant("2026-05-05 02:01:05")
    night.answer_preferences("2026-05-04")
    assert night.get_condition() is C.AGING
    assert night.state.standing.late_at == make_instant("2026-05-05 07:00")
    asked = sleep_until(night, make_instant("2026-05-05 02:10"), "2026-05-04", begin="2026-05-05 02:01:00")
    assert len(asked) in {8, 9}

    # The date moves: pulled at once, in the shape that fitted last time, and fresh until the next night.
    night.sleep_and_wake()
    read_at = datetime(2026, 5, 4, 20)  # noqa: DTZ001  the office's own clock
    assert night.answer_probe("2026-05-05") == Pull(
        Reader.STATEMENT, wide, date(2026, 5, 5), AgingMark("2026-05-05", ""), IDENTITY, read_at
    )
    completed = night.now
    night.answer_pull(wide)
    assert night.get_condition() is C.FRESH
    assert night.state.standing.since == completed
    assert night.state.run_seconds == (completed - make_instant("2026-05-05 02:00")).total_seconds()
    assert night.state.standing.late_at == make_instant("2026-05-06 07:00")
    asked = sleep_until(night, make_instant("2026-05-06 02:00"), "2026-05-05")
    assert 40 <= len(asked) <= 55

    # The next night waits for most of a run's usual length before it asks.
    night.sleep_and_wake()
    assert make_instant("2026-05-06 02:08") < night.now < make_instant("2026-05-06 02:11")
    night.answer_probe("2026-05-06")
    night.answer_pull()
    assert night.get_condition() is C.FRESH


def test_the_state_to_store_beside_the_snapshot_comes_with_the_action() -> None:
    night = start_office()
    night.answer_survey()
    state, action = next_action(night.state, make_pulled(make_snapshot(date(2026, 5, 4))), night.now, SPEC, JITTER)
    assert isinstance(action, Publish)
    assert state.published is not None
    assert state.published.aging_date == date(2026, 5, 4)
    assert (state.published.guarantors, state.published.requests, state.published.scope) == (2, 1, "all:")
    after, wait = next_action(state, PublishSucceeded(), night.now, SPEC, JITTER)
    assert after == state
    assert isinstance(wait, Wait)


def test_a_night_without_a_run_is_late_once_and_stays_so_since_then() -> None:
    night = make_fresh()
    statuses = set()
    for hour in range(4, 20):
        sleep_until(night, make_instant(f"2026-05-05 {hour:02}:00"), "2026-05-04")
        statuses.add(replace(night.state.standing.evaluate_at(night.now), next_action="", next_action_at=None))
    assert len(statuses) == 1
    late = statuses.pop()
    assert (late.condition, late.owner, late.late_at) == (C.LATE, Owner.OFFICE, make_instant("2026-05-05 03:05"))
    assert timedelta() <= late.since - make_instant("2026-05-05 03:05") <= timedelta(seconds=60)


def test_a_run_is_late_from_the_moment_that_it_counts_as_missed() -> None:
    night = make_fresh()
    sleep_until(night, make_instant("2026-05-05 03:05"), "2026-05-04")
    assert night.get_condition() is C.AGING
    night.sleep_and_wake()
    answer_until_wait(night, "2026-05-04")
    assert night.state.standing.late_at == make_instant("2026-05-05 03:05")


def test_a_run_time_that_was_moved_is_read_before_a_run_counts_as_missed() -> None:
    night = make_fresh()
    sleep_until(night, make_instant("2026-05-05 03:05"), "2026-05-04")
    night.sleep_and_wake()
    assert isinstance(night.answer_probe("2026-05-04"), Survey)
    night.answer_survey(make_preferences("2026-05-04", due="0001-01-01 23:00:00"))
    assert night.state.standing.owner is None


def test_an_office_without_a_run_time_is_surveyed_at_each_look() -> None:
    night = start_office()
    night.answer_survey(make_preferences(due=""))
    night.answer_pull()
    assert night.state.standing.owner is Owner.OFFICE
    night.sleep_and_wake()
    night.answer_survey(make_preferences())
    assert night.state.standing.owner is None


def test_an_office_that_is_blamed_is_surveyed_each_hour() -> None:
    night = make_fresh()
    sleep_until(night, make_instant("2026-05-05 04:00"), "2026-05-04")
    assert night.state.standing.owner is Owner.OFFICE
    surveys = []
    while night.now < make_instant("2026-05-05 10:00"):
        night.sleep_and_wake()
        if isinstance(night.action, Survey):
            surveys.append(night.now)
        answer_until_wait(night, "2026-05-04")
    pauses = [later - earlier for earlier, later in pairwise(surveys)]
    assert pauses
    assert max(pauses) <= timedelta(hours=1, minutes=10)


def test_a_run_that_left_its_date_and_still_holds_its_lock_keeps_its_deadline() -> None:
    night = make_fresh()
    sleep_until(night, make_instant("2026-05-05 02:30"), "2026-05-04", begin="2026-05-05 02:00:00")
    night.sleep_and_wake()
    night.answer_probe("2026-05-05", "2026-05-05 02:00:00")
    assert night.get_condition() is C.AGING
    assert night.state.standing.late_at == make_instant("2026-05-05 07:00")


def test_a_run_for_an_older_date_teaches_nothing_about_the_length_of_a_night() -> None:
    night = make_fresh()
    sleep_until(night, make_instant("2026-05-05 02:30"), "2026-05-04")
    night.sleep_and_wake()
    night.answer_preferences("2026-05-03")
    assert isinstance(night.answer_clock(), Pull)
    assert night.state.run_seconds is None


def test_a_run_by_a_clock_that_was_never_measured_teaches_nothing() -> None:
    night = make_fresh()
    sleep_until(night, make_instant("2026-05-05 02:05"), "2026-05-04")
    night.sleep_and_wake()
    night.state = replace(night.state, skew_seconds=None, measured_at=None)
    night.answer_preferences("2026-05-05")
    assert night.state.run_seconds is None


def test_a_missed_night_run_by_hand_in_the_morning_is_pulled() -> None:
    night = make_fresh()
    sleep_until(night, make_instant("2026-05-05 09:00"), "2026-05-04")
    night.sleep_and_wake()
    assert isinstance(night.answer_preferences("2026-05-05"), Pull)
    night.answer_pull()
    assert night.get_condition() is C.FRESH
    # A late night teaches nothing about the length of a run.
    assert night.state.run_seconds is None


def test_a_second_run_on_the_same_day_is_pulled_again() -> None:
    night = make_fresh()
    night.sleep_and_wake()
    night.answer_probe("2026-05-04", "2026-05-04 20:05:00")
    assert night.get_condition() is C.AGING
    assert night.get_condition() is C.AGING
    night.sleep_and_wake()
    assert isinstance(night.answer_probe("2026-05-04"), Pull)
    night.answer_pull()
    night.sleep_and_wake()
    assert isinstance(night.answer_probe("2026-05-04"), Wait)


def test_an_office_that_never_aged_waits_for_its_first_run() -> None:
    night = start_office(now=make_instant("2026-05-05 01:00"))
    night.answer_survey(make_preferences(""))
    assert night.get_condition() is C.WAITING
    sleep_until(night, make_instant("2026-05-05 02:30"), "")
    night.sleep_and_wake()
    assert night.answer_probe("2026-05-05") == Pull(
        Reader.STATEMENT, FIRST_PACKING, date(2026, 5, 5), AgingMark("2026-05-05", "")
    )


def test_automation_off_is_pulled_when_run_by_hand_and_reported_from_the_next_day_on(golden: GoldenTexts) -> None:
    night = start_office(now=make_instant("2026-05-04 20:00"))
    night.answer_survey(make_preferences("2026-05-04", due=""))
    night.answer_pull()
    assert night.get_condition() is C.FRESH
    while night.now < make_instant("2026-05-05 00:30"):
        night.sleep_and_wake()
        if night.action == Survey():
            night.answer_survey(make_preferences("2026-05-04", due=""))
        else:
            night.answer_probe("2026-05-04")
    assert night.get_condition() is C.BLOCKED
    assert night.state.standing.owner is Owner.OFFICE
    golden.check(night.state.standing.reason)
    night.sleep_and_wake()
    assert night.action == Survey()
    night.answer_survey(make_preferences("2026-05-05", due=""))
    assert isinstance(night.action, Pull)


def test_a_monthly_office_is_fresh_with_a_date_weeks_old() -> None:
    night = start_office()
    night.answer_survey(make_preferences("2026-04-01", monthly="1", version="21.4.2.0"))
    night.answer_pull()
    assert night.get_condition() is C.FRESH


@pytest.mark.parametrize(("last", "begin"), [("2026-07-01", ""), ("?", ""), ("2026-05-04", "2026-05-04 02:00:00")])
def test_what_cannot_be_believed_is_never_pulled(last: str, begin: str) -> None:
    night = start_office()
    night.answer_survey(make_preferences(last, begin=begin))
    if isinstance(night.action, MeasureClock):
        night.answer_clock()
    assert isinstance(night.action, Wait)
    status = night.state.standing
    assert (status.condition, status.owner, bool(status.advice)) == (C.BLOCKED, Owner.OFFICE, True)


def test_a_future_date_caused_by_a_wrong_zone_blames_no_owner() -> None:
    night = start_office()
    night.answer_survey(make_preferences("2026-05-06"))
    assert isinstance(night.action, MeasureClock)
    assert isinstance(night.answer_clock(30 * 3600.0), Pull)


@pytest.mark.parametrize("since", [timedelta(hours=2), timedelta(hours=-2)], ids=["long ago", "by a clock set back"])
def test_a_clock_measured_while_ours_was_wrong_is_measured_again_before_blame(since: timedelta) -> None:
    night = make_fresh()
    night.now = make_instant("2026-05-05 02:30")
    invalid = replace(night.state, skew_seconds=-30 * 3600.0, not_before=night.now)
    night.state = replace(invalid, measured_at=night.now - since)
    night.wake()
    night.answer_preferences("2026-05-05")
    assert isinstance(night.action, MeasureClock)
    assert isinstance(night.answer_clock(), Pull)
    night.state, night.action = replace(invalid, measured_at=night.now), Probe()
    night.answer_preferences("2026-05-05")
    assert night.get_condition() is C.BLOCKED


def test_a_run_for_a_future_date_that_is_put_right_under_the_old_date_is_read() -> None:
    night = make_fresh()
    night.now = make_instant("2026-05-04 22:00")
    night.state = replace(night.state, not_before=night.now, measured_at=night.now)
    night.wake()
    night.answer_preferences("2026-05-12")
    assert night.get_condition() is C.BLOCKED
    night.sleep_and_wake()
    night.answer_preferences("2026-05-04")
    assert isinstance(night.action, Pull)


def test_preferences_are_surveyed_again_every_few_hours_and_probed_in_between() -> None:
    night = make_fresh()
    kinds = []
    for _ in range(14):  # until the run of the next night counts as missed
        night.sleep_and_wake()
        kinds.append(type(night.action))
        answer_until_wait(night, "2026-05-04")
        night.state = replace(night.state, not_before=night.now + timedelta(minutes=30))
        night.action = Wait(night.state.not_before)
    assert kinds.count(Survey) == 1


def test_a_new_version_gets_the_statement_another_chance() -> None:
    night = make_fresh()
    night.state = replace(night.state, reader=Reader.PAGES, packing=Packing(3, 128), intent=Intent.SURVEY)
    night.advance(hours=7)
    night.wake()
    night.answer_survey(make_preferences("2026-05-05", version="25.4.48.0"))
    assert night.state.reader is Reader.PAGES
    night.state = replace(night.state, intent=Intent.SURVEY)
    night.observe(Surveyed(make_preferences("2026-05-05", version="26.1.1.0")))
    assert (night.state.reader, night.state.packing) == (Reader.STATEMENT, FIRST_PACKING)


def test_an_office_too_sparse_to_pack_is_read_in_pages_from_then_on() -> None:
    night = start_office()
    night.answer_survey()
    night.answer_pull(None)
    assert night.state.reader is Reader.PAGES
    stubborn = start_office(make_spec(reader=Reader.STATEMENT))
    stubborn.answer_survey()
    stubborn.answer_pull(None)
    assert (stubborn.state.reader, stubborn.state.packing) == (Reader.STATEMENT, FIRST_PACKING)


def test_what_fits_pages_says_nothing_about_the_statement() -> None:
    night = start_office(make_spec(reader=Reader.PAGES))
    assert isinstance(night.answer_survey(), Pull)
    night.answer_pull(Packing(5, 5))
    assert (night.state.reader, night.state.packing) == (Reader.PAGES, FIRST_PACKING)


# --- the office's clock -----------------------------------------------------------------------------------------------


def test_without_a_zone_the_clock_is_measured_once_and_with_every_pull() -> None:
    night = start_office(make_spec(zone=None))
    assert night.answer_survey() == MeasureClock()
    assert isinstance(night.answer_clock(-5 * 3600.0), Pull)
    assert make_office_clock(night.state, night.spec).to_local(EVENING) == datetime.fromisoformat("2026-05-04 20:00")
    night.answer_pull(skew_seconds=-6 * 3600.0)
    assert night.state.skew_seconds == -6 * 3600.0
    night.sleep_and_wake()
    assert isinstance(night.answer_probe("2026-05-04"), Wait)


def test_a_skew_measured_against_another_zone_is_forgotten() -> None:
    night = start_office(make_spec(zone=None))
    night.answer_survey()
    night.answer_clock(-5 * 3600.0)
    night.answer_pull(skew_seconds=-5 * 3600.0)
    assert make_office_clock(night.state, make_spec()).skew == timedelta()

    with_zone = make_fresh()
    with_zone.spec = make_spec(zone=None)
    with_zone.sleep_and_wake()
    assert with_zone.answer_probe("2026-05-04") == MeasureClock()


def test_a_clock_ahead_of_its_zone_is_waited_for_as_it_goes() -> None:
    night = start_office()
    night.answer_survey()
    night.answer_pull(skew_seconds=1200.0)
    sleep_until(night, make_instant("2026-05-05 01:42"), "2026-05-04")
    assert night.get_condition() is C.AGING


def test_a_date_that_returns_to_the_published_one_teaches_nothing_about_the_length_of_a_night() -> None:
    night = make_fresh()
    sleep_until(night, make_instant("2026-05-05 02:30"), "2026-05-04")
    night.sleep_and_wake()
    night.answer_preferences("2026-05-04")
    assert night.get_condition() is C.AGING
    assert night.state.published is not None
    published = replace(night.state.published, aging_date=date(2026, 5, 5))
    state = replace(night.state, published=published)
    assert record_preferences(state, make_preferences("2026-05-05"), night.now, SPEC).run_seconds is None
    assert record_preferences(night.state, make_preferences("2026-05-05"), night.now, SPEC).run_seconds is not None
