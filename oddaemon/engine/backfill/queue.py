"""The orders of one office that are not over: which one is next, and how far each has come."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import anyio

from oddaemon.core.backfill.job import BackfillJob, UploadStep

IDLE_STEPS = frozenset({UploadStep.WAITING_FOR_UPLOAD, UploadStep.WAITING_FOR_COUNT})
"""While nothing of ours is under way at the API."""


@dataclass(slots=True, eq=False)
class JobProgress:
    """How far an order has come, for whoever watches it."""

    job: BackfillJob
    requests: int = 0
    """Of the reading that is under way."""
    rows: int = 0
    started_at: datetime | None = None
    step: UploadStep | None = None
    step_since: datetime | None = None
    wait_scope: anyio.CancelScope | None = None
    """Around what may be cut off while the order is idle."""

    def set_step(self, step: UploadStep, now: datetime) -> None:
        """From now on it is at this."""
        self.step, self.step_since = step, now

    def cancel_wait(self) -> None:
        """It is over: wait no longer for a file that nobody wants. A request under way is never cut off."""
        if self.wait_scope is not None and self.step in IDLE_STEPS:
            self.wait_scope.cancel()


def _make_set_event() -> anyio.Event:
    event = anyio.Event()
    event.set()
    return event


@dataclass(slots=True)
class OfficeQueue:
    """The orders of one office, in the order in which they were given."""

    entries: list[JobProgress] = field(default_factory=list)
    current: JobProgress | None = None
    is_served: bool = False
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    """Around whoever serves it."""
    idle: anyio.Event = field(default_factory=_make_set_event)
    """Set while nobody serves it."""

    def get_next_due(self, now: datetime) -> JobProgress | None:
        """The first that need not wait, before those that have failed: one that cannot succeed is in nobody's way."""
        due = (each for each in self.entries if _is_due(each.job, now))
        return min(due, key=lambda each: each.job.attempts, default=None)

    def find(self, number: int) -> JobProgress | None:
        """The course of an order."""
        return next((each for each in self.entries if each.job.number == number), None)

    def add(self, progress: JobProgress) -> None:
        """One more; it takes the place of another one of the same day."""
        for replaced in self._find_same_day(progress):
            self.remove(replaced)
        self.entries.append(progress)

    def remove(self, progress: JobProgress) -> None:
        """It is over, however it ended."""
        if progress in self.entries:
            self.entries.remove(progress)
            progress.cancel_wait()

    def _find_same_day(self, progress: JobProgress) -> Iterator[JobProgress]:
        yield from [each for each in self.entries if each.job.target.as_of == progress.job.target.as_of]


def _is_due(job: BackfillJob, now: datetime) -> bool:
    return job.not_before is None or job.not_before <= now
