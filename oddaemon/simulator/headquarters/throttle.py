"""The throttle of one customer key: one request in service, a pause between two starts, a short queue, then 429.

Documented: one request per 5 s (only Read All), 1 s (any other permission), 0.5 s (Enterprise), "this time includes the
execution of the request". Observed: what comes too early waits its turn at headquarters; too long a queue is refused.

Times are the loop's own (`anyio.current_time()`), never the wall clock's, which may step.
"""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

WAITING_MAX = 5
"""Requests that may wait behind the one in service. The real number is not published."""


class QueueFullError(Exception):
    """Too many requests wait already.

    Attributes:
        retry_after_seconds: whole seconds until the queue will have been served.
    """

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(f"too many requests are waiting; try again in {retry_after_seconds} s")
        self.retry_after_seconds = retry_after_seconds


class KeyQueue:
    """The queue of one customer key, first come first served."""

    def __init__(self, spacing_seconds: float, waiting_max: int | None = WAITING_MAX) -> None:
        """Make an idle lane.

        Args:
            spacing_seconds: from the start of one request to the start of the next; 0 for a local API.
            waiting_max: how many may wait; None for any number.
        """
        self.spacing_seconds = spacing_seconds
        self._waiting_max = waiting_max
        self._waiting = 0
        self._service = anyio.Lock()
        self._free_at = -math.inf

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for this request's turn, hold it for the body of the `with`.

        A client that hangs up while it waits is forgotten.

        Raises:
            QueueFullError: at once, when too many wait already.
        """
        await self._acquire()
        try:
            self._free_at = anyio.current_time() + self.spacing_seconds
            yield
        finally:
            self._service.release()

    async def serve_for(self, seconds: float) -> None:
        """Spend the execution time of the request in service.

        A client that hangs up meanwhile does not free the office: the next one waits until this one would have ended.
        """
        ends_at = anyio.current_time() + seconds
        self._free_at = max(self._free_at, ends_at)
        await anyio.sleep_until(ends_at)

    async def _acquire(self) -> None:
        if not self._service.locked() and self._free_at <= anyio.current_time():
            self._service.acquire_nowait()
            return
        if self._waiting_max is not None and self._waiting >= self._waiting_max:
            raise QueueFullError(max(1, math.ceil(self.spacing_seconds * (self._waiting + 1))))
        self._waiting += 1
        try:
            await self._service.acquire()
            try:
                await anyio.sleep_until(self._free_at)
            except BaseException:
                self._service.release()
                raise
        finally:
            self._waiting -= 1
