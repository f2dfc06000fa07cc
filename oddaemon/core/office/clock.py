"""The clock of the office's server. "Today", the due time and the deadline of an office follow this clock only.

Open Dental stores local times without a zone. All instants here are aware UTC datetimes.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache

from oddaemon.core.model import OfficeSpec
from oddaemon.core.office.state import OfficeState

CLOCK_AGE_MAX = timedelta(hours=1)
"""An older measurement is no evidence: the office is not blamed for a date or a lock because of it."""
CLOCK_NOISE = timedelta(seconds=60)
"""A smaller difference of the server's UTC is the latency of the response, not a wrong clock."""

LOCAL_TIMES_MAX = 4096
"""Remembered with their instants: a few due times in a few zones, on the days around now."""


@dataclass(frozen=True, slots=True)
class OfficeClock:
    """A zone, and the offset of the office's server from it (from UTC if no zone is configured)."""

    zone: tzinfo = UTC
    skew: timedelta = timedelta()

    def to_local(self, instant: datetime) -> datetime:
        """The local time on the office's server at `instant` (naive)."""
        return (instant + self.skew).astimezone(self.zone).replace(tzinfo=None)

    def to_instant(self, local: datetime) -> datetime:
        """The first instant at which the office's server shows `local` or a later time (aware UTC).

        For a time that the spring gap skips, this is the end of the gap. For a time that occurs twice in autumn, it is
        the first occurrence.
        """
        return _find_instant(self.zone, local) - self.skew

    def find_last(self, at: time, instant: datetime) -> tuple[date, datetime]:
        """The latest day on which the clock reached `at` by `instant`, and the instant at which it did."""
        day = self.to_local(instant).date() + timedelta(days=1)
        while (reached := self.to_instant(datetime.combine(day, at))) > instant:
            day -= timedelta(days=1)
        return day, reached

    def find_next(self, at: time, instant: datetime) -> datetime:
        """The first instant later than `instant` at which the clock reaches `at`."""
        day, _ = self.find_last(at, instant)
        return self.to_instant(datetime.combine(day + timedelta(days=1), at))


@lru_cache(LOCAL_TIMES_MAX)
def _find_instant(zone: tzinfo, local: datetime) -> datetime:
    """As `OfficeClock.to_instant`, of a clock without skew. An office asks for the same few times all night long."""
    wanted = local.replace(tzinfo=zone, fold=0)
    at = wanted.astimezone(UTC)
    return at if at.astimezone(zone).replace(tzinfo=None) == local else _find_gap_end(wanted)


def _find_gap_end(skipped: datetime) -> datetime:
    """The instant at which the zone's clock jumps over the local time `skipped`, to the second."""
    before = skipped.replace(fold=1).astimezone(UTC)
    after = skipped.replace(fold=0).astimezone(UTC)
    jumped = after.astimezone(skipped.tzinfo).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        if middle.astimezone(skipped.tzinfo).utcoffset() == jumped:
            after = middle
        else:
            before = middle
    return after.replace(microsecond=0)


def compute_skew(zone: tzinfo | None, office_now: datetime, utc_now: datetime, instant: datetime) -> timedelta:
    """Compute the offset of the office's server from its zone, or from UTC if no zone is configured.

    Args:
        zone: The configured zone.
        office_now: The server's NOW(), naive.
        utc_now: The server's UTC_TIMESTAMP() of the same statement, naive.
        instant: When the response arrived.
    """
    offset = office_now - utc_now
    error = utc_now - instant.astimezone(UTC).replace(tzinfo=None)
    if abs(error) <= CLOCK_NOISE:
        error = timedelta()
    configured = instant.astimezone(zone or UTC).utcoffset() or timedelta()
    return timedelta(seconds=round((offset - configured + error).total_seconds()))


def make_office_clock(state: OfficeState, office: OfficeSpec) -> OfficeClock:
    """Make the office's clock from its configured zone and the measured offset; UTC while neither is known."""
    measured = state.skew_seconds if state.skew_zone == str(office.zone) else None
    return OfficeClock(office.zone or UTC, timedelta(seconds=measured or 0.0))


def has_clock(state: OfficeState, office: OfficeSpec) -> bool:
    """Whether the office's "today" is known, from its configured zone or its measured clock."""
    return office.zone is not None or (state.skew_seconds is not None and state.skew_zone == str(office.zone))


def is_clock_recent(state: OfficeState, now: datetime, office: OfficeSpec) -> bool:
    """Whether the office's clock was measured recently. After a step of our own clock no measurement is recent."""
    if state.skew_zone != str(office.zone) or state.measured_at is None:
        return False
    return abs(now - state.measured_at) < CLOCK_AGE_MAX


def was_clock_measured_since(state: OfficeState, instant: datetime, now: datetime, office: OfficeSpec) -> bool:
    """Whether the office's server was asked at or after `instant`."""
    if state.skew_zone != str(office.zone) or state.measured_at is None:
        return False
    return instant <= state.measured_at <= now
