"""Wall time of the simulated world.

Everything in the simulator reads the time from a `WorldClock`: its base plus the time of the event loop, so a virtual
event loop makes a virtual night. The wall clock can be stepped, as NTP or an administrator steps a real one. Durations
are measured on the loop, and a step does not change them.
"""

from datetime import UTC, datetime, timedelta

import anyio


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
            loop_seconds = anyio.current_time()
        except RuntimeError:  # anyio's NoEventLoopError, or asyncio's own in a thread that a loop started
            return
        if self._loop_seconds_at_base is None:
            self._loop_seconds_at_base = loop_seconds
        self._elapsed_seconds = loop_seconds - self._loop_seconds_at_base
