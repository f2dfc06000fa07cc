from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from oddaemon.core.model import Condition, Owner, Status
from oddaemon.core.reporting.status_document import OfficeStatus
from oddaemon.telemetry.events import FleetDigest
from tests.core.builders import make_published_snapshot

NOW = datetime(2026, 3, 8, 7, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def make_office(
    name: str, condition: Condition, owner: Owner | None = None, published: timedelta = HOUR
) -> OfficeStatus:
    snapshot = make_published_snapshot(date(2026, 3, 8), NOW - published, 100, 123_456)
    return OfficeStatus(name, name.title(), Status(condition, NOW - HOUR, "Why.", owner), snapshot=snapshot)


def test_a_fresh_fleet_names_no_office() -> None:
    offices = [make_office("elm", Condition.FRESH), make_office("oak", Condition.FRESH)]
    assert FleetDigest.of_fleet(offices, NOW) == FleetDigest(
        offices=2, fresh=2, published=2, guarantors=200, conditions={"fresh": 2}, not_fresh=()
    )


def test_every_stale_office_is_named_with_owner_and_reason_except_paused_ones() -> None:
    digest = FleetDigest.of_fleet(
        [
            make_office("oak", Condition.UNREACHABLE, Owner.OFFICE, published=30 * HOUR),
            make_office("ash", Condition.UNREACHABLE),
            make_office("elm", Condition.PAUSED),
            make_office("fir", Condition.BLOCKED, Owner.US),
        ],
        NOW,
    )
    assert (digest.offices, digest.fresh, digest.published) == (4, 0, 3)
    since = "2026-03-08T06:30:00.000Z"
    assert [tuple(each.values()) for each in digest.not_fresh] == [
        ("fir", "blocked", "us", since, "Why."),
        ("ash", "unreachable", None, since, "Why."),
        ("oak", "unreachable", "office", since, "Why."),
    ]


def test_waiting_past_the_deadline_is_late() -> None:
    waiting = make_office("elm", Condition.WAITING)
    late = replace(waiting, status=replace(waiting.status, late_at=NOW - HOUR / 2), snapshot=None)
    digest = FleetDigest.of_fleet([late], NOW)
    assert digest.conditions == {"late": 1}
    assert (digest.published, digest.guarantors) == (0, 0)
    assert digest.not_fresh[0]["since"] == "2026-03-08T07:00:00.000Z"
