"""Parses the dates and times of Open Dental's preferences, in any spelling that MySQL, JSON and .NET write.

An empty text and a zero date mean None. A date says its own day, whatever time or zone follows it: an office's server
writes its own day. `11/29/2026` and `29/11/2026` can be one day only; `11/12/2026` may be two, so it is not read.
An error says only what was expected: the text is foreign.
"""

import re
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

_SPELLING = re.compile(
    r"(?:(?P<year>\d{4})[-/](?P<month>\d{1,2})[-/](?P<day>\d{1,2})"
    r"|(?P<first>\d{1,2})/(?P<second>\d{1,2})/(?P<last>\d{4}))?"
    r"(?:(?:^|[T ]+)(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<seconds>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"(?: ?(?P<half>[AP])\.?M\.?)?)?"
    r" ?(?:Z|UTC|[+-]\d{2}:?\d{2})?",
    re.ASCII | re.IGNORECASE,
)
_AMBIGUOUS_DAY = re.compile(r"\A\d{1,2}/\d{1,2}/(?!0001)\d{4}(?= )", re.ASCII)
"""Of no matter where only the time counts."""
_TICKS = re.compile(
    r"\\?/Date\((?P<milliseconds>-?\d{1,15})(?:(?P<sign>[+-])(?P<hours>\d{2})(?P<minutes>\d{2}))?\)\\?/"
)
"""What older .NET serializers write; the offset is that of the server's own clock."""
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  a naive instant of UTC


class _Moment(NamedTuple):
    """A text that was read: its day and its time, as far as it has them."""

    day: date | None
    """`date.min`: a zero date."""
    time: time | None


def parse_date(text: str) -> date | None:
    """Parse a date; a time after it is ignored. Raises ValueError, whose text is a clause, for anything else."""
    moment = _parse_moment(text, "is not a date")
    return None if moment is None else _get_day(moment, "is not a date")


def parse_datetime(text: str) -> datetime | None:
    """Parse a naive datetime on the office's clock. Raises as `parse_date` does."""
    moment = _parse_moment(text, "is not a date and time")
    day = None if moment is None else _get_day(moment, "is not a date and time")
    return None if moment is None or day is None else datetime.combine(day, moment.time or time())


def parse_due_time(text: str) -> time | None:
    """Parse the time of day of the automated run; only a zero date without a time is None: no time is set."""
    moment = _parse_moment(_AMBIGUOUS_DAY.sub("2000-01-01", text.strip()), "is not a time of day")
    if moment is None or (moment.day == date.min and moment.time in (None, time())):
        return None
    if moment.time is None:
        raise ValueError("is not a time of day")
    return moment.time


def _get_day(moment: _Moment, problem: str) -> date | None:
    if moment.day is None:
        raise ValueError(problem)
    return None if moment.day == date.min else moment.day


def _parse_moment(text: str, problem: str) -> _Moment | None:
    text = text.strip()
    if not text:
        return None
    if ticks := _TICKS.fullmatch(text):
        return _parse_ticks(ticks, problem)
    match = _SPELLING.fullmatch(text)
    try:
        if match is None or not (match["year"] or match["last"] or match["hour"]):
            raise ValueError  # noqa: TRY301  one place says what was expected
        return _Moment(_parse_day(match), _parse_time(match))
    except ValueError:
        raise ValueError(problem) from None


def _parse_day(match: re.Match[str]) -> date | None:
    """The day of a match; None: there is none."""
    if match["year"] is not None:
        year, month, day = int(match["year"]), int(match["month"]), int(match["day"])
    elif match["last"] is not None:
        month, day, year = int(match["first"]), int(match["second"]), int(match["last"])
        if month > 12:  # noqa: PLR2004  so the day came first
            month, day = day, month
        elif day <= 12 and year > 1:  # noqa: PLR2004  as above
            raise ValueError("it may be two days")
    else:
        return None
    return date(year, month, day) if year else date.min


def _parse_time(match: re.Match[str]) -> time | None:
    if match["hour"] is None:
        return None
    hour = int(match["hour"])
    if match["half"] is not None:
        if not 1 <= hour <= 12:  # noqa: PLR2004  a clock of twelve hours
            raise ValueError("no such hour")
        hour = hour % 12 + (12 if match["half"].upper() == "P" else 0)
    microseconds = int(f"{match['fraction'] or 0:0<6}"[:6])
    return time(hour, int(match["minute"]), int(match["seconds"] or 0), microseconds)


def _parse_ticks(match: re.Match[str], problem: str) -> _Moment:
    """Milliseconds since 1970 in UTC. Without an offset only midnight says which day the server means."""
    try:
        moment = _EPOCH + timedelta(milliseconds=int(match["milliseconds"]))
        if match["sign"] is not None:
            offset = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"]))
            moment += offset if match["sign"] == "+" else -offset
        elif moment.time() != time():
            raise ValueError(problem)
    except OverflowError:
        raise ValueError(problem) from None
    return _Moment(moment.date(), moment.time())
