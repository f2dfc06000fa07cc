from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from oddaemon.core.model import Condition, Owner, Status
from oddaemon.core.reporting.fleet_summary import FleetSummary, StaleOffice, summarize_fleet
from oddaemon.core.reporting.status_document import OfficeStatus
from tests.core.builders import make_published_snapshot

NOW = datetime(2026, 3, 8, 7, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def make_office(
    name: str, condition: Condition, owner: Owner | None = None, published: timedelta = HOUR
) -> OfficeStatus:
    snapshot = make_published_snapshot(date(2026, 3, 8), NOW - published, 100, 123_456)
    return OfficeStatus(name, name.title(), Status(condition, NOW - HOUR, "Why.", owner), snapshot=snapshot)


def test_a_fresh_fleet_names_no_office() -> None:
    assert summarize_fleet(
        [make_office("elm", Condition.FRESH), make_office("oak", Condition.FRESH)], NOW
    ) == FleetSummary(offices=2, fresh=2, published=2, guarantors=200, conditions={Condition.FRESH: 2}, stale=())


def test_every_stale_office_is_named_with_owner_and_reason_except_paused_ones() -> None:
    summary = summarize_fleet(
        [
            make_office("oak", Condition.UNREACHABLE, Owner.OFFICE, published=30 * HOUR),
            make_office("ash", Condition.UNREACHABLE, Owner.OFFICE),
            make_office("elm", Condition.PAUSED),
            make_office("fir", Condition.BLOCKED, Owner.US),
        ],
        NOW,
    )
    assert (summary.offices, summary.fresh, summary.published) == (4, 0, 3)
    assert summary.stale == (
        StaleOffice("fir", Condition.BLOCKED, Owner.US, NOW - HOUR, "Why."),
        StaleOffice("ash", Condition.UNREACHABLE, Owner.OFFICE, NOW - HOUR, "Why."),
        StaleOffice("oak", Condition.UNREACHABLE, Owner.OFFICE, NOW - HOUR, "Why."),
    )


def test_waiting_past_the_deadline_is_late() -> None:
    waiting = make_office("elm", Condition.WAITING)
    late = replace(waiting, status=replace(waiting.status, late_at=NOW - HOUR / 2), snapshot=None)
    summary = summarize_fleet([late], NOW)
    assert summary.conditions == {Condition.LATE: 1}
    assert (summary.published, summary.guarantors) == (0, 0)
    assert summary.stale[0].since == NOW - HOUR / 2
