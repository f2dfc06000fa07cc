"""The one broad guard of the house: a programmer's error in one place must not end what goes on in the others."""

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio

RESTART_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Budget:
    """How often something may be started again."""

    restarts_max: int
    within_seconds: float


class Crashes:
    """Those of one task, held against its budget."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._instants = deque[float](maxlen=budget.restarts_max + 1)

    def one_more(self) -> int:
        """There was another crash; how many restarts are left."""
        now = anyio.current_time()
        self._instants.append(now)
        recent = sum(1 for at in self._instants if now - at <= self._budget.within_seconds)
        return max(0, self._budget.restarts_max - recent + 1)


async def crash_of(work: Callable[[], Awaitable[None]], *expected: type[Exception]) -> Exception | None:
    """Do the work.

    Args:
        work: what is to be done.
        expected: what it may raise without having crashed.

    Returns:
        What it crashed of; None: it did not.

    Raises:
        Exception: one that was expected.
    """
    try:
        await work()
    except expected:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a programmer got wrong
        return error
    return None
