from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from oddaemon.core.model import Condition, Status
from oddaemon.core.reporting.fleet_summary import format_fleet_summary
from tests.golden import GoldenTexts

NOW = datetime(2026, 3, 3, 12, 40, tzinfo=UTC)
CHICAGO = ZoneInfo("America/Chicago")


def make_statuses(condition: Condition, count: int, *, after: timedelta | None = None) -> list[Status]:
    at = None if after is None else NOW + after
    return [Status(condition, NOW, "So it is.", next_action_at=at) for _ in range(count)]


def test_the_fleet_is_one_sentence(golden: GoldenTexts) -> None:
    fleet = [
        *make_statuses(Condition.WAITING, 9, after=timedelta(hours=3)),
        *make_statuses(Condition.FRESH, 214),
        *make_statuses(Condition.LATE, 7, after=timedelta(hours=1)),
    ]
    golden.check(format_fleet_summary(fleet, NOW, CHICAGO))


def test_every_condition_has_a_label(golden: GoldenTexts) -> None:
    fleet = [status for condition in Condition for status in make_statuses(condition, 1)]
    golden.check(format_fleet_summary(fleet, NOW, UTC))


def test_waiting_past_its_hour_is_counted_as_late() -> None:
    waits = Status(Condition.WAITING, NOW, "Not yet.", late_at=NOW - timedelta(minutes=1))
    assert format_fleet_summary([waits], NOW, UTC) == "0 of 1 fresh, 1 late"


def test_another_day_is_named(golden: GoldenTexts) -> None:
    golden.check(format_fleet_summary(make_statuses(Condition.FRESH, 1, after=timedelta(days=1)), NOW, CHICAGO))


def test_what_is_due_is_due_now(golden: GoldenTexts) -> None:
    golden.check(format_fleet_summary(make_statuses(Condition.FRESH, 1, after=timedelta(0)), NOW, UTC))


def test_an_empty_fleet_has_a_sentence(golden: GoldenTexts) -> None:
    golden.check(format_fleet_summary([], NOW, UTC))
