"""What seeds once found, told by hand, so that it stays found however stories are drawn one day."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from oddaemon.core.model import Condition
from oddaemon.simulator.faults.faults import EConnectorDown, FaultWindow, KeyMoved, ScheduledFault
from tests.simulation.deeds import AgingByHand, ClockStep
from tests.simulation.play import play
from tests.simulation.request_troubles import KEY_MOVED
from tests.simulation.small_stories import DUE, ELM, OAK, member, story
from tests.simulation.troubles import Reach, Trouble, blame

HOUR = 3600.0


def test_a_future_date_read_off_a_wrong_clock_is_measured_again() -> None:
    """Our clock is seven hours behind while an office eleven hours ahead is read; then it is put right."""
    steps = (ClockStep(0.5 * HOUR, -7 * HOUR), ClockStep(6 * HOUR, 7 * HOUR))
    wrong = Trouble("clock steps", (ELM,), 0.5 * HOUR, 6 * HOUR, Reach.SOMETIMES, deeds=steps)
    outcome = play(story(wrong, members=(member(clock_skew_seconds=40_000.0),), nights=2))
    assert outcome.findings == ()


def test_a_run_for_a_future_date_that_is_put_right_under_the_old_date_is_published() -> None:
    runs = (AgingByHand(DUE + 4 * HOUR, ELM, days_ahead=8), AgingByHand(DUE + 8 * HOUR, ELM))
    future = Trouble("future date", (ELM,), DUE + 4 * HOUR, DUE + 8 * HOUR, Reach.AGING, deeds=runs)
    outcome = play(story(future, members=(member(program_version="21.3.27.0"),)))
    assert outcome.findings == ()
    dates = [str(told.row.aging_date) for told in outcome.published[ELM]]
    assert dates[:3] == ["2026-05-11", "2026-05-13", "2026-05-13"]


def test_the_first_snapshot_of_an_office_is_never_another_offices() -> None:
    """Its key is moved before it has ever been aged; what answers is another database."""
    moved = ScheduledFault(KeyMoved(OAK, 120.0), frozenset({ELM}), FaultWindow(2 * HOUR, 7 * HOUR))
    blames = (blame("another office's database|not assigned", Condition.BLOCKED),)
    trouble = Trouble(KEY_MOVED, (ELM,), 2 * HOUR, 7 * HOUR, Reach.EVERYTHING, (moved,), blames=blames)
    outcome = play(story(trouble, members=(member(ELM, last_aging="never"), member(OAK))))
    assert outcome.findings == ()
    assert outcome.failures["other_database"] > 0
    assert {balance.pat_num // 1_000_000 for told in outcome.published[ELM] for balance in told.balances} == {432}


def test_a_night_whose_due_time_does_not_exist_is_published_once() -> None:
    spring = datetime(2026, 3, 8, 5, tzinfo=UTC)
    zone = "America/Chicago"
    told = story(members=(member(service_time_due="02:30:00", zone=zone, configured_zone=ZoneInfo(zone)),))
    outcome = play(replace(told, cast=replace(told.cast, base=spring)))
    assert outcome.findings == ()
    assert [str(each.row.aging_date) for each in outcome.published[ELM]][1] == "2026-03-08"


@pytest.mark.slow("weeks of virtual time")
def test_an_econnector_that_sleeps_for_weeks_is_named_all_the_time_and_forgiven_when_it_wakes() -> None:
    asleep = ScheduledFault(EConnectorDown(), frozenset({ELM}), FaultWindow(2 * HOUR, 18 * 24 * HOUR))
    blames = (blame("eConnector is not running", Condition.UNREACHABLE),)
    trouble = Trouble("asleep", (ELM,), 2 * HOUR, 18 * 24 * HOUR, Reach.EVERYTHING, (asleep,), blames=blames)
    outcome = play(story(trouble, nights=19))
    assert outcome.findings == ()
    assert set(outcome.failures) == {"econnector_down"}
    assert outcome.failures["econnector_down"] < 18 * 24 * 8
    assert [str(told.row.aging_date) for told in outcome.published[ELM]][:2] == ["2026-05-11", "2026-05-30"]
