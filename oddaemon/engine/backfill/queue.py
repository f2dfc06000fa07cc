"""The open backfill jobs of one office: which is next, and the progress of each."""

from dataclasses import dataclass, field
from datetime import datetime

import anyio

from oddaemon.core.backfill.job import BackfillJob, UploadStep

IDLE_STEPS = frozenset({UploadStep.WAITING_FOR_UPLOAD, UploadStep.WAITING_FOR_COUNT})
"""Steps without a request in flight."""


@dataclass(slots=True, eq=False)
class JobProgress:
    """The progress of a job."""

    job: BackfillJob
    requests: int = 0
    """Of the current reading."""
    rows: int = 0
    started_at: datetime | None = None
    step: UploadStep | None = None
    step_since: datetime | None = None
    wait_scope: anyio.CancelScope | None = None
    """Around a wait that may be cancelled while the job is idle."""

    def set_step(self, step: UploadStep, now: datetime) -> None:
        """The job begins a step."""
        self.step, self.step_since = step, now

    def cancel_wait(self) -> None:
        """Stop waiting for a file. A request in flight is never interrupted."""
        if self.wait_scope is not None and self.step in IDLE_STEPS:
            self.wait_scope.cancel()


def _make_set_event() -> anyio.Event:
    event = anyio.Event()
    event.set()
    return event


@dataclass(slots=True)
class BackfillQueue:
    """The jobs of one office, in the order in which they were requested."""

    entries: list[JobProgress] = field(default_factory=list)
    current: JobProgress | None = None
    is_served: bool = False
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    """Around the task that serves the queue."""
    idle: anyio.Event = field(default_factory=_make_set_event)
    """Set while no task serves the queue."""

    def get_next_due(self, now: datetime) -> JobProgress | None:
        """The first due job with the fewest failed attempts, so that a failing job does not block the others."""
        due = (each for each in self.entries if each.job.not_before is None or each.job.not_before <= now)
        return min(due, key=lambda each: each.job.attempts, default=None)

    def find(self, number: int) -> JobProgress | None:
        """The progress of a job, by its number."""
        return next((each for each in self.entries if each.job.number == number), None)

    def add(self, progress: JobProgress) -> None:
        """Add a job; it replaces another one for the same day."""
        for replaced in [each for each in self.entries if each.job.target.as_of == progress.job.target.as_of]:
            self.remove(replaced)
        self.entries.append(progress)

    def remove(self, progress: JobProgress) -> None:
        """Remove a job that has ended or was cancelled."""
        if progress in self.entries:
            self.entries.remove(progress)
            progress.cancel_wait()
