"""Bugs that seeds found, as scenarios of their own: seeds may draw other scenarios later."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from oddaemon.core.failures.failure import FailureKind
from oddaemon.core.model import Condition
from oddaemon.simulator.faults.faults import EConnectorDown, FaultWindow, KeyMoved, ScheduledFault, TooManyRequests
from tests.simulation.incidents.actions import RunAging, StepClock
from tests.simulation.incidents.incident import Impact, Incident, expect_failure
from tests.simulation.incidents.request_incidents import KEY_MOVED, SLOW_DOWN
from tests.simulation.runner import run_scenario
from tests.simulation.scenario.handmade import DUE, ELM, OAK, make_member, make_scenario

HOUR = 3600.0


def test_a_future_date_read_off_a_wrong_clock_is_measured_again() -> None:
    """Our clock is seven hours behind while an office eleven hours ahead is read; then our clock is corrected."""
    steps = (StepClock(0.5 * HOUR, -7 * HOUR), StepClock(6 * HOUR, 7 * HOUR))
    invalid = Incident("clock steps", (ELM,), 0.5 * HOUR, 6 * HOUR, Impact.SOMETIMES, actions=steps)
    outcome = run_scenario(make_scenario(invalid, members=(make_member(clock_skew_seconds=40_000.0),), nights=2))
    assert outcome.complaints == ()


def test_a_run_for_a_future_date_that_is_put_right_under_the_old_date_is_published() -> None:
    runs = (RunAging(DUE + 4 * HOUR, ELM, days_ahead=8), RunAging(DUE + 8 * HOUR, ELM))
    future = Incident("future date", (ELM,), DUE + 4 * HOUR, DUE + 8 * HOUR, Impact.AGING, actions=runs)
    outcome = run_scenario(make_scenario(future, members=(make_member(program_version="21.3.27.0"),)))
    assert outcome.complaints == ()
    dates = [str(published.row.aging_date) for published in outcome.published[ELM]]
    assert dates[:3] == ["2026-05-11", "2026-05-13", "2026-05-13"]


def test_the_first_snapshot_of_an_office_is_never_another_offices() -> None:
    """Its key is moved before its first aging: another database answers."""
    scheduled = ScheduledFault(KeyMoved(OAK, 120.0), frozenset({ELM}), FaultWindow(2 * HOUR, 7 * HOUR))
    blames = (expect_failure(FailureKind.OTHER_DATABASE, FailureKind.KEY_UNASSIGNED, conditions=(Condition.BLOCKED,)),)
    incident = Incident(
        KEY_MOVED, (ELM,), 2 * HOUR, 7 * HOUR, Impact.EVERYTHING, (scheduled,), expected_statuses=blames
    )
    outcome = run_scenario(make_scenario(incident, members=(make_member(ELM, last_aging="never"), make_member(OAK))))
    assert outcome.complaints == ()
    assert outcome.failures["other_database"] > 0
    assert {balance.pat_num // 1_000_000 for published in outcome.published[ELM] for balance in published.balances} == {
        432
    }


def test_an_office_that_is_asked_to_wait_longer_than_the_incident_lasts_is_called_so_until_then() -> None:
    begins, ends = DUE + 8 * HOUR, DUE + 9.5 * HOUR
    scheduled = ScheduledFault(TooManyRequests("999999"), frozenset({ELM}), FaultWindow(begins, ends))
    incident = Incident("throttled", (ELM,), begins, ends, Impact.EVERYTHING, (scheduled,), expected_statuses=SLOW_DOWN)
    outcome = run_scenario(make_scenario(incident))
    assert outcome.complaints == ()
    assert outcome.failures["throttled"] == 1


def test_a_night_whose_due_time_does_not_exist_is_published_once() -> None:
    spring = datetime(2026, 3, 8, 5, tzinfo=UTC)
    zone = "America/Chicago"
    scenario = make_scenario(
        members=(make_member(service_time_due="02:30:00", zone=zone, configured_zone=ZoneInfo(zone)),)
    )
    outcome = run_scenario(replace(scenario, fleet=replace(scenario.fleet, base=spring)))
    assert outcome.complaints == ()
    assert [str(each.row.aging_date) for each in outcome.published[ELM]][1] == "2026-03-08"


@pytest.mark.slow("weeks of virtual time")
def test_an_econnector_down_for_weeks_is_named_until_it_is_back() -> None:
    asleep = ScheduledFault(EConnectorDown(), frozenset({ELM}), FaultWindow(2 * HOUR, 18 * 24 * HOUR))
    blames = (expect_failure(FailureKind.ECONNECTOR_DOWN),)
    incident = Incident(
        "asleep", (ELM,), 2 * HOUR, 18 * 24 * HOUR, Impact.EVERYTHING, (asleep,), expected_statuses=blames
    )
    outcome = run_scenario(make_scenario(incident, nights=19))
    assert outcome.complaints == ()
    assert set(outcome.failures) == {"econnector_down"}
    assert outcome.failures["econnector_down"] < 18 * 24 * 8
    assert [str(published.row.aging_date) for published in outcome.published[ELM]][:2] == ["2026-05-11", "2026-05-30"]
