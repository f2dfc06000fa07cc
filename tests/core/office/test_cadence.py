from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.model import Cadence
from oddaemon.core.office.aging import Aging, AgingStatus, evaluate_aging
from oddaemon.core.office.cadence import (
    SOON_SECONDS,
    compute_late_at,
    compute_next_probe,
    compute_next_slot,
    compute_phase,
    compute_soon_seconds,
)
from oddaemon.core.office.clock import OfficeClock
from tests.core.builders import CHICAGO, make_instant, make_preferences

NOW = make_instant("2026-05-05 12:00")
CADENCE = Cadence()
CLOCK = OfficeClock(CHICAGO)
DUE_AT, NEXT_DUE_AT = make_instant("2026-05-05 02:00"), make_instant("2026-05-06 02:00")


def make_aging(
    status: AgingStatus, due_at: datetime | None = DUE_AT, next_due_at: datetime | None = NEXT_DUE_AT
) -> Aging:
    return Aging(status, "So.", due_at=due_at, next_due_at=next_due_at)


def compute_wait_seconds(status: AgingStatus, now: datetime = NOW, run_seconds: float | None = None) -> float:
    return (compute_next_probe("mesa", make_aging(status), CADENCE, run_seconds, now) - now).total_seconds()


def test_shares_spread_evenly_and_stay() -> None:
    shares = [compute_phase(f"office-{number}") for number in range(1_000)]
    assert shares == [compute_phase(f"office-{number}") for number in range(1_000)]
    tenths = [sum(tenth / 10 <= each < (tenth + 1) / 10 for each in shares) for tenth in range(10)]
    assert sum(tenths) == 1_000
    assert min(tenths) > 70


def test_slots_are_a_grid_that_no_two_offices_share() -> None:
    first = compute_next_slot("mesa", 60.0, NOW)
    assert NOW < first <= NOW + timedelta(seconds=60)
    assert compute_next_slot("mesa", 60.0, first) - first == timedelta(seconds=60)
    assert compute_next_slot("mesa", 60.0, first - timedelta(microseconds=1)) == first
    assert compute_next_slot("plano", 60.0, NOW) != first


@pytest.mark.parametrize("interval_seconds", [0.001, 0.05, 0.7, 60.0, 1800.0, 86_400.0])
def test_a_slot_is_always_later(interval_seconds: float) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for _ in range(300):
        slot = compute_next_slot("mesa", interval_seconds, now)
        assert timedelta() < slot - now <= timedelta(seconds=interval_seconds * 1.01)
        now = slot


@pytest.mark.parametrize(
    ("status", "longest_seconds"),
    [
        (AgingStatus.DUE, CADENCE.probe_seconds),
        (AgingStatus.RUNNING, CADENCE.probe_seconds),
        (AgingStatus.MISSED, CADENCE.late_probe_seconds),
        (AgingStatus.COMPLETE, CADENCE.idle_probe_seconds),
        (AgingStatus.MONTHLY, CADENCE.idle_probe_seconds),
        (AgingStatus.WAITING, CADENCE.idle_probe_seconds),
        (AgingStatus.STUCK, CADENCE.blocked_probe_seconds),
        (AgingStatus.NOT_CONFIGURED, CADENCE.blocked_probe_seconds),
    ],
)
def test_each_status_has_its_interval(status: AgingStatus, longest_seconds: float) -> None:
    waits = [
        (compute_next_probe(f"office-{number}", make_aging(status), CADENCE, None, NOW) - NOW).total_seconds()
        for number in range(200)
    ]
    assert min(waits) > 0
    assert longest_seconds * 0.9 < max(waits) <= longest_seconds


def test_a_run_is_asked_for_once_most_of_its_usual_length_has_passed() -> None:
    assert 400 <= compute_wait_seconds(AgingStatus.DUE, DUE_AT + timedelta(seconds=1), run_seconds=600) < 480 + 60
    assert compute_wait_seconds(AgingStatus.DUE, DUE_AT + timedelta(seconds=1), run_seconds=None) <= 60


def test_the_first_probe_of_a_night_comes_right_after_the_due_time() -> None:
    shortly_before = NEXT_DUE_AT - timedelta(seconds=5)
    assert 5 < compute_wait_seconds(AgingStatus.COMPLETE, shortly_before) <= 65


def test_one_night_that_took_half_a_day_never_silences_the_next() -> None:
    assert compute_wait_seconds(AgingStatus.DUE, DUE_AT + timedelta(seconds=1), run_seconds=50_000) <= 1800
    assert compute_wait_seconds(AgingStatus.COMPLETE, DUE_AT, run_seconds=50_000) <= 1800


def test_a_run_by_hand_is_watched_where_nothing_is_ever_due() -> None:
    by_hand = make_aging(AgingStatus.RUNNING, due_at=None, next_due_at=None)
    assert NOW < compute_next_probe("mesa", by_hand, CADENCE, 900.0, NOW) <= NOW + timedelta(seconds=60)
    switched_off = make_aging(AgingStatus.NOT_CONFIGURED, due_at=None, next_due_at=None)
    assert NOW < compute_next_probe("mesa", switched_off, CADENCE, 900.0, NOW) <= NOW + timedelta(seconds=1800)


@pytest.mark.parametrize(
    ("now", "last", "due", "begin", "late_at"),
    [
        ("2026-05-05 12:00", "2026-05-05", "02:00", "", "2026-05-06 07:00"),
        ("2026-05-05 02:10", "2026-05-04", "02:00", "", "2026-05-05 07:00"),
        ("2026-05-05 04:00", "2026-05-04", "02:00", "", "2026-05-05 03:05"),
        ("2026-05-05 23:40", "2026-05-04", "23:30", "", "2026-05-06 07:00"),
        ("2026-05-05 00:30", "", "02:00", "", "2026-05-05 07:00"),
        ("2026-05-05 09:00", "2026-05-04", "08:00", "2026-05-05 08:59:00", "2026-05-06 07:00"),
        ("2026-05-05 03:30", "2026-05-04", "02:00", "2026-05-05 02:00:00", "2026-05-05 07:00"),
        ("2026-05-05 15:01", "2026-05-05", "02:00", "2026-05-05 15:00:00", "2026-05-06 07:00"),
    ],
)
def test_the_deadline_is_the_first_fresh_by_after_the_expected_run(
    now: str, last: str, due: str, begin: str, late_at: str
) -> None:
    judged = evaluate_aging(make_preferences(last, due=due, begin=begin), CLOCK, make_instant(now), CADENCE)
    assert compute_late_at(judged, CLOCK, time(7), CADENCE) == make_instant(late_at)


def test_a_missed_run_does_not_become_late_again_with_every_probe() -> None:
    known = make_preferences("2026-05-04", due="02:00")
    asked = [evaluate_aging(known, CLOCK, make_instant(f"2026-05-05 {hour:02}:00"), CADENCE) for hour in range(4, 24)]
    assert {compute_late_at(judged, CLOCK, time(7), CADENCE) for judged in asked} == {make_instant("2026-05-05 03:05")}


def test_who_awaits_nothing_by_the_clock_has_no_deadline() -> None:
    complete = replace(make_aging(AgingStatus.COMPLETE), pending_due_at=NEXT_DUE_AT)
    assert compute_late_at(complete, CLOCK, None, CADENCE) is None
    assert compute_late_at(replace(complete, pending_due_at=None), CLOCK, time(7), CADENCE) is None


@pytest.mark.parametrize("requested", [None, float("nan"), float("inf"), -1.0, 0.0, 30.0, 1e9])
def test_soon_is_between_a_second_and_a_minute_whatever_is_requested(requested: float | None) -> None:
    failure = Failure(FailureKind.TLS, "", None, requested)
    assert 1.0 <= compute_soon_seconds(failure) <= SOON_SECONDS
