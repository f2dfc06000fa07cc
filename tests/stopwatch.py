"""How much processor an action takes: for budgets that hold on a busy machine, too."""

import time
from collections.abc import Callable

ATTEMPTS_MAX = 5


def measure_cpu_seconds(action: Callable[[], object], *, budget: float) -> float:
    """The least of several runs, as soon as one keeps to `budget`: others on the machine, and the garbage of tests that
    ran before, only ever add to a run; code that is too slow is so each time."""
    least = float("inf")
    for _ in range(ATTEMPTS_MAX):
        began = time.process_time()
        action()
        least = min(least, time.process_time() - began)
        if least <= budget:
            break
    return least
