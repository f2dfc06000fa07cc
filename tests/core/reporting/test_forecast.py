from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from oddaemon.core.model import Condition, Owner, Status
from oddaemon.core.office.clock import OfficeClock
from oddaemon.core.reporting.forecast import ForecastInput, Outlook, make_forecast
from tests.core.builders import CHICAGO, make_instant
from tests.golden import GoldenTexts

EVENING = make_instant("2026-05-04 21:00")
DUE = make_instant("2026-05-05 02:00")
SEVEN = make_instant("2026-05-05 07:00")
CLOCK = OfficeClock(CHICAGO)


def make_status(condition: Condition = Condition.FRESH, **more: object) -> Status:
    return replace(Status(condition, EVENING, "As it is.", late_at=SEVEN), **more)  # type: ignore[arg-type]  # its own fields


USUAL = ForecastInput(make_status(), CLOCK, DUE, run_seconds=2400.0, pull_seconds=(3.0, 420.0, 5.0))


def test_the_next_balances_are_expected_after_the_last_run_and_the_slowest_pull(golden: GoldenTexts) -> None:
    result = make_forecast(USUAL, EVENING)
    assert result.outlook is Outlook.IN_TIME
    assert result.ready_at == DUE + timedelta(minutes=47)
    golden.check(result.sentence)


def test_on_the_day_itself_no_day_is_named(golden: GoldenTexts) -> None:
    golden.check(make_forecast(USUAL, DUE).sentence)


def test_a_run_that_usually_ends_after_the_hour_will_miss_it(golden: GoldenTexts) -> None:
    result = make_forecast(replace(USUAL, run_seconds=5.5 * 3600), EVENING)
    assert result.outlook == Outlook.WILL_MISS
    golden.check(result.sentence)


def test_a_run_that_usually_ends_just_before_the_hour_is_at_risk(golden: GoldenTexts) -> None:
    result = make_forecast(replace(USUAL, run_seconds=4.5 * 3600), EVENING)
    assert result.outlook == Outlook.AT_RISK
    golden.check(result.sentence)


def test_what_is_not_known_yet_counts_as_no_time() -> None:
    assert make_forecast(replace(USUAL, run_seconds=None, pull_seconds=()), EVENING).ready_at == DUE


def test_a_run_in_progress_is_expected_no_earlier_than_the_next_probe() -> None:
    aging = make_status(Condition.AGING, next_action_at=DUE + timedelta(minutes=50))
    result = make_forecast(replace(USUAL, status=aging), DUE + timedelta(minutes=41))
    assert result.ready_at == DUE + timedelta(minutes=57)
    assert result.outlook is Outlook.IN_TIME


def test_a_run_that_takes_much_longer_than_last_time_is_at_risk(golden: GoldenTexts) -> None:
    aging = make_status(Condition.AGING)
    late_in_the_night = DUE + timedelta(minutes=81)
    assert (
        make_forecast(replace(USUAL, status=aging), late_in_the_night - timedelta(minutes=1)).outlook is Outlook.IN_TIME
    )
    result = make_forecast(replace(USUAL, status=aging), late_in_the_night)
    assert result.outlook is Outlook.AT_RISK
    golden.check(result.sentence)


def test_a_run_of_unknown_length_is_never_called_slow() -> None:
    aging = replace(USUAL, status=make_status(Condition.AGING), run_seconds=None)
    assert make_forecast(aging, DUE + timedelta(hours=3)).outlook is Outlook.IN_TIME


@pytest.mark.parametrize("expected_at", [None, DUE + timedelta(days=1)])
def test_once_aging_is_over_only_the_pull_is_left(expected_at: datetime | None) -> None:
    now = SEVEN - timedelta(minutes=6)
    pulling = replace(USUAL, status=make_status(Condition.PULLING), pending_due_at=expected_at)
    assert make_forecast(pulling, now).ready_at == now + timedelta(minutes=7)
    assert make_forecast(pulling, now).outlook is Outlook.WILL_MISS


@pytest.mark.parametrize("condition", [Condition.UNREACHABLE, Condition.SUSPECT])
def test_what_hangs_on_the_next_try_is_at_risk(condition: Condition, golden: GoldenTexts) -> None:
    trying = make_status(condition, owner=Owner.OFFICE, next_action_at=DUE + timedelta(hours=1))
    result = make_forecast(replace(USUAL, status=trying), DUE)
    assert result.outlook is Outlook.AT_RISK
    golden.check(result.sentence)


@pytest.mark.parametrize(
    ("owner", "who"), [(Owner.US, "you act"), (Owner.OFFICE, "the office acts"), (Owner.VENDOR, "Open Dental acts")]
)
@pytest.mark.parametrize("condition", [Condition.BLOCKED, Condition.WAITING, Condition.AGING, Condition.LATE])
def test_an_office_that_needs_action_will_miss_its_deadline(condition: Condition, owner: Owner, who: str) -> None:
    stopped = replace(USUAL, status=make_status(condition, owner=owner))
    before, after = make_forecast(stopped, DUE), make_forecast(stopped, SEVEN)
    assert (before.outlook, before.sentence) == (Outlook.WILL_MISS, f"Will miss 07:00 unless {who}.")
    assert (after.outlook, after.sentence) == (Outlook.MISSED, f"Missed 07:00; no balances arrive unless {who}.")
    assert before.ready_at is after.ready_at is None


def test_a_passed_deadline_is_missed_and_the_balances_are_still_expected(golden: GoldenTexts) -> None:
    late = make_status(Condition.LATE, next_action_at=SEVEN + timedelta(minutes=20))
    result = make_forecast(replace(USUAL, status=late), SEVEN + timedelta(minutes=18))
    assert result.outlook == Outlook.MISSED
    golden.check(result.sentence)


def test_a_paused_office_expects_nothing(golden: GoldenTexts) -> None:
    result = make_forecast(replace(USUAL, status=make_status(Condition.PAUSED)), EVENING)
    assert result.outlook == Outlook.NONE
    golden.check(result.sentence)


def test_without_an_hour_nothing_can_be_missed(golden: GoldenTexts) -> None:
    result = make_forecast(replace(USUAL, status=make_status(late_at=None)), EVENING)
    assert result.outlook == Outlook.NONE
    golden.check(result.sentence)
    blocked = make_status(Condition.BLOCKED, owner=Owner.OFFICE, late_at=None)
    golden.check(make_forecast(replace(USUAL, status=blocked), EVENING).sentence)
    ours = make_status(Condition.BLOCKED, late_at=None)
    assert make_forecast(replace(USUAL, status=ours), EVENING).outlook is Outlook.NONE
