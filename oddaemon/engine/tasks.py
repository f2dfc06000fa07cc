"""The one broad guard of the house: a programmer's error in one place must not end what goes on in the others.

Which workers to stop and which to start, so that what runs is what is wanted.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import anyio

RESTART_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class CrashBudget:
    """How often something may be started again."""

    restarts_max: int
    within_seconds: float


class CrashCounter:
    """Those of one task, held against its budget."""

    def __init__(self, budget: CrashBudget) -> None:
        self._budget = budget
        self._crashed_at = deque[float](maxlen=budget.restarts_max + 1)

    def record_crash(self) -> int:
        """There was another crash; how many restarts are left."""
        now = anyio.current_time()
        self._crashed_at.append(now)
        recent = sum(1 for at in self._crashed_at if now - at <= self._budget.within_seconds)
        return max(0, self._budget.restarts_max - recent + 1)


async def run_guarded(work: Callable[[], Awaitable[None]], *expected: type[Exception]) -> Exception | None:
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


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TaskDiff(Generic[T]):
    """Stop first, start afterwards; what is in neither runs on untouched."""

    stop: tuple[str, ...]
    start: tuple[T, ...]


def reconcile(wanted: Mapping[str, T], running: Mapping[str, T]) -> TaskDiff[T]:
    """Compare by equality: an office whose settings are the same is in neither part of the plan."""
    stop = tuple(key for key, settings in running.items() if wanted.get(key) != settings)
    start = tuple(settings for key, settings in wanted.items() if running.get(key) != settings)
    return TaskDiff(stop, start)
