"""Limits requests to the API: one in flight for each key, spaced apart, and two caps over all offices.

The vendor suspends a network that sends too many requests, so the caps matter as much as the spacing of each key. The
caps do not apply to an office on its own network (`base_url`).
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext

import anyio

SPACING_SLACK = 1.03
"""The API measures between arrivals; a little extra keeps network jitter from violating its limit."""


class ShuttingDown(Exception):
    """The daemon is stopping: no new request is sent."""


class RateLimiter:
    """The caps over all keys. Must be created and used inside one event loop."""

    def __init__(self, max_in_flight: int, max_requests_per_second: float) -> None:
        self.is_closed = False
        self._in_flight = anyio.CapacityLimiter(max_in_flight)
        self._start_lock = anyio.Lock()
        self._pacer = _Pacer(1.0 / max_requests_per_second)
        self._wait_scopes: set[anyio.CancelScope] = set()

    def close(self) -> None:
        """Let requests in flight finish and start no others; every waiting caller gets ShuttingDown at once."""
        self.is_closed = True
        for scope in self._wait_scopes:
            scope.cancel()

    async def sleep_until(self, deadline: float) -> None:
        """Sleep until a time of the event loop.

        Raises:
            ShuttingDown: The limiter was closed.
        """
        if self.is_closed:
            raise ShuttingDown
        if anyio.current_time() < deadline:
            with self.wait_unless_closed():
                await anyio.sleep_until(deadline)

    async def sleep(self, seconds: float) -> None:
        """Sleep for so long. Raises as `sleep_until` does."""
        await self.sleep_until(anyio.current_time() + seconds)

    @asynccontextmanager
    async def hold(self, resource: anyio.Lock | anyio.CapacityLimiter) -> AsyncIterator[None]:
        """Hold a shared resource, first come, first served.

        Raises:
            ShuttingDown: The limiter was closed first.
        """
        if self.is_closed:
            raise ShuttingDown
        try:
            resource.acquire_nowait()
        except anyio.WouldBlock:
            with self.wait_unless_closed():
                await resource.acquire()
        try:
            yield
        finally:
            resource.release()

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[None]:
        """Hold one of the slots in flight; starts keep the common rate."""
        async with self.hold(self._in_flight):
            async with self.hold(self._start_lock):
                await self.sleep_until(self._pacer.next_start)
                self._pacer.record_start()
            yield

    @contextmanager
    def wait_unless_closed(self) -> Iterator[None]:
        """Around a wait that ends when the limiter is closed.

        Raises:
            ShuttingDown: The limiter was closed.
        """
        if self.is_closed:
            raise ShuttingDown
        with anyio.CancelScope() as scope:
            self._wait_scopes.add(scope)
            try:
                yield
            finally:
                self._wait_scopes.remove(scope)
        if scope.cancelled_caught:
            raise ShuttingDown


class KeyLimiter:
    """The limiter of one key.

    Args:
        rate_limiter: The caps over all keys.
        min_interval_seconds: From the start of one request to the start of the next.
        capped: Whether the caps apply: False for an office on its own network.
    """

    def __init__(self, rate_limiter: RateLimiter, min_interval_seconds: float, *, capped: bool) -> None:
        self._rate_limiter = rate_limiter
        self._lock = anyio.Lock()
        self._is_capped = capped
        # The previous process may just have used this key, so the first request waits for one interval.
        self._pacer = _Pacer(min_interval_seconds * SPACING_SLACK)
        self._pacer.record_start()

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[float]:
        """Hold the key for one request. Yields the seconds spent waiting.

        Raises:
            ShuttingDown: The daemon is stopping.
        """
        requested_at = anyio.current_time()
        async with self._rate_limiter.hold(self._lock):
            await self._rate_limiter.sleep_until(self._pacer.next_start)
            async with self._rate_limiter.acquire() if self._is_capped else nullcontext():
                self._pacer.record_start()
                yield anyio.current_time() - requested_at


class _Pacer:
    """Spaces starts at least `interval_seconds` apart. Nothing is reserved, so abandoned waits delay no other start."""

    def __init__(self, interval_seconds: float) -> None:
        self._interval_seconds = interval_seconds
        self.next_start = 0.0

    def record_start(self) -> None:
        """A start happens now."""
        self.next_start = anyio.current_time() + self._interval_seconds
