"""The only way to the API: one request in flight on a key, its spacing, and two caps over all offices together.

The vendor suspends a network that asks too much, so the caps over all matter as much as the spacing of each key. An
office on its own network (`base_url`) goes through its lane alone.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext

import anyio

SPACING_SLACK = 1.03
"""The API counts from a request's arrival; a little more than its spacing keeps a jittery network from cheating it."""


class ShuttingDown(Exception):
    """The daemon is stopping: no new request leaves."""


class RateLimiter:
    """The caps over all lanes. Must be made and used inside one event loop."""

    def __init__(self, max_in_flight: int, max_requests_per_second: float) -> None:
        self.is_closed = False
        self._in_flight = anyio.CapacityLimiter(max_in_flight)
        self._start_lock = anyio.Lock()
        self._pacer = _Pacer(1.0 / max_requests_per_second)
        self._wait_scopes: set[anyio.CancelScope] = set()

    def make_key_limiter(self, min_interval_seconds: float, *, capped: bool) -> "KeyLimiter":
        """A key's own way.

        Args:
            min_interval_seconds: From the start of one request to the start of the next.
            capped: False for an office that is reached on its own network.
        """
        return KeyLimiter(self, min_interval_seconds, capped=capped)

    def close(self) -> None:
        """Let what is in flight finish and nothing else start; whoever waits gets GateClosedError at once."""
        self.is_closed = True
        for scope in self._wait_scopes:
            scope.cancel()

    async def sleep_until(self, deadline: float) -> None:
        """Sleep to a time of the event loop, or until the gate closes.

        Raises:
            GateClosedError: It closed.
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
        """Hold what others wait for too, first come first served.

        Raises:
            GateClosedError: The gate closed before it was had.
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
        """Hold one of the places in flight, entered at the common pace."""
        async with self.hold(self._in_flight):
            async with self.hold(self._start_lock):
                await self.sleep_until(self._pacer.next_start)
                self._pacer.record_start()
            yield

    @contextmanager
    def wait_unless_closed(self) -> Iterator[None]:
        """Around a wait that ends when the gate closes.

        Raises:
            GateClosedError: It closed.
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
    """One key's way through the gate."""

    def __init__(self, rate_limiter: RateLimiter, min_interval_seconds: float, *, capped: bool) -> None:
        self._rate_limiter = rate_limiter
        self._lock = anyio.Lock()
        self._is_capped = capped
        # A daemon that starts cannot know when its predecessor asked last: its first request waits out the spacing.
        self._pacer = _Pacer(min_interval_seconds * SPACING_SLACK)
        self._pacer.record_start()

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[float]:
        """Hold the lane for one request; yields the seconds waited for it.

        Raises:
            GateClosedError: The daemon is stopping.
        """
        requested_at = anyio.current_time()
        async with self._rate_limiter.hold(self._lock):
            await self._rate_limiter.sleep_until(self._pacer.next_start)
            async with self._rate_limiter.acquire() if self._is_capped else nullcontext():
                self._pacer.record_start()
                yield anyio.current_time() - requested_at


class _Pacer:
    """Starts at least `interval_seconds` apart. Nothing is reserved: who gives up waiting costs the others nothing."""

    def __init__(self, interval_seconds: float) -> None:
        self._interval_seconds = interval_seconds
        self.next_start = 0.0

    def record_start(self) -> None:
        """Something starts now."""
        self.next_start = anyio.current_time() + self._interval_seconds
