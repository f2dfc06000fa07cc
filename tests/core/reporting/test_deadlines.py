"""By when balances have to be there is the office's own hour; a night is over when everybody's hour has passed."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from oddaemon.core.model import Condition, OfficeSpec, Status
from oddaemon.core.office.machine import make_initial_state
from oddaemon.core.office.state import OfficeState, Published
from oddaemon.core.reporting.deadlines import (
    DAY,
    Deadline,
    DeadlineOutcome,
    FleetNight,
    count_missed_nights,
    find_next_deadline,
    get_deadline,
    get_known_since,
    summarize_night,
)
from oddaemon.core.reporting.office_runtime import OfficeRuntime
from tests.core.builders import DUE, SPEC, make_instant, make_preferences

DAY_5 = date(2026, 5, 5)
"""The morning after the night from 4 to 5 May."""
KNOWN = make_instant("2026-05-01 12:00")


def make_status(condition: Condition, since: datetime = KNOWN) -> Status:
    return Status(condition, since, "So it stands.")


def make_monitored_office(
    aged: str | None = "2026-05-04",
    *,
    office: OfficeSpec = SPEC,
    due: str = DUE,
    monthly: str = "0",
    version: str = "25.4.48.0",
    published_at: datetime | None = None,
    condition: Status | None = None,
    known_since: datetime = KNOWN,
) -> OfficeRuntime:
    state: OfficeState = make_initial_state(KNOWN)
    if aged is not None:
        day = date.fromisoformat(aged)
        state = replace(state, published=Published(day, published_at or make_instant(f"{aged} 02:10"), 40, 1, "all:"))
    known = make_preferences(aged or "", due=due, monthly=monthly, version=version)
    return OfficeRuntime(office, replace(state, preferences=known, standing=condition or state.standing), known_since)


@pytest.mark.parametrize(
    ("due", "fresh_by", "aged", "wanted"),
    [
        ("02:00:00", time(7), "2026-05-04", "2026-05-05 07:00"),
        ("22:00:00", time(7), "2026-05-04", "2026-05-06 07:00"),
        ("08:00:00", time(7), "2026-05-04", "2026-05-06 07:00"),
        ("07:00:00", time(7), "2026-05-04", "2026-05-06 07:00"),
        ("02:00:00", time(0), "2026-05-04", "2026-05-06 00:00"),
        ("02:00:00", time(23, 30), "2026-05-04", "2026-05-05 23:30"),
        # The time of the next run is unknown: that of the day before is good enough.
        ("", time(7), "2026-05-04", "2026-05-06 07:00"),
        ("half past two", time(7), "2026-05-04", "2026-05-06 07:00"),
    ],
)
def test_the_next_balances_are_owed_at_the_first_hour_after_their_run(
    due: str, fresh_by: time, aged: str, wanted: str
) -> None:
    office = replace(SPEC, fresh_by=fresh_by)
    assert find_next_deadline(make_monitored_office(aged, office=office, due=due)) == make_instant(wanted)


@pytest.mark.parametrize("due", ["02:00:00", "22:00:00", "08:00:00", "07:00:00", "06:59:59", ""])
@pytest.mark.parametrize("fresh_by", [time(7), time(0), time(23, 59)])
def test_the_deadline_of_missing_balances_is_that_of_the_first_night_without_them(due: str, fresh_by: time) -> None:
    office = replace(SPEC, fresh_by=fresh_by)
    for days in range(-3, 4):
        owed = get_deadline(make_monitored_office(office=office, due=due), DAY_5 + days * DAY)
        assert owed is not None
        before = make_monitored_office((owed.aging_date - DAY).isoformat(), office=office, due=due)
        assert find_next_deadline(before) == owed.at
        assert owed.due_at < owed.at


def test_a_night_expects_the_aging_of_the_run_before_it() -> None:
    assert get_deadline(make_monitored_office(), DAY_5) == Deadline(
        DAY_5, make_instant("2026-05-05 02:00"), make_instant("2026-05-05 07:00")
    )
    evening = make_monitored_office(due="22:00:00")
    assert get_deadline(evening, DAY_5) == Deadline(
        date(2026, 5, 4), make_instant("2026-05-04 22:00"), make_instant("2026-05-05 07:00")
    )


def test_a_deadline_in_the_hour_that_spring_leaves_out_is_when_the_gap_ends() -> None:
    office, march = replace(SPEC, fresh_by=time(2, 30)), make_instant("2026-03-01 12:00")
    assert find_next_deadline(
        make_monitored_office("2026-03-07", office=office, due="01:00:00", known_since=march)
    ) == make_instant("2026-03-08 03:00")


@pytest.mark.parametrize(
    "free",
    [
        make_monitored_office(office=replace(SPEC, fresh_by=None)),
        make_monitored_office(office=replace(SPEC, enabled=False)),
        make_monitored_office(condition=make_status(Condition.PAUSED)),
        make_monitored_office(monthly="1", version="21.4.1.0"),
    ],
    ids=["no fresh_by", "disabled", "paused", "monthly"],
)
def test_of_some_nothing_is_expected(free: OfficeRuntime) -> None:
    assert find_next_deadline(free) is None
    assert get_deadline(free, DAY_5) is None
    assert summarize_night(DAY_5, [free]) == FleetNight(DAY_5, exempt=1)


def test_an_office_that_was_never_read_owes_from_when_it_became_known() -> None:
    new = make_monitored_office(None, known_since=make_instant("2026-05-05 10:00"))
    assert find_next_deadline(new) == make_instant("2026-05-06 07:00")
    unsurveyed = replace(new, state=replace(new.state, preferences=None))
    assert find_next_deadline(unsurveyed) == make_instant("2026-05-06 07:00")
    assert get_deadline(unsurveyed, DAY_5 + DAY) == Deadline(
        DAY_5, make_instant("2026-05-05 07:00"), make_instant("2026-05-06 07:00")
    )


def test_an_office_that_comes_back_owes_from_then_on_and_nothing_of_the_time_between() -> None:
    resumed = make_monitored_office("2026-04-20", known_since=make_instant("2026-05-05 10:00"))
    assert find_next_deadline(resumed) == make_instant("2026-05-06 07:00")
    assert summarize_night(DAY_5, [resumed]) == FleetNight(DAY_5, exempt=1)
    assert summarize_night(DAY_5 + DAY, [resumed]).missing == (SPEC.id,)
    monitored = make_monitored_office("2026-05-05", known_since=make_instant("2026-05-05 10:00"))
    assert find_next_deadline(monitored) == make_instant("2026-05-06 07:00")
    assert summarize_night(DAY_5, [monitored]).fresh == 1
    published = make_monitored_office("2026-05-04", known_since=make_instant("2026-05-04 01:00"))
    assert find_next_deadline(published) == make_instant("2026-05-05 07:00")


@pytest.mark.parametrize(
    ("hours", "nights"), [(-1, 0), (-0.001, 0), (0, 1), (23, 1), (24, 2), (25, 2), (48, 3), (7 * 24 + 1, 8)]
)
def test_a_day_after_the_first_miss_two_nights_are_missed(hours: float, nights: int) -> None:
    missed = make_instant("2026-05-05 07:00")
    assert count_missed_nights(missed, missed + timedelta(hours=hours)) == nights


def test_a_night_is_complete_once_every_office_has_published() -> None:
    early = make_monitored_office("2026-05-05", published_at=make_instant("2026-05-05 02:10"))
    late = make_monitored_office("2026-05-05", published_at=make_instant("2026-05-05 07:01"))
    fleet_night = summarize_night(DAY_5, [early, late])
    assert fleet_night == FleetNight(DAY_5, fresh=2, late=1, last_deadline=make_instant("2026-05-05 07:00"))
    assert fleet_night.get_outcome(make_instant("2026-05-05 03:00")) is DeadlineOutcome.COMPLETE
    assert fleet_night.expected == 2


def test_a_night_is_missed_when_the_last_deadline_has_passed_and_not_before() -> None:
    fresh = make_monitored_office("2026-05-05")
    honolulu = replace(SPEC, id="pearl", zone=None)
    missing = make_monitored_office(office=honolulu)
    fleet_night = summarize_night(DAY_5, [fresh, missing])
    assert (fleet_night.fresh, fleet_night.missing, fleet_night.expected) == (1, ("pearl",), 2)
    assert fleet_night.last_deadline == max(make_instant("2026-05-05 07:00"), datetime(2026, 5, 5, 7, tzinfo=UTC))
    assert fleet_night.get_outcome(fleet_night.last_deadline - timedelta(seconds=1)) is DeadlineOutcome.OPEN
    assert fleet_night.get_outcome(fleet_night.last_deadline) is DeadlineOutcome.MISSED


def test_an_office_blocked_before_the_night_is_counted_apart_from_the_missing() -> None:
    known = make_monitored_office(condition=make_status(Condition.BLOCKED, make_instant("2026-05-05 01:59")))
    tonight = make_monitored_office(condition=make_status(Condition.BLOCKED, make_instant("2026-05-05 02:01")))
    fresh = make_monitored_office("2026-05-05")
    fleet_night = summarize_night(DAY_5, [fresh, known])
    assert (fleet_night.fresh, fleet_night.blocked, fleet_night.missing) == (1, 1, ())
    assert fleet_night.get_outcome(make_instant("2026-05-05 03:00")) is DeadlineOutcome.COMPLETE
    assert summarize_night(DAY_5, [fresh, tonight]).missing == ("mesa",)


def test_a_blocked_office_whose_balances_are_there_is_fresh() -> None:
    blocked = make_monitored_office("2026-05-05", condition=make_status(Condition.BLOCKED))
    assert summarize_night(DAY_5, [blocked]).fresh == 1


def test_a_night_without_offices_stays_open() -> None:
    assert summarize_night(DAY_5, []).get_outcome(make_instant("2026-06-01 00:00")) is DeadlineOutcome.OPEN
    known = make_monitored_office(condition=make_status(Condition.BLOCKED))
    assert summarize_night(DAY_5, [known]).get_outcome(make_instant("2026-06-01 00:00")) is DeadlineOutcome.OPEN


def test_an_office_added_after_the_deadline_is_not_part_of_this_night() -> None:
    came = make_instant("2026-05-05 10:00")
    assert summarize_night(DAY_5, [make_monitored_office(None, known_since=came)]).exempt == 1
    first = make_monitored_office("2026-05-05", published_at=make_instant("2026-05-05 10:01"), known_since=came)
    assert summarize_night(DAY_5, [first]).exempt == 1
    assert summarize_night(DAY_5 + DAY, [first]).missing == ("mesa",)


@pytest.mark.parametrize("before", [make_monitored_office(), make_monitored_office(None)])
def test_a_restart_makes_no_office_new(before: OfficeRuntime) -> None:
    restarted = replace(before, known_since=get_known_since(before.state))
    assert summarize_night(DAY_5, [restarted]).missing == ("mesa",)
    late = make_monitored_office(
        "2026-05-05", published_at=make_instant("2026-05-05 08:00"), known_since=restarted.known_since
    )
    assert (summarize_night(DAY_5, [late]).fresh, summarize_night(DAY_5, [late]).late) == (1, 1)
