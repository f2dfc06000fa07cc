"""The orders of one office that are not over: which one is next, and how far each has come."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import anyio

from oddaemon.core.backfill import Backfill, Step

IDLE = frozenset({Step.AWAITING, Step.AWAITING_COUNT})
"""While nothing of ours is under way at the API."""


@dataclass(slots=True, eq=False)
class Course:
    """How far an order has come, for whoever watches it."""

    order: Backfill
    requests: int = 0
    """Of the reading that is under way."""
    rows: int = 0
    started_at: datetime | None = None
    step: Step | None = None
    step_since: datetime | None = None
    waiting: anyio.CancelScope | None = None
    """Around what may be cut off while the order is idle."""

    def turn_to(self, step: Step, now: datetime) -> None:
        """From now on it is at this."""
        self.step, self.step_since = step, now

    def cut(self) -> None:
        """It is over: wait no longer for a file that nobody wants. A request under way is never cut off."""
        if self.waiting is not None and self.step in IDLE:
            self.waiting.cancel()


def _set() -> anyio.Event:
    event = anyio.Event()
    event.set()
    return event


@dataclass(slots=True)
class Queue:
    """The orders of one office, in the order in which they were given."""

    courses: list[Course] = field(default_factory=list)
    under_way: Course | None = None
    is_served: bool = False
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    """Around whoever serves it."""
    ended: anyio.Event = field(default_factory=_set)
    """Set while nobody serves it."""

    def next(self, now: datetime) -> Course | None:
        """The first that need not wait, before those that have failed: one that cannot succeed is in nobody's way."""
        due = (each for each in self.courses if _is_due(each.order, now))
        return min(due, key=lambda each: each.order.attempts, default=None)

    def of(self, number: int) -> Course | None:
        """The course of an order."""
        return next((each for each in self.courses if each.order.number == number), None)

    def add(self, course: Course) -> None:
        """One more; it takes the place of another one of the same day."""
        for former in self._of_the_day_of(course):
            self.drop(former)
        self.courses.append(course)

    def drop(self, course: Course) -> None:
        """It is over, however it ended."""
        if course in self.courses:
            self.courses.remove(course)
            course.cut()

    def _of_the_day_of(self, course: Course) -> Iterator[Course]:
        yield from [each for each in self.courses if each.order.day.as_of == course.order.day.as_of]


def _is_due(order: Backfill, now: datetime) -> bool:
    return order.not_before is None or order.not_before <= now
