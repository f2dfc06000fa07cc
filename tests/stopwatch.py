"""How much processor an action takes: for budgets that hold on a busy machine, too."""

import resource
import time
from collections.abc import Callable

ATTEMPTS_MAX = 5


def measure_cpu_seconds(
    action: Callable[[], object], *, budget: float, read_clock: Callable[[], float] = time.process_time
) -> float:
    """The least of several runs, as soon as one keeps to `budget`: others on the machine, and the garbage of tests that
    ran before, only ever add to a run; code that is too slow is so each time."""
    least = float("inf")
    for _ in range(ATTEMPTS_MAX):
        began = read_clock()
        action()
        least = min(least, read_clock() - began)
        if least <= budget:
            break
    return least


def read_children_seconds() -> float:
    """What the ended processes of this one have used: a clock for an action that runs a program."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
