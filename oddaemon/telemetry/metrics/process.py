"""Memory, CPU and open files of this process, where only its own directory of /proc is shown."""

import time

from prometheus_client import ProcessCollector


class OwnProcessCollector(ProcessCollector):
    """The library's collector reads /proc/stat for when the machine started, and tells nothing without it.

    A unit with `ProcSubset=pid` has no /proc/stat; the clocks know the same.
    """

    def _boot_time(self) -> float:
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
