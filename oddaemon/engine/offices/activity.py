"""What each office's worker is doing, so that the watchdog can find one that hangs."""

import anyio

from oddaemon.core.stall_detection import WorkerActivity
from oddaemon.telemetry.events import RequestFinished, RequestStarted
from oddaemon.telemetry.events.base import Event


class ActivityBoard:
    """The last activity of each worker. Workers and requests write it, the watchdog reads it."""

    def __init__(self) -> None:
        self._workers: dict[str, WorkerActivity] = {}

    def record_turn(self, office: str) -> None:
        """The worker takes a turn of its loop."""
        self._workers[office] = WorkerActivity(office, anyio.current_time())

    def record_sleep(self, office: str, until: float) -> None:
        """The worker does nothing before `until`, a time of the event loop."""
        self._workers[office] = WorkerActivity(office, anyio.current_time(), asleep_until=until)

    def observe(self, event: Event) -> None:
        """A request started or finished, in whatever way.

        A request made while the worker sleeps, or without a worker, belongs to another task, such as a backfill.
        """
        if isinstance(event, RequestStarted | RequestFinished):
            activity = self._workers.get(event.office)
            if activity is not None and activity.asleep_until is None:
                now = anyio.current_time()
                request_since = now if isinstance(event, RequestStarted) else None
                self._workers[event.office] = WorkerActivity(event.office, now, request_since=request_since)

    def remove(self, office: str) -> None:
        """The office has no worker any more."""
        self._workers.pop(office, None)

    def get_all(self) -> list[WorkerActivity]:
        """The present activity of every worker."""
        return list(self._workers.values())
