"""Wall time of the simulated world, and of its offices: naive, in the office's zone, and possibly wrong.

Everything in the simulator reads the time from a `WorldClock`: its base plus the time of the event loop, so a virtual
event loop makes a virtual night. The wall clock can be stepped, as NTP or an administrator steps a real one. Durations
are measured on the loop, and a step does not change them.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import anyio


@dataclass(frozen=True, slots=True)
class TimePoint:
    """A moment: seconds since a beginning, which no step of the wall clock changes, and the world's instant (UTC)."""

    seconds: float
    instant: datetime


class WorldClock:
    """Base instant + event loop time since first use + all steps so far.

    Args:
        base: Aware instant that `now()` returns at construction (or at its first use in a loop, if built outside one).
    """

    def __init__(self, base: datetime) -> None:
        if base.tzinfo is None:
            raise ValueError("A world begins at an aware instant; this base has no time zone.")
        self._base = base.astimezone(UTC)
        self._loop_seconds_at_base: float | None = None
        self._elapsed_seconds = 0.0
        self._stepped = anyio.Event()
        self._read_loop()

    def now(self) -> datetime:
        """The world's instant, aware UTC. Outside a loop: the last instant that was read in one."""
        self._read_loop()
        return self._base + timedelta(seconds=self._elapsed_seconds)

    def elapsed_seconds(self) -> float:
        """Seconds since the world began, unaffected by steps. Outside a loop: the last value that was read in one."""
        self._read_loop()
        return self._elapsed_seconds

    def step(self, by: timedelta) -> None:
        """Set the wall clock forward or back, and make sleeping tasks check it at once."""
        self._base += by
        self._stepped.set()
        self._stepped = anyio.Event()

    async def sleep_until(self, instant: datetime) -> None:
        """Return when `now()` reaches `instant`, with regard to all steps meanwhile."""
        while (remaining_seconds := (instant - self.now()).total_seconds()) > 0:
            with anyio.move_on_after(remaining_seconds):
                await self._stepped.wait()

    def _read_loop(self) -> None:
        try:
            loop_seconds = asyncio.get_running_loop().time()
        except RuntimeError:  # outside a loop
            return
        if self._loop_seconds_at_base is None:
            self._loop_seconds_at_base = loop_seconds
        self._elapsed_seconds = loop_seconds - self._loop_seconds_at_base


class ServerClock:
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
