"""Wall time of the simulated world.

Everything in the simulator that asks "what time is it?" asks a `WorldClock`: the base it was given plus the event
loop's own time, so that a virtual event loop makes a virtual night. Wall clocks may be stepped, as real ones are by
NTP or an administrator; durations are slept on the loop and never notice.
"""

from datetime import UTC, datetime, timedelta

import anyio


class WorldClock:
    """Base instant + event loop time since first use + all steps so far.

    Args:
        base: Aware instant that `now()` says at construction (or at first use in a loop, when built outside one).
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
        """The world's instant, aware UTC. Outside a loop: the last instant that was seen in one."""
        self._read_loop()
        return self._base + timedelta(seconds=self._elapsed_seconds)

    def elapsed_seconds(self) -> float:
        """Seconds since the world began, which no step disturbs. Outside a loop: as last seen in one."""
        self._read_loop()
        return self._elapsed_seconds

    def step(self, by: timedelta) -> None:
        """Set the wall clock forward or back; sleepers look again at once."""
        self._base += by
        self._stepped.set()
        self._stepped = anyio.Event()

    async def sleep_until(self, instant: datetime) -> None:
        """Return once `now()` has reached `instant`, whatever steps happen on the way."""
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
