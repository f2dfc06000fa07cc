"""By when balances have to be there is the office's own hour; a night is over when everybody's hour has passed."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from oddaemon.core.model import Condition, Office, Status
from oddaemon.core.office.machine import make_initial_state
from oddaemon.core.office.state import OfficeState, Published
from oddaemon.core.reporting.deadlines import (
    DAY,
    Deadline,
    DeadlineOutcome,
    FleetNight,
    MonitoredOffice,
    count_missed_nights,
    find_next_deadline,
    get_deadline,
    get_known_since,
    summarize_night,
)
from tests.core.builders import DUE, OFFICE, at, preferences

DAY_5 = date(2026, 5, 5)
"""The morning after the night from 4 to 5 May."""
KNOWN = at("2026-05-01 12:00")


def standing(condition: Condition, since: datetime = KNOWN) -> Status:
    return Status(condition, since, "So it stands.")


def watched(
    aged: str | None = "2026-05-04",
    *,
    office: Office = OFFICE,
    due: str = DUE,
    monthly: str = "0",
    version: str = "25.4.48.0",
    published_at: datetime | None = None,
    condition: Status | None = None,
    known_since: datetime = KNOWN,
) -> MonitoredOffice:
    state: OfficeState = make_initial_state(KNOWN)
    if aged is not None:
        day = date.fromisoformat(aged)
        state = replace(state, published=Published(day, published_at or at(f"{aged} 02:10"), 40, 1, "all:"))
    known = preferences(aged or "", due=due, monthly=monthly, version=version)
    return MonitoredOffice(office, replace(state, preferences=known, standing=condition or state.standing), known_since)


@pytest.mark.parametrize(
    ("due", "fresh_by", "aged", "wanted"),
    [
        ("02:00:00", time(7), "2026-05-04", "2026-05-05 07:00"),
        ("22:00:00", time(7), "2026-05-04", "2026-05-06 07:00"),
        ("08:00:00", time(7), "2026-05-04", "2026-05-06 07:00"),
        ("07:00:00", time(7), "2026-05-04", "2026-05-06 07:00"),
        ("02:00:00", time(0), "2026-05-04", "2026-05-06 00:00"),
        ("02:00:00", time(23, 30), "2026-05-04", "2026-05-05 23:30"),
        # Nobody knows when the next run comes: that of the day before is good enough.
        ("", time(7), "2026-05-04", "2026-05-06 07:00"),
        ("half past two", time(7), "2026-05-04", "2026-05-06 07:00"),
    ],
)
def test_the_next_balances_are_owed_at_the_first_hour_after_their_run(
    due: str, fresh_by: time, aged: str, wanted: str
) -> None:
    office = replace(OFFICE, fresh_by=fresh_by)
    assert find_next_deadline(watched(aged, office=office, due=due)) == at(wanted)


@pytest.mark.parametrize("due", ["02:00:00", "22:00:00", "08:00:00", "07:00:00", "06:59:59", ""])
@pytest.mark.parametrize("fresh_by", [time(7), time(0), time(23, 59)])
def test_the_deadline_of_what_is_missing_is_that_of_the_first_morning_that_lacks_it(due: str, fresh_by: time) -> None:
    office = replace(OFFICE, fresh_by=fresh_by)
    for days in range(-3, 4):
        owed = get_deadline(watched(office=office, due=due), DAY_5 + days * DAY)
        assert owed is not None
        before = watched((owed.aging_date - DAY).isoformat(), office=office, due=due)
        assert find_next_deadline(before) == owed.at
        assert owed.due_at < owed.at


def test_a_morning_owes_the_aging_of_the_run_before_it() -> None:
    assert get_deadline(watched(), DAY_5) == Deadline(DAY_5, at("2026-05-05 02:00"), at("2026-05-05 07:00"))
    evening = watched(due="22:00:00")
    assert get_deadline(evening, DAY_5) == Deadline(date(2026, 5, 4), at("2026-05-04 22:00"), at("2026-05-05 07:00"))


def test_a_deadline_in_the_hour_that_spring_leaves_out_is_when_the_gap_ends() -> None:
    office, march = replace(OFFICE, fresh_by=time(2, 30)), at("2026-03-01 12:00")
    assert find_next_deadline(watched("2026-03-07", office=office, due="01:00:00", known_since=march)) == at(
        "2026-03-08 03:00"
    )


@pytest.mark.parametrize(
    "free",
    [
        watched(office=replace(OFFICE, fresh_by=None)),
        watched(office=replace(OFFICE, enabled=False)),
        watched(condition=standing(Condition.PAUSED)),
        watched(monthly="1", version="21.4.1.0"),
    ],
    ids=["no fresh_by", "disabled", "paused", "monthly"],
)
def test_of_some_nothing_is_expected(free: MonitoredOffice) -> None:
    assert find_next_deadline(free) is None
    assert get_deadline(free, DAY_5) is None
    assert summarize_night(DAY_5, [free]) == FleetNight(DAY_5, exempt=1)


def test_an_office_that_was_never_read_owes_from_when_it_became_known() -> None:
    new = watched(None, known_since=at("2026-05-05 10:00"))
    assert find_next_deadline(new) == at("2026-05-06 07:00")
    unsurveyed = replace(new, state=replace(new.state, preferences=None))
    assert find_next_deadline(unsurveyed) == at("2026-05-06 07:00")
    assert get_deadline(unsurveyed, DAY_5 + DAY) == Deadline(DAY_5, at("2026-05-05 07:00"), at("2026-05-06 07:00"))


def test_an_office_that_comes_back_owes_from_then_on_and_nothing_of_the_time_between() -> None:
    resumed = watched("2026-04-20", known_since=at("2026-05-05 10:00"))
    assert find_next_deadline(resumed) == at("2026-05-06 07:00")
    assert summarize_night(DAY_5, [resumed]) == FleetNight(DAY_5, exempt=1)
    assert summarize_night(DAY_5 + DAY, [resumed]).missing == (OFFICE.id,)
    kept = watched("2026-05-05", known_since=at("2026-05-05 10:00"))
    assert find_next_deadline(kept) == at("2026-05-06 07:00")
    assert summarize_night(DAY_5, [kept]).fresh == 1
    published = watched("2026-05-04", known_since=at("2026-05-04 01:00"))
    assert find_next_deadline(published) == at("2026-05-05 07:00")


@pytest.mark.parametrize(
    ("hours", "nights"), [(-1, 0), (-0.001, 0), (0, 1), (23, 1), (24, 2), (25, 2), (48, 3), (7 * 24 + 1, 8)]
)
def test_a_day_after_the_first_miss_two_nights_are_missed(hours: float, nights: int) -> None:
    missed = at("2026-05-05 07:00")
    assert count_missed_nights(missed, missed + timedelta(hours=hours)) == nights


def test_a_morning_is_complete_once_everybody_has_published() -> None:
    early = watched("2026-05-05", published_at=at("2026-05-05 02:10"))
    late = watched("2026-05-05", published_at=at("2026-05-05 07:01"))
    told = summarize_night(DAY_5, [early, late])
    assert told == FleetNight(DAY_5, fresh=2, late=1, last_deadline=at("2026-05-05 07:00"))
    assert told.get_outcome(at("2026-05-05 03:00")) is DeadlineOutcome.COMPLETE
    assert told.expected == 2


def test_a_morning_is_missed_when_the_last_hour_has_passed_and_not_before() -> None:
    fresh = watched("2026-05-05")
    honolulu = replace(OFFICE, id="pearl", zone=None)
    missing = watched(office=honolulu)
    told = summarize_night(DAY_5, [fresh, missing])
    assert (told.fresh, told.missing, told.expected) == (1, ("pearl",), 2)
    assert told.last_deadline == max(at("2026-05-05 07:00"), datetime(2026, 5, 5, 7, tzinfo=UTC))
    assert told.get_outcome(told.last_deadline - timedelta(seconds=1)) is DeadlineOutcome.OPEN
    assert told.get_outcome(told.last_deadline) is DeadlineOutcome.MISSED


def test_an_office_that_was_blocked_before_the_night_is_told_apart_and_one_of_this_night_is_missing() -> None:
    known = watched(condition=standing(Condition.BLOCKED, at("2026-05-05 01:59")))
    tonight = watched(condition=standing(Condition.BLOCKED, at("2026-05-05 02:01")))
    fresh = watched("2026-05-05")
    told = summarize_night(DAY_5, [fresh, known])
    assert (told.fresh, told.blocked, told.missing) == (1, 1, ())
    assert told.get_outcome(at("2026-05-05 03:00")) is DeadlineOutcome.COMPLETE
    assert summarize_night(DAY_5, [fresh, tonight]).missing == ("mesa",)


def test_a_blocked_office_whose_balances_are_there_is_fresh() -> None:
    blocked = watched("2026-05-05", condition=standing(Condition.BLOCKED))
    assert summarize_night(DAY_5, [blocked]).fresh == 1


def test_a_morning_of_nobody_stays_open() -> None:
    assert summarize_night(DAY_5, []).get_outcome(at("2026-06-01 00:00")) is DeadlineOutcome.OPEN
    known = watched(condition=standing(Condition.BLOCKED))
    assert summarize_night(DAY_5, [known]).get_outcome(at("2026-06-01 00:00")) is DeadlineOutcome.OPEN


def test_an_office_that_came_after_the_hour_is_none_of_this_mornings() -> None:
    came = at("2026-05-05 10:00")
    assert summarize_night(DAY_5, [watched(None, known_since=came)]).exempt == 1
    first = watched("2026-05-05", published_at=at("2026-05-05 10:01"), known_since=came)
    assert summarize_night(DAY_5, [first]).exempt == 1
    assert summarize_night(DAY_5 + DAY, [first]).missing == ("mesa",)


@pytest.mark.parametrize("before", [watched(), watched(None)])
def test_a_restart_makes_no_office_new(before: MonitoredOffice) -> None:
    restarted = replace(before, known_since=get_known_since(before.state))
    assert summarize_night(DAY_5, [restarted]).missing == ("mesa",)
    late = watched("2026-05-05", published_at=at("2026-05-05 08:00"), known_since=restarted.known_since)
    assert (summarize_night(DAY_5, [late]).fresh, summarize_night(DAY_5, [late]).late) == (1, 1)
