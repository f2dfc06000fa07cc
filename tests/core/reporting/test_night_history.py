from datetime import date, datetime, timedelta

from oddaemon.core.model import ControlTotals, PublishedSnapshot, Reader
from oddaemon.core.reporting.night_history import NIGHTS, NightOutcome, PendingNight, build_night_history
from tests.core.builders import make_instant

LATEST = date(2026, 5, 5)
NOW = make_instant("2026-05-05 09:00")
TOTALS = ControlTotals(3, 0, 0, 0, 0, 0, 0, 0, 0)


def make_publication(
    day: date, hour: str = "02:41", number: int = 0, late_at: str | None = "07:00"
) -> PublishedSnapshot:
    deadline = None if late_at is None else make_instant(f"{day} {late_at}")
    at = make_instant(f"{day} {hour}")
    return PublishedSnapshot(number, "elm", day, at, at, Reader.STATEMENT, 1, TOTALS, 0, 0, 0, 3.0, deadline)


def days_before(days: int) -> date:
    return LATEST - timedelta(days=days)


def list_outcomes(
    *publications: PublishedSnapshot, pending: PendingNight | None = None, now: datetime = NOW, nightly: bool = True
) -> list[NightOutcome]:
    return [night.outcome for night in build_night_history(publications, LATEST, pending, now, nightly=nightly)]


def test_thirty_nights_are_listed_oldest_first() -> None:
    nights = build_night_history([make_publication(LATEST)], LATEST, None, NOW)
    assert [night.aging_date for night in nights] == [days_before(days) for days in range(NIGHTS - 1, -1, -1)]


def test_a_night_is_in_time_until_its_hour_and_late_after_it() -> None:
    results = list_outcomes(
        make_publication(days_before(2)), make_publication(days_before(1), "07:00"), make_publication(LATEST, "07:01")
    )
    assert results[-3:] == [NightOutcome.IN_TIME, NightOutcome.IN_TIME, NightOutcome.LATE]


def test_how_early_a_night_was_has_a_sign() -> None:
    assert make_publication(LATEST, "06:30").early_by == timedelta(minutes=30)
    assert make_publication(LATEST, "07:30").early_by == timedelta(minutes=-30)


def test_a_night_without_an_hour_is_never_late() -> None:
    assert list_outcomes(make_publication(LATEST, "23:59", late_at=None))[-1] is NightOutcome.IN_TIME


def test_a_night_without_a_snapshot_is_missing_but_not_before_the_first() -> None:
    results = list_outcomes(make_publication(days_before(3)), make_publication(LATEST))
    assert results[-5:] == [
        NightOutcome.UNKNOWN,
        NightOutcome.IN_TIME,
        NightOutcome.MISSING,
        NightOutcome.MISSING,
        NightOutcome.IN_TIME,
    ]


def test_an_office_that_does_not_age_every_night_misses_none() -> None:
    results = list_outcomes(make_publication(days_before(2)), make_publication(LATEST), nightly=False)
    assert results[-3:] == [NightOutcome.IN_TIME, NightOutcome.NOT_DUE, NightOutcome.IN_TIME]


def test_the_night_that_is_due_is_pending_and_overdue_from_its_hour_on() -> None:
    pending = PendingNight(LATEST, make_instant("2026-05-05 07:00"))
    assert (
        list_outcomes(make_publication(days_before(1)), pending=pending, now=make_instant("2026-05-05 06:59"))[-1]
        is NightOutcome.PENDING
    )
    assert (
        list_outcomes(make_publication(days_before(1)), pending=pending, now=make_instant("2026-05-05 07:00"))[-1]
        is NightOutcome.OVERDUE
    )
    assert (
        list_outcomes(make_publication(days_before(1)), pending=PendingNight(LATEST, None))[-1] is NightOutcome.PENDING
    )


def test_a_rerun_of_aging_makes_no_night_late_and_is_what_is_believed_of_it() -> None:
    again, first = make_publication(LATEST, "11:15", number=9), make_publication(LATEST, number=8)
    night = build_night_history([again, first], LATEST, None, NOW)[-1]
    assert (night.outcome, night.first, night.last) == (NightOutcome.IN_TIME, first, again)


def test_an_aging_of_a_later_day_than_was_due_is_the_latest_night() -> None:
    ahead = make_publication(LATEST + timedelta(days=1))
    assert build_night_history([ahead], LATEST, None, NOW)[-1].first == ahead


def test_of_an_office_that_never_published_nothing_is_known() -> None:
    assert set(list_outcomes()) == {NightOutcome.UNKNOWN}
