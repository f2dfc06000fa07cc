from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from oddaemon.core.office.clock import OfficeClock, compute_skew
from tests.core.builders import make_instant

CHICAGO = ZoneInfo("America/Chicago")


def parse_naive(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("zone", "local", "instant"),
    [
        ("America/Chicago", "2026-05-05 02:00", "2026-05-05T07:00Z"),
        # The gap: the hour from two to three does not exist, it is reached when the gap ends.
        ("America/Chicago", "2026-03-08 02:00", "2026-03-08T08:00Z"),
        ("America/Chicago", "2026-03-08 02:30", "2026-03-08T08:00Z"),
        ("America/Chicago", "2026-03-08 02:59:59.999999", "2026-03-08T08:00Z"),
        ("America/Chicago", "2026-03-08 03:00", "2026-03-08T08:00Z"),
        ("America/Chicago", "2026-03-08 01:59:59", "2026-03-08T07:59:59Z"),
        ("Europe/Berlin", "2026-03-29 02:15", "2026-03-29T01:00Z"),
        ("Australia/Lord_Howe", "2026-10-04 02:10", "2026-10-03T15:30Z"),
        ("Pacific/Apia", "2011-12-30 12:00", "2011-12-30T10:00Z"),
        # The fold: of two o'clocks the first.
        ("America/Chicago", "2026-11-01 01:30", "2026-11-01T06:30Z"),
        ("America/Chicago", "2026-11-01 02:00", "2026-11-01T08:00Z"),
        ("America/Havana", "2026-11-01 00:30", "2026-11-01T04:30Z"),
        # No summer time at all.
        ("America/Phoenix", "2026-03-08 02:00", "2026-03-08T09:00Z"),
        ("Pacific/Honolulu", "2026-11-01 01:30", "2026-11-01T11:30Z"),
    ],
)
def test_a_local_time_is_reached_at_one_instant(zone: str, local: str, instant: str) -> None:
    assert OfficeClock(ZoneInfo(zone)).to_instant(parse_naive(local)) == datetime.fromisoformat(instant)


def test_the_office_reads_its_own_clock() -> None:
    fast = OfficeClock(CHICAGO, timedelta(minutes=20))
    assert fast.to_local(make_instant("2026-05-05 01:50")) == parse_naive("2026-05-05 02:10")
    assert fast.to_instant(parse_naive("2026-05-05 02:00")) == make_instant("2026-05-05 01:40")


@pytest.mark.parametrize(
    ("due", "now", "day", "reached"),
    [
        ("02:00", "2026-05-05 02:00", "2026-05-05", "2026-05-05 02:00"),
        ("02:00", "2026-05-05 01:59:59", "2026-05-04", "2026-05-04 02:00"),
        ("00:00", "2026-05-05 00:00", "2026-05-05", "2026-05-05 00:00"),
        ("23:30", "2026-05-05 23:29", "2026-05-04", "2026-05-04 23:30"),
        ("23:30", "2026-05-06 00:15", "2026-05-05", "2026-05-05 23:30"),
        ("02:00", "2026-03-08 01:59", "2026-03-07", "2026-03-07 02:00"),
        ("02:00", "2026-03-08 03:00", "2026-03-08", "2026-03-08 03:00"),
        ("01:30", "2026-11-01 01:29", "2026-10-31", "2026-10-31 01:30"),
        ("01:30", "2026-11-01 01:30", "2026-11-01", "2026-11-01 01:30"),
    ],
)
def test_the_last_time_that_the_clock_reached_its_due_time(due: str, now: str, day: str, reached: str) -> None:
    last = OfficeClock(CHICAGO).find_last(time.fromisoformat(due), make_instant(now))
    assert last == (date.fromisoformat(day), make_instant(reached))


def test_in_the_second_hour_of_a_fold_the_due_time_is_not_reached_again() -> None:
    clock, second = OfficeClock(CHICAGO), make_instant("2026-11-01 01:10", fold=1)
    assert clock.to_local(second) == parse_naive("2026-11-01 01:10")
    assert clock.find_last(time(1, 30), second) == (date(2026, 11, 1), make_instant("2026-11-01 01:30"))
    assert clock.find_next(time(1, 30), second) == make_instant("2026-11-02 01:30")


def test_the_next_due_time_is_always_later_than_now() -> None:
    clock = OfficeClock(CHICAGO)
    assert clock.find_next(time(2), make_instant("2026-05-05 02:00")) == make_instant("2026-05-06 02:00")
    assert clock.find_next(time(2), make_instant("2026-05-05 01:59")) == make_instant("2026-05-05 02:00")
    assert clock.find_next(time(2), make_instant("2026-03-07 12:00")) == make_instant("2026-03-08 03:00")


INSTANT = datetime(2026, 5, 5, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "office_now", "utc_now", "skew"),
    [
        (CHICAGO, "2026-05-05 07:00", "2026-05-05 12:00", timedelta()),
        (CHICAGO, "2026-05-05 06:59:30", "2026-05-05 11:59:30", timedelta()),
        (CHICAGO, "2026-05-05 07:10", "2026-05-05 12:10", timedelta(minutes=10)),
        (CHICAGO, "2026-05-05 06:00", "2026-05-05 12:00", timedelta(hours=-1)),
        (None, "2026-05-05 07:00", "2026-05-05 12:00", timedelta(hours=-5)),
        (None, "2026-05-05 17:32", "2026-05-05 12:02", timedelta(hours=5, minutes=32)),
        (UTC, "2026-05-05 12:00", "2026-05-05 12:00", timedelta()),
    ],
)
def test_a_servers_clock_is_measured_against_its_zone(
    zone: ZoneInfo | None, office_now: str, utc_now: str, skew: timedelta
) -> None:
    assert compute_skew(zone, parse_naive(office_now), parse_naive(utc_now), INSTANT) == skew


@pytest.mark.parametrize("fold", [0, 1])
def test_the_hour_that_comes_twice_is_not_measured_as_skew(fold: int) -> None:
    instant = make_instant("2026-11-01 01:30", fold=fold)
    utc_now = instant.replace(tzinfo=None)
    assert compute_skew(CHICAGO, parse_naive("2026-11-01 01:30"), utc_now, instant) == timedelta()


def test_a_measured_clock_reads_what_the_server_said() -> None:
    for zone in (None, CHICAGO):
        skew = compute_skew(zone, parse_naive("2026-05-05 21:40"), parse_naive("2026-05-05 12:10"), INSTANT)
        assert OfficeClock(zone or UTC, skew).to_local(INSTANT) == parse_naive("2026-05-05 21:40")
