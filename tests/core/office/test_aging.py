from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from oddaemon.core.dates import parse_date, parse_datetime, parse_due_time
from oddaemon.core.model import AgingMark, Cadence, Owner
from oddaemon.core.office.aging import (
    BLOCKING_STATUSES,
    Aging,
    AgingStatus,
    compute_missed_at,
    evaluate_aging,
    has_broken_off,
    make_broken_off_aging,
    parse_release,
)
from oddaemon.core.office.clock import OfficeClock
from tests.core.builders import CHICAGO, DUE, make_instant, make_preferences
from tests.golden import GoldenTexts

CADENCE = Cadence()
S = AgingStatus


def evaluate_at(
    now: str,
    last: str,
    *,
    due: str = DUE,
    begin: str = "",
    monthly: str = "0",
    version: str = "25.4.48.0",
    zone: str = "America/Chicago",
    skew: timedelta = timedelta(),
    fold: int = 0,
) -> Aging:
    known = make_preferences(last, due=due, begin=begin, monthly=monthly, version=version)
    return evaluate_aging(known, OfficeClock(ZoneInfo(zone), skew), make_instant(now, zone, fold=fold), CADENCE)


@pytest.mark.parametrize(
    ("now", "last", "due", "status"),
    [
        # An ordinary night: due at two, an hour to start in, five minutes of grace.
        ("2026-05-05 01:59:59", "2026-05-04", DUE, S.COMPLETE),
        ("2026-05-05 02:00", "2026-05-04", DUE, S.DUE),
        ("2026-05-05 03:04:59", "2026-05-04", DUE, S.DUE),
        ("2026-05-05 03:05", "2026-05-04", DUE, S.MISSED),
        ("2026-05-05 23:59", "2026-05-04", DUE, S.MISSED),
        ("2026-05-06 01:59", "2026-05-04", DUE, S.MISSED),
        ("2026-05-06 02:00", "2026-05-04", DUE, S.DUE),
        ("2026-05-05 02:10", "2026-05-05", DUE, S.COMPLETE),
        ("2026-05-05 12:00", "2026-04-01", DUE, S.MISSED),
        # Due at midnight, and shortly before it.
        ("2026-05-04 23:59:59", "2026-05-04", "00:00:00", S.COMPLETE),
        ("2026-05-05 00:00", "2026-05-04", "00:00:00", S.DUE),
        ("2026-05-05 00:05", "2026-05-05", "00:00:00", S.COMPLETE),
        ("2026-05-05 23:29", "2026-05-04", "23:30:00", S.COMPLETE),
        ("2026-05-05 23:30", "2026-05-04", "23:30:00", S.DUE),
        ("2026-05-06 00:20", "2026-05-04", "23:30:00", S.DUE),
        ("2026-05-06 00:20", "2026-05-05", "23:30:00", S.COMPLETE),
        ("2026-05-06 00:35", "2026-05-04", "23:30:00", S.MISSED),
        # Aged by hand earlier on the day: the service skips its run.
        ("2026-05-05 23:45", "2026-05-05", "23:30:00", S.COMPLETE),
        # Never aged.
        ("2026-05-05 01:00", "", DUE, S.WAITING),
        ("2026-05-05 01:00", "0001-01-01", DUE, S.WAITING),
        ("2026-05-05 02:30", "", DUE, S.DUE),
        ("2026-05-05 03:30", "", DUE, S.MISSED),
        # Automation off: aged by hand or never.
        ("2026-05-05 12:00", "2026-05-05", "", S.NOT_CONFIGURED),
        ("2026-05-05 12:00", "", "", S.NOT_CONFIGURED),
        ("2026-05-05 12:00", "", "0001-01-01 00:00:00", S.NOT_CONFIGURED),
        # A date that the office has not reached.
        ("2026-05-05 12:00", "2026-05-06", DUE, S.FUTURE),
        ("2026-05-05 12:00", "9999-12-31", DUE, S.FUTURE),
        ("2026-05-05 23:50", "2026-05-06", DUE, S.COMPLETE),
        # Nothing that can be read.
        ("2026-05-05 12:00", "yesterday", DUE, S.UNREADABLE),
        ("2026-05-05 12:00", "2026-02-30", DUE, S.UNREADABLE),
        ("2026-05-05 12:00", "2026-05-05", "two o'clock", S.UNREADABLE),
    ],
)
def test_where_an_office_stands(now: str, last: str, due: str, status: AgingStatus) -> None:
    assert evaluate_at(now, last, due=due).status is status


@pytest.mark.parametrize(
    ("now", "begin", "last", "status"),
    [
        ("2026-05-05 02:30", "2026-05-05 02:00:10", "2026-05-04", S.RUNNING),
        ("2026-05-05 05:59", "2026-05-05 02:00:00", "2026-05-04", S.RUNNING),
        ("2026-05-05 06:00", "2026-05-05 02:00:00", "2026-05-04", S.STUCK),
        ("2026-05-06 01:59", "2026-05-05 02:00:00", "2026-05-06", S.STUCK),
        # A day old: newer versions run over it, and the newer date shows that this one did.
        ("2026-05-06 02:20", "2026-05-05 02:00:00", "2026-05-06", S.COMPLETE),
        ("2026-05-06 02:20", "2026-05-05 02:00:00", "2026-05-05", S.STUCK),
        ("2026-05-06 02:20", "2026-05-05 02:00:00", "", S.STUCK),
        # By hand, later on the day; over midnight; by a clock ahead of ours; long ago; not at all.
        ("2026-05-05 15:01", "2026-05-05 15:00:00", "2026-05-05", S.RUNNING),
        ("2026-05-06 00:10", "2026-05-05 23:50:00", "2026-05-05", S.RUNNING),
        ("2026-05-05 02:00", "2026-05-05 02:03:00", "2026-05-04", S.RUNNING),
        ("2026-05-05 12:00", "9999-12-31 00:00:00", "2026-05-05", S.STUCK),
        ("2026-05-05 12:00", "0001-01-01 00:00:00", "2026-05-05", S.COMPLETE),
        ("2026-05-05 12:00", "soon", "2026-05-05", S.UNREADABLE),
    ],
)
def test_a_lock_is_a_run_or_what_a_crash_left(now: str, begin: str, last: str, status: AgingStatus) -> None:
    assert evaluate_at(now, last, begin=begin).status is status


@pytest.mark.parametrize("due", [DUE, ""])
def test_no_balances_are_trusted_while_a_run_is_or_may_be_half_done(due: str) -> None:
    for now in ("2026-05-05 02:30", "2026-05-05 09:00"):
        assert evaluate_at(now, "2026-05-05", begin="2026-05-05 02:00:00", due=due).aging_date is None


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("21.4.12.0", S.MONTHLY),
        ("22.1.99.0", S.MONTHLY),
        ("22.2.1.0", S.MISSED),
        ("25.4.48.0", S.MISSED),
        ("", S.MISSED),
        ("unknown", S.MISSED),
        ("9" * 6_000, S.MISSED),
    ],
)
def test_monthly_aging_ended_with_version_22_2(version: str, status: AgingStatus) -> None:
    monthly = evaluate_at("2026-05-25 12:00", "2026-05-01", monthly="1", version=version)
    assert monthly.status is status
    assert monthly.aging_date == date(2026, 5, 1)


def test_an_office_that_ages_monthly_is_never_late_and_may_wait_for_its_first() -> None:
    first = evaluate_at("2026-05-25 12:00", "", monthly="1", version="21.4.12.0")
    assert (first.status, first.aging_date, first.pending_due_at) == (S.WAITING, None, None)


@pytest.mark.parametrize(
    ("zone", "now", "fold", "last", "due", "status"),
    [
        # The gap: two o'clock never comes. The run is due from three on, and may start for an hour.
        ("America/Chicago", "2026-03-08 01:59", 0, "2026-03-07", "02:00", S.COMPLETE),
        ("America/Chicago", "2026-03-08 03:00", 0, "2026-03-07", "02:00", S.DUE),
        ("America/Chicago", "2026-03-08 04:04", 0, "2026-03-07", "02:00", S.DUE),
        ("America/Chicago", "2026-03-08 04:05", 0, "2026-03-07", "02:00", S.MISSED),
        ("America/Chicago", "2026-03-08 03:20", 0, "2026-03-08", "02:00", S.COMPLETE),
        ("America/Los_Angeles", "2026-03-08 03:00", 0, "2026-03-07", "02:30", S.DUE),
        ("Europe/London", "2026-03-29 00:59", 0, "2026-03-28", "01:00", S.COMPLETE),
        ("Europe/London", "2026-03-29 02:00", 0, "2026-03-28", "01:00", S.DUE),
        ("America/Phoenix", "2026-03-08 02:00", 0, "2026-03-07", "02:00", S.DUE),
        # The fold: half past one comes twice and is due once.
        ("America/Chicago", "2026-11-01 01:29", 0, "2026-10-31", "01:30", S.COMPLETE),
        ("America/Chicago", "2026-11-01 01:30", 0, "2026-10-31", "01:30", S.DUE),
        ("America/Chicago", "2026-11-01 01:10", 1, "2026-10-31", "01:30", S.DUE),
        ("America/Chicago", "2026-11-01 01:10", 1, "2026-11-01", "01:30", S.COMPLETE),
        ("America/Chicago", "2026-11-01 01:35", 1, "2026-10-31", "01:30", S.MISSED),
        ("America/Chicago", "2026-11-01 02:00", 0, "2026-10-31", "02:00", S.DUE),
        ("Europe/London", "2026-10-25 01:30", 0, "2026-10-24", "01:30", S.DUE),
        ("Australia/Sydney", "2026-04-05 02:30", 1, "2026-04-04", "02:30", S.DUE),
    ],
)
def test_nights_on_which_the_clock_changes(  # noqa: PLR0917  a table
    zone: str, now: str, fold: int, last: str, due: str, status: AgingStatus
) -> None:
    assert evaluate_at(now, last, due=due, zone=zone, fold=fold).status is status


def test_a_run_over_the_change_of_the_clock_is_still_a_run() -> None:
    spring = evaluate_at("2026-03-08 03:05", "2026-03-07", begin="2026-03-08 01:58:00")
    autumn = evaluate_at("2026-11-01 01:05", "2026-10-31", begin="2026-11-01 01:58:00", fold=1)
    assert (spring.status, autumn.status) == (S.RUNNING, S.RUNNING)


def test_due_is_read_on_the_offices_own_wrong_clock() -> None:
    fast, slow = timedelta(minutes=20), timedelta(minutes=-20)
    assert evaluate_at("2026-05-05 01:45", "2026-05-04", skew=fast).status is S.DUE
    assert evaluate_at("2026-05-05 02:15", "2026-05-04", skew=slow).status is S.COMPLETE
    assert evaluate_at("2026-05-04 23:45", "2026-05-05", due="00:00", skew=fast).status is S.COMPLETE
    assert evaluate_at("2026-05-05 02:15", "2026-05-04", skew=slow).next_due_at == make_instant("2026-05-05 02:20")


def test_summer_time_not_measured_yet_makes_no_future_of_today() -> None:
    measured_in_winter = OfficeClock(ZoneInfo("Etc/GMT+6"))
    known = make_preferences("2026-03-09", due="00:00")
    assert evaluate_aging(known, measured_in_winter, make_instant("2026-03-09 00:10"), CADENCE).status is not S.FUTURE


def test_what_only_the_office_can_fix_names_the_office_and_a_remedy() -> None:
    met = {
        evaluate_at("2026-05-05 12:00", "2026-05-04", begin="2026-05-05 02:00:00"),
        evaluate_at("2026-05-05 12:00", "2026-05-04", due=""),
        evaluate_at("2026-05-05 12:00", "2026-06-30"),
        evaluate_at("2026-05-05 12:00", "?"),
        evaluate_at("2026-05-05 12:00", "2026-05-04"),
    }
    assert {aging.status for aging in met} == BLOCKING_STATUSES | {S.MISSED}
    for aging in met:
        assert aging.owner is Owner.OFFICE
        assert aging.advice.startswith("Ask the office")
        assert aging.message.startswith("Hello! ")
        assert "Could you please" in aging.message


PREFERENCES = [
    ("2026-05-05", "", DUE),
    ("", "", ""),
    ("2026-05-01", "", ""),
    ("2026-05-04", "", DUE),
    ("", "", "11:30"),
    ("2026-05-04", "2026-05-05 11:00:00", DUE),
    ("2026-05-04", "2026-05-05 02:00:00", DUE),
    ("x" * 5_000, "", DUE),
    ("", "x", DUE),
    ("", "", "x"),
]


def test_each_status_is_a_sentence(golden: GoldenTexts) -> None:
    reasons = [evaluate_at("2026-05-05 12:00", last, begin=begin, due=due).reason for last, begin, due in PREFERENCES]
    assert max(map(len, reasons)) < 200
    golden.check(reasons)


def test_the_due_times_around_now_are_reported() -> None:
    aging = evaluate_at("2026-05-05 12:00", "2026-05-05")
    assert (aging.due_at, aging.next_due_at) == (make_instant("2026-05-05 02:00"), make_instant("2026-05-06 02:00"))
    assert aging.pending_due_at == aging.next_due_at
    assert evaluate_at("2026-05-05 12:00", "2026-05-04").pending_due_at == aging.due_at
    assert evaluate_at("2026-05-05 01:00", "").pending_due_at == aging.due_at
    assert evaluate_at("2026-05-05 12:00", "2026-05-05", due="").pending_due_at is None


def test_a_run_is_missed_after_its_hour_and_a_little() -> None:
    assert compute_missed_at(make_instant("2026-05-05 02:00"), CADENCE) == make_instant("2026-05-05 03:05")
    assert compute_missed_at(
        make_instant("2026-05-05 02:00"), replace(CADENCE, start_window_seconds=60)
    ) == make_instant("2026-05-05 02:06")


SEEN = AgingMark("2026-05-04", "2026-05-05 02:00:00")


@pytest.mark.parametrize(
    ("mark", "last", "version", "broken_off"),
    [
        # From 22.2 on, a lock without a new date is aging of some families, or a run that was rolled back.
        *((SEEN, "2026-05-04", version, False) for version in ("25.4.1.0", "22.2.0.0", "", "unknown")),
        (AgingMark("", "2026-05-05 02:00:00"), "", "25.4.1.0", False),
        *((SEEN, "2026-05-04", version, True) for version in ("22.1.9.0", "21.3.27.0")),
        (SEEN, "2026-05-05", "22.1.9.0", False),
        (AgingMark("", "2026-05-05 02:00:00"), "", "22.1.9.0", True),
        # A second run on the same day, a lock that was never seen.
        (AgingMark("2026-05-05", "2026-05-05 15:00:00"), "2026-05-05", "22.1.9.0", False),
        (AgingMark("2026-05-04", ""), "2026-05-04", "22.1.9.0", False),
    ],
)
def test_only_an_old_version_can_leave_the_balances_of_two_runs(
    mark: AgingMark, last: str, version: str, *, broken_off: bool
) -> None:
    assert has_broken_off(mark, make_preferences(last, version=version)) is broken_off


def test_monthly_aging_never_moves_its_date_within_the_month() -> None:
    mark = AgingMark("2026-05-01", "2026-05-15 09:00:00")
    assert not has_broken_off(mark, make_preferences("2026-05-01", monthly="1", version="21.4.1.0"))


def test_balances_of_a_run_that_was_broken_off_are_not_to_be_had(golden: GoldenTexts) -> None:
    before = evaluate_at("2026-05-05 12:00", "2026-05-04")
    after = make_broken_off_aging(before, SEEN)
    assert (after.status, after.aging_date, after.owner) == (S.MISSED, None, Owner.OFFICE)
    golden.check(after.reason)
    assert after.pending_due_at == before.pending_due_at


@pytest.mark.parametrize(
    ("text", "release"),
    [("25.4.48.0", (25, 4, 48)), ("22.2", (22, 2, 0)), ("v 24.1.14 beta", (24, 1, 14)), ("25", None), ("", None)],
)
def test_a_release_is_three_numbers(text: str, release: tuple[int, int, int] | None) -> None:
    assert parse_release(text) == release


@pytest.mark.parametrize(
    "text",
    ["", " ", "0001-01-01", "0001-01-01 00:00:00", "1/1/0001 12:00:00 AM", "0000-00-00", "/Date(-62135596800000)/"],
)
def test_nothing_and_the_zero_date_are_no_date(text: str) -> None:
    assert parse_date(text) is None
    assert parse_datetime(text) is None
    assert parse_due_time(text) is None


@pytest.mark.parametrize(
    "text",
    [
        *("2026-05-25", "2026-05-25 00:00:00", "2026-05-25T00:00:00", " 2026-05-25 00:00 ", "2026-05-25 08:15:00"),
        *("2026-05-25T00:00:00Z", "2026-05-25T00:00:00.0000000", "2026-05-25T23:30:00-08:00", "2026/5/25"),
        *("5/25/2026", "25/05/2026", "5/25/2026 12:00:00 AM", "/Date(1779667200000)/", "/Date(1779694200000-0500)/"),
        *(r"\/Date(1779694200000-0500)\/", "/Date(1779649200000+0600)/"),
    ],
)
def test_a_date_says_its_day_in_every_spelling_of_mysql_json_and_dotnet(text: str) -> None:
    assert parse_date(text) == date(2026, 5, 25)


@pytest.mark.parametrize(
    "text",
    [
        "05/06/2026",
        "05/05/2026",
        "13/13/2026",
        "2026-05-05 25:00:00",
        "02:00:00",
        "Z",
        "/Date(1777950000000)/",
        "/Date(999999999999999)/",
        "2026-05-05 13:00 PM",
        "20260505",
        "2026-13-01",
        "2026-W01-1",
        "\u0662026-05-05",
        "null",
    ],
)
def test_what_is_no_date_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a date$"):
        parse_date(text)


def test_times_are_read_on_the_offices_clock_whatever_zone_they_claim() -> None:
    assert parse_datetime("2026-05-05T02:00:00Z") == datetime.fromisoformat("2026-05-05 02:00")
    assert str(parse_due_time("2026-05-05T02:15:00")) == "02:15:00"
    assert str(parse_due_time("0001-01-01 02:15:00")) == "02:15:00"
    assert str(parse_due_time("2:15".zfill(5))) == "02:15:00"
    assert str(parse_due_time("5/5/2026 2:15:00 PM")) == "14:15:00"


@pytest.mark.parametrize("text", ["2 AM", "25:00", "2026-05-05", "noon"])
def test_what_is_no_time_of_day_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="time of day"):
        parse_due_time(text)


def test_a_zone_is_nothing_the_preferences_say() -> None:
    here, there = (
        evaluate_aging(make_preferences(), OfficeClock(zone), make_instant("2026-05-05 01:30"), CADENCE)
        for zone in (CHICAGO, ZoneInfo("America/New_York"))
    )
    assert (here.status, there.status) == (S.COMPLETE, S.DUE)
