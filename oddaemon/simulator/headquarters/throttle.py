"""The throttle of one customer key: one active request, a pause between two starts, a short queue, then 429.

Documented: one request per 5 s (only Read All), 1 s (any other permission), 0.5 s (Enterprise), "this time includes the
execution of the request". Observed: an early request waits in a queue at headquarters, and a request that finds the
queue full is refused.

Times are those of the event loop (`anyio.current_time()`), because the wall clock may step.
"""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

WAITING_MAX = 5
"""Requests that may wait behind the active one. The real number is not published."""


class QueueFullError(Exception):
    """Too many requests are waiting already.

    Attributes:
        retry_after_seconds: whole seconds until the queue is empty.
    """

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(f"too many requests are waiting; try again in {retry_after_seconds} s")
        self.retry_after_seconds = retry_after_seconds


class KeyQueue:
    """The queue of one customer key, first come first served."""

    def __init__(self, spacing_seconds: float, waiting_max: int | None = WAITING_MAX) -> None:
        """Make an idle queue.

        Args:
            spacing_seconds: the time between the starts of two requests; 0 for a local API.
            waiting_max: the number of requests that may wait; None for any number.
        """
        self.spacing_seconds = spacing_seconds
        self._waiting_max = waiting_max
        self._waiting = 0
        self._service = anyio.Lock()
        self._free_at = -math.inf
        self.ends_at = -math.inf
        """When the execution of the last request ends or ended."""

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until this request may start; it stays active for the body of the `with`.

        A request whose client hangs up while it waits leaves the queue.

        Raises:
            QueueFullError: Too many requests are waiting already; raised at once.
        """
        await self._acquire()
        try:
            self._free_at = anyio.current_time() + self.spacing_seconds
            yield
        finally:
            self._service.release()

    async def serve_for(self, seconds: float) -> None:
        """Wait for the execution time of the active request.

        If its client hangs up, the office stays busy: the next request waits until this one would have ended.
        """
        self.ends_at = anyio.current_time() + seconds
        self._free_at = max(self._free_at, self.ends_at)
        await anyio.sleep_until(self.ends_at)

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
