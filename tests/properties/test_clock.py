"""Whatever a zone does, an office's due time comes once a day and in order."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from oddaemon.core.office.clock import OfficeClock, compute_skew

ZONES = [
    "America/Chicago",
    "America/New_York",
    "America/Los_Angeles",
    "America/Phoenix",
    "America/Havana",
    "America/Anchorage",
    "Pacific/Honolulu",
    "America/St_Johns",
    "Europe/London",
    "Australia/Lord_Howe",
    "Australia/Sydney",
    "Africa/Casablanca",
]
MINUTE = timedelta(minutes=1)

# Half of all instants lie within a day of a change of some clock.
changes = st.sampled_from(
    [
        datetime(2026, 3, 8, 8, tzinfo=UTC),
        datetime(2026, 11, 1, 7, tzinfo=UTC),
        datetime(2026, 3, 29, 1, tzinfo=UTC),
        datetime(2026, 10, 25, 1, tzinfo=UTC),
        datetime(2026, 4, 4, 15, tzinfo=UTC),
        datetime(2026, 10, 3, 16, tzinfo=UTC),
    ]
)
near = st.builds(lambda change, minutes: change + minutes * MINUTE, changes, st.integers(-1_500, 1_500))
anywhere = st.integers(0, 20 * 366 * 24 * 60).map(lambda minutes: datetime(2015, 1, 1, tzinfo=UTC) + minutes * MINUTE)
instants = near | anywhere
skews = st.just(timedelta()) | st.integers(-7_200, 7_200).map(lambda seconds: timedelta(seconds=seconds))
clocks = st.builds(OfficeClock, st.sampled_from(ZONES).map(ZoneInfo), skews)
due_times = st.times(timezones=st.none()).map(lambda at: at.replace(microsecond=0)) | st.sampled_from(
    [time(0), time(1, 30), time(2), time(2, 30), time(23, 30)]
)


@given(clocks, instants, due_times)
def test_an_instant_is_the_first_at_which_the_clock_says_so_or_later(
    clock: OfficeClock, instant: datetime, due: time
) -> None:
    wanted = datetime.combine(clock.to_local(instant).date(), due)
    reached = clock.to_instant(wanted)
    assert clock.to_local(reached) >= wanted
    for before in (timedelta(seconds=1), MINUTE, 40 * MINUTE, 90 * MINUTE, 600 * MINUTE):
        assert clock.to_local(reached - before) < wanted


@given(clocks, instants, due_times)
def test_last_and_next_stand_around_now_one_day_apart(clock: OfficeClock, now: datetime, due: time) -> None:
    day, last = clock.find_last(due, now)
    coming = clock.find_next(due, now)
    assert last <= now < coming
    assert timedelta(hours=22) < coming - last < timedelta(hours=26)
    assert clock.to_instant(datetime.combine(day, due)) == last
    assert clock.find_last(due, coming) == (day + timedelta(days=1), coming)
    assert clock.find_last(due, last) == (day, last)


@given(clocks, instants, due_times)
def test_the_due_days_follow_each_other_without_a_gap(clock: OfficeClock, now: datetime, due: time) -> None:
    day, at = clock.find_last(due, now)
    for step in range(1, 5):
        at = clock.find_next(due, at)
        assert clock.find_last(due, at) == (day + timedelta(days=step), at)


@given(st.sampled_from(ZONES).map(ZoneInfo) | st.none(), st.sampled_from(ZONES), instants, st.integers(-5_000, 5_000))
def test_a_measured_clock_says_what_its_server_said(
    configured: ZoneInfo | None, actual: str, instant: datetime, error_seconds: int
) -> None:
    invalid = instant + timedelta(seconds=error_seconds)
    office_now, utc_now = invalid.astimezone(ZoneInfo(actual)).replace(tzinfo=None), invalid.replace(tzinfo=None)
    skew = compute_skew(configured, office_now, utc_now, instant)
    offset = instant.astimezone(configured or UTC).utcoffset() or timedelta()
    assert abs(instant.replace(tzinfo=None) + offset + skew - office_now) <= timedelta(seconds=60.5)
