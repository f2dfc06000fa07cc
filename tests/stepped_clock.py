"""An event loop whose clock a test moves: a time-out of a minute passes at once, and never early on a slow machine.

`pytest.mark.event_loop(factory=SteppedLoop)` runs a test on it, for what talks to real sockets and processes: there
virtual time, which jumps by itself when nothing is ready, cannot know that the other side is only slow.
"""

import asyncio

import anyio
import anyio.lowlevel


class SteppedLoop(asyncio.SelectorEventLoop):
    """A loop on the machine's clock, ahead of it by the seconds that tests have stepped."""

    stepped_seconds = 0.0

    def time(self) -> float:
        """The machine's monotonic clock, and the steps."""
        return super().time() + self.stepped_seconds


async def step_clock(seconds: float) -> None:
    """Let this time pass at once: every timer that ends in it is due when this returns."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SteppedLoop)
    loop.stepped_seconds += seconds
    await anyio.lowlevel.checkpoint()  # the loop collects what is due
    await anyio.lowlevel.checkpoint()  # and has called it
