"""Aging of some families, stale answers, and runs that broke off: what is known of each, and who is blamed."""

from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

import pytest

from oddaemon.core.failures.failure import FailureKind
from oddaemon.core.model import AgingMark, Cadence, Condition, Owner
from oddaemon.core.office.aging import began_on_time
from oddaemon.core.office.clock import OfficeClock
from oddaemon.core.office.state import ClockMeasured, MeasureClock, OfficeCommand, Pull, Survey, Wait
from tests.core.builders import IDENTITY, OfficeRun, make_fresh, make_instant, make_preferences
from tests.golden import GoldenTexts

C = Condition
CADENCE = Cadence()


def make_fresh_this_morning() -> OfficeRun:
    """An office whose run of last night is published."""
    night = make_fresh()
    night.now = make_instant("2026-05-05 02:10")
    night.observe(OfficeCommand.SYNC)
    night.answer_preferences("2026-05-05")
    night.answer_pull()
    return night


def answer_old(night: OfficeRun, last: str, begin: str = "") -> None:
    """An office before 22.2 answers whichever it is asked."""
    if isinstance(night.action, Survey):
        night.answer_survey(make_preferences(last, begin=begin, version="22.1.9.0"))
    else:
        night.answer_probe(last, begin)


def test_before_22_2_a_run_that_was_broken_off_is_not_pulled_when_its_lock_is_cleared(golden: GoldenTexts) -> None:
    night = make_fresh()
    night.now = make_instant("2026-05-05 02:10")
    night.observe(OfficeCommand.SYNC)
    answer_old(night, "2026-05-04", "2026-05-05 02:00:00")
    night.now = make_instant("2026-05-05 06:30")
    night.observe(OfficeCommand.SYNC)
    answer_old(night, "2026-05-04")
    night.answer_clock()
    assert night.get_wait_seconds() > 0
    golden.check(night.state.standing.reason)
    assert night.state.standing.owner is Owner.OFFICE
    night.now = make_instant("2026-05-06 02:05")
    night.wake()
    answer_old(night, "2026-05-06")
    assert isinstance(night.action, Pull)
    night.answer_pull()
    assert night.state.run_seen is None


@pytest.mark.parametrize("held_until", ["2026-05-05 09:01", "2026-05-05 14:00"])
def test_aging_of_some_families_by_day_is_read_again_without_blame(held_until: str, golden: GoldenTexts) -> None:
    night = make_fresh_this_morning()
    night.now = make_instant("2026-05-05 09:00:20")
    night.observe(OfficeCommand.SYNC)
    night.answer_preferences("2026-05-05", "2026-05-05 09:00:05")
    assert night.get_condition() is C.AGING
    golden.check(night.state.standing.reason)
    night.now = make_instant(held_until)
    night.observe(OfficeCommand.SYNC)
    night.answer_preferences("2026-05-05")
    assert isinstance(night.action, Pull)
    assert night.action.aging_date == date(2026, 5, 5)
    night.answer_pull()
    assert (night.get_condition(), night.state.standing.owner, night.state.standing.letter) == (C.FRESH, None, "")
    assert night.state.run_seen is None


def test_aging_of_some_families_just_before_the_due_time_does_not_hide_the_nights_run() -> None:
    night = make_fresh()
    night.now = make_instant("2026-05-05 01:59:58")
    night.observe(OfficeCommand.SYNC)
    night.answer_preferences("2026-05-04", "2026-05-05 01:59:55")
    night.sleep_and_wake()
    night.answer_preferences("2026-05-04")
    assert isinstance(night.action, Pull)
    night.fail(FailureKind.AGING_CHANGED, wait=True)
    night.answer_preferences("2026-05-04", "2026-05-05 02:01:00")
    night.sleep_and_wake()
    night.answer_preferences("2026-05-05")
    assert isinstance(night.action, Pull)
    assert night.action.aging_date == date(2026, 5, 5)
    assert night.state.standing.owner is None


def test_the_length_of_a_run_is_not_learned_from_aging_of_some_families() -> None:
    night = make_fresh_this_morning()
    night.state = replace(night.state, published=None, skew_seconds=0.0, skew_zone="America/Chicago")
    night.now = make_instant("2026-05-05 09:00:20")
    night.observe(OfficeCommand.SYNC)
    night.answer_preferences("2026-05-05", "2026-05-05 09:00:05")
    night.sleep_and_wake()
    night.answer_preferences("2026-05-05")
    assert isinstance(night.action, Pull)
    assert night.state.run_seconds is None


def test_no_office_is_blamed_for_a_missed_run_before_its_own_table_was_asked() -> None:
    """GETs are answered from a cache: the run completed at 02:01, and only the table says so."""
    night = make_fresh()
    night.now = make_instant("2026-05-05 03:10")
    night.observe(OfficeCommand.SYNC)
    night.answer_preferences("2026-05-04")
    assert isinstance(night.action, MeasureClock)
    assert night.state.standing.owner is None
    night.observe(ClockMeasured(0.0, IDENTITY, AgingMark("2026-05-05", "")))
    assert isinstance(night.action, Pull)
    assert night.action.expected == AgingMark("2026-05-05", "")
    night.answer_pull()
    for _ in range(20):
        night.sleep_and_wake()
        if night.now > make_instant("2026-05-06 01:55"):
            break
        night.answer_preferences("2026-05-04")
        assert (night.get_condition(), night.state.standing.owner) == (C.FRESH, None)


def test_a_missed_run_that_the_table_confirms_is_blamed_after_one_question() -> None:
    night = make_fresh()
    night.now = make_instant("2026-05-05 03:10")
    night.observe(OfficeCommand.SYNC)
    night.answer_preferences("2026-05-04")
    night.observe(ClockMeasured(0.0, IDENTITY, AgingMark("2026-05-04", "")))
    assert isinstance(night.action, Wait)
    assert night.state.standing.owner is Owner.OFFICE
    night.sleep_and_wake()
    assert isinstance(night.answer_preferences("2026-05-04"), Wait)


def test_gets_that_move_on_are_believed_again() -> None:
    night = make_fresh()
    night.now = make_instant("2026-05-05 03:10")
    night.observe(OfficeCommand.SYNC)
    night.answer_preferences("2026-05-04")
    night.observe(ClockMeasured(0.0, IDENTITY, AgingMark("2026-05-05", "")))
    night.answer_pull()
    assert night.state.stale == AgingMark("2026-05-04", "")
    night.now = make_instant("2026-05-06 02:05")
    night.wake()
    night.answer_preferences("2026-05-06")
    assert isinstance(night.action, Pull)
    assert night.state.stale is None


def test_a_lock_that_only_a_cache_still_holds_is_ignored() -> None:
    night = make_fresh_this_morning()
    night.now = make_instant("2026-05-05 15:00")
    night.observe(OfficeCommand.SYNC)
    night.answer_preferences("2026-05-05", "2026-05-05 09:00:05")
    assert isinstance(night.action, MeasureClock)
    night.observe(ClockMeasured(0.0, IDENTITY, AgingMark("2026-05-05", "")))
    night.sleep_and_wake()
    night.answer_preferences("2026-05-05", "2026-05-05 09:00:05")
    assert (night.get_condition(), night.state.standing.owner) == (C.FRESH, None)


def test_a_date_older_than_the_published_one_counts_once_the_table_confirms_it() -> None:
    night = make_fresh_this_morning()
    night.now = make_instant("2026-05-05 12:00")
    night.observe(OfficeCommand.SYNC)
    night.answer_preferences("2026-05-03")
    night.answer_clock()
    assert isinstance(night.action, Wait) or night.action.aging_date == date(2026, 5, 3)  # type: ignore[union-attr]


@pytest.mark.parametrize("mark", [AgingMark("x", ""), AgingMark("", "")])
def test_what_a_table_says_is_taken_whatever_it_is(mark: AgingMark) -> None:
    night = make_fresh()
    night.now = make_instant("2026-05-05 03:10")
    night.observe(OfficeCommand.SYNC)
    night.answer_preferences("2026-05-04")
    night.observe(ClockMeasured(0.0, IDENTITY, mark))
    assert night.state.preferences is not None
    assert night.state.preferences.date_last_aging == mark.date_last_aging
    assert night.state.stale is None


@pytest.mark.parametrize("begin", ["", "soon", "2026-05-05 01:59:59", "2026-05-05 03:10:00", "9999-12-31 23:59:59"])
def test_only_a_lock_within_the_hour_of_the_service_is_that_of_the_nights_run(begin: str) -> None:
    due_at, clock = make_instant("2026-05-05 02:00"), OfficeClock(ZoneInfo("America/Chicago"))
    assert began_on_time("2026-05-05 02:00:03", due_at, clock, CADENCE)
    assert not began_on_time(begin, due_at, clock, CADENCE)
