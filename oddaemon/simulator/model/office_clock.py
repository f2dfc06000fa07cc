"""The office server's clock: naive, in the office's zone, and possibly wrong."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from oddaemon.simulator.model.world_clock import WorldClock


class OfficeClock:
    """The clock that `NOW()` and the nightly service read.

    Args:
        world: The world's time.
        zone: IANA zone of the office server.
        skew_seconds: How far the office's clock is ahead.
    """

    def __init__(self, world: WorldClock, zone: str, skew_seconds: float) -> None:
        self.world = world
        self._zone = ZoneInfo(zone)
        self._skew = timedelta(seconds=skew_seconds)

    def utc_now(self) -> datetime:
        """`UTC_TIMESTAMP()`: naive, whole seconds."""
        return (self.world.now() + self._skew).astimezone(UTC).replace(tzinfo=None, microsecond=0)

    def now(self) -> datetime:
        """`NOW()`: naive, whole seconds."""
        return (self.world.now() + self._skew).astimezone(self._zone).replace(tzinfo=None, microsecond=0)

    def today(self) -> date:
        """The office's date."""
        return self.now().date()

    def find_first_instant(self, day: date, time_of_day: time) -> datetime:
        """The world's instant at which the office's clock first shows this time or later on that day.

        A time inside the DST gap is never shown; its result is the end of the gap. A time inside the fold is shown
        twice; its result is the first occurrence.

        Returns:
            Aware UTC.
        """
        return find_first_instant(datetime.combine(day, time_of_day), self._zone) - self._skew


def find_first_instant(local: datetime, zone: ZoneInfo) -> datetime:
    """The first instant (aware UTC) at which a clock in the zone shows naive `local` or later on the same day."""
    earlier, later = sorted(local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if earlier == later or _to_local(earlier, zone) == local:
        return earlier
    while later - earlier > timedelta(seconds=1):
        middle = (earlier + (later - earlier) / 2).replace(microsecond=0)
        if _to_local(middle, zone) >= local:
            later = middle
        else:
            earlier = middle
    return later


def _to_local(instant: datetime, zone: ZoneInfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None)
