from datetime import date, datetime, timedelta

from oddaemon.core.model import ControlTotals, Reader
from oddaemon.core.reporting.night_history import NIGHTS, NightOutcome, PendingNight, Publication, build_night_history
from tests.core.builders import at

LATEST = date(2026, 5, 5)
NOW = at("2026-05-05 09:00")
TOTALS = ControlTotals(3, 0, 0, 0, 0, 0, 0, 0, 0)


def published(day: date, hour: str = "02:41", number: int = 0, late_at: str | None = "07:00") -> Publication:
    deadline = None if late_at is None else at(f"{day} {late_at}")
    return Publication(number, day, at(f"{day} {hour}"), deadline, 3.0, 1, Reader.STATEMENT, TOTALS)


def back(days: int) -> date:
    return LATEST - timedelta(days=days)


def outcomes(
    *publications: Publication, awaited: PendingNight | None = None, now: datetime = NOW, nightly: bool = True
) -> list[NightOutcome]:
    return [night.outcome for night in build_night_history(publications, LATEST, awaited, now, nightly=nightly)]


def test_thirty_nights_are_told_the_oldest_first() -> None:
    nights = build_night_history([published(LATEST)], LATEST, None, NOW)
    assert [night.aging_date for night in nights] == [back(days) for days in range(NIGHTS - 1, -1, -1)]


def test_a_night_is_in_time_until_its_hour_and_late_after_it() -> None:
    told = outcomes(published(back(2)), published(back(1), "07:00"), published(LATEST, "07:01"))
    assert told[-3:] == [NightOutcome.IN_TIME, NightOutcome.IN_TIME, NightOutcome.LATE]


def test_how_early_a_night_was_is_told_with_its_sign() -> None:
    assert published(LATEST, "06:30").early_by == timedelta(minutes=30)
    assert published(LATEST, "07:30").early_by == timedelta(minutes=-30)


def test_a_night_without_an_hour_is_never_late() -> None:
    assert outcomes(published(LATEST, "23:59", late_at=None))[-1] is NightOutcome.IN_TIME


def test_a_night_without_a_snapshot_is_missing_but_not_before_the_first() -> None:
    told = outcomes(published(back(3)), published(LATEST))
    assert told[-5:] == [
        NightOutcome.UNKNOWN,
        NightOutcome.IN_TIME,
        NightOutcome.MISSING,
        NightOutcome.MISSING,
        NightOutcome.IN_TIME,
    ]


def test_an_office_that_does_not_age_every_night_misses_none() -> None:
    told = outcomes(published(back(2)), published(LATEST), nightly=False)
    assert told[-3:] == [NightOutcome.IN_TIME, NightOutcome.NOT_DUE, NightOutcome.IN_TIME]


def test_the_night_that_is_due_is_awaited_and_overdue_from_its_hour_on() -> None:
    awaited = PendingNight(LATEST, at("2026-05-05 07:00"))
    assert outcomes(published(back(1)), awaited=awaited, now=at("2026-05-05 06:59"))[-1] is NightOutcome.PENDING
    assert outcomes(published(back(1)), awaited=awaited, now=at("2026-05-05 07:00"))[-1] is NightOutcome.OVERDUE
    assert outcomes(published(back(1)), awaited=PendingNight(LATEST, None))[-1] is NightOutcome.PENDING


def test_a_rerun_of_aging_makes_no_night_late_and_is_what_is_believed_of_it() -> None:
    again, first = published(LATEST, "11:15", number=9), published(LATEST, number=8)
    night = build_night_history([again, first], LATEST, None, NOW)[-1]
    assert (night.outcome, night.first, night.last) == (NightOutcome.IN_TIME, first, again)


def test_an_aging_of_a_later_day_than_was_due_is_the_latest_night() -> None:
    ahead = published(LATEST + timedelta(days=1))
    assert build_night_history([ahead], LATEST, None, NOW)[-1].first == ahead


def test_of_an_office_that_never_published_nothing_is_known() -> None:
    assert set(outcomes()) == {NightOutcome.UNKNOWN}
