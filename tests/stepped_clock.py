"""An event loop whose clock a test moves: a time-out of a minute passes at once, and never early on a slow machine.

For what talks to real sockets and processes. `oddaemon.simulator.virtual_time` jumps by itself when nothing is ready,
and cannot know that the other side is only slow.
"""

import asyncio
from typing import Any

import anyio
import anyio.lowlevel


class SteppedLoop(asyncio.SelectorEventLoop):
    """A loop on the machine's clock, ahead of it by the seconds that tests have stepped."""

    stepped_seconds = 0.0

    def time(self) -> float:
        """The machine's monotonic clock, and the steps."""
        return super().time() + self.stepped_seconds


STEPPED_CLOCK: tuple[str, dict[str, Any]] = ("asyncio", {"loop_factory": SteppedLoop})
"""A backend with such a loop; the `anyio_backend` of a module returns it."""


async def step_clock(seconds: float) -> None:
    """Let this time pass at once: every timer that ends in it is due when this returns."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SteppedLoop)
    loop.stepped_seconds += seconds
    await anyio.lowlevel.checkpoint()  # the loop collects what is due
    await anyio.lowlevel.checkpoint()  # and has called it
