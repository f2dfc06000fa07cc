"""The clock of a daemon: the machine's, or in a fleet the database's, so that hosts never disagree about an instant."""

import time
from collections.abc import Callable
from datetime import datetime

from oddaemon.core.fleet.clock import SAMPLES, ClockSample, estimate_now


def read_boot_clock() -> float:
    """Seconds of a clock that is never set and that runs while the machine sleeps or the process is stopped."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class SharedClock:
    """Shows the time.

    Args:
        machine_now: The machine's wall clock.
        boot_clock: As `read_boot_clock`.
    """

    def __init__(self, machine_now: Callable[[], datetime], boot_clock: Callable[[], float] = read_boot_clock) -> None:
        self.read_boot_clock = boot_clock
        self.machine_now = machine_now
        self._samples: list[ClockSample] = []

    def now(self) -> datetime:
        """The database's time as its last answers tell it; the machine's before there is one."""
        return estimate_now(self._samples, self.read_boot_clock()) if self._samples else self.machine_now()

    def add_sample(self, sent: float, at: datetime) -> ClockSample:
        """The database answered just now to what was sent then, and its clock showed this instant meanwhile."""
        sample = ClockSample(sent, self.read_boot_clock(), at)
        self._samples = [*self._samples[1 - SAMPLES :], sample]
        return sample

    def forget(self) -> None:
        """The next answers may come from another server, whose clock differs."""
        self._samples = []
