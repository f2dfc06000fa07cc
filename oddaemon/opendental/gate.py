"""The only way to the API: one request in flight on a key, its spacing, and two caps over all offices together.

The vendor suspends a network that asks too much, so the caps over all matter as much as the spacing of each key. An
office on its own network (`base_url`) goes through its lane alone.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext

import anyio

SPACING_SLACK = 1.03
"""The API counts from a request's arrival; a little more than its spacing keeps a jittery network from cheating it."""


class GateClosedError(Exception):
    """The daemon is stopping: no new request leaves."""


class Gate:
    """The caps over all lanes. Must be made and used inside one event loop."""

    def __init__(self, max_in_flight: int, max_requests_per_second: float) -> None:
        self.closed = False
        self._in_flight = anyio.CapacityLimiter(max_in_flight)
        self._turn = anyio.Lock()
        self._pace = _Pace(1.0 / max_requests_per_second)
        self._waits: set[anyio.CancelScope] = set()

    def lane(self, min_interval_seconds: float, *, capped: bool) -> "Lane":
        """A key's own way.

        Args:
            min_interval_seconds: From the start of one request to the start of the next.
            capped: False for an office that is reached on its own network.
        """
        return Lane(self, min_interval_seconds, capped=capped)

    def close(self) -> None:
        """Let what is in flight finish and nothing else start; whoever waits gets GateClosedError at once."""
        self.closed = True
        for scope in self._waits:
            scope.cancel()

    async def sleep_until(self, deadline: float) -> None:
        """Sleep to a time of the event loop, or until the gate closes.

        Raises:
            GateClosedError: It closed.
        """
        if self.closed:
            raise GateClosedError
        if anyio.current_time() < deadline:
            with self.waiting():
                await anyio.sleep_until(deadline)

    @asynccontextmanager
    async def holding(self, scarce: anyio.Lock | anyio.CapacityLimiter) -> AsyncIterator[None]:
        """Hold what others wait for too, first come first served.

        Raises:
            GateClosedError: The gate closed before it was had.
        """
        if self.closed:
            raise GateClosedError
        try:
            scarce.acquire_nowait()
        except anyio.WouldBlock:
            with self.waiting():
                await scarce.acquire()
        try:
            yield
        finally:
            scarce.release()

    @asynccontextmanager
    async def passing(self) -> AsyncIterator[None]:
        """Hold one of the places in flight, entered at the common pace."""
        async with self.holding(self._in_flight):
            async with self.holding(self._turn):
                await self.sleep_until(self._pace.next_start)
                self._pace.start()
            yield

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Around a wait that ends when the gate closes.

        Raises:
            GateClosedError: It closed.
        """
        if self.closed:
            raise GateClosedError
        with anyio.CancelScope() as scope:
            self._waits.add(scope)
            try:
                yield
            finally:
                self._waits.remove(scope)
        if scope.cancelled_caught:
            raise GateClosedError


class Lane:
    """One key's way through the gate."""

    def __init__(self, gate: Gate, min_interval_seconds: float, *, capped: bool) -> None:
        self._gate = gate
        self._alone = anyio.Lock()
        self._capped = capped
        # A daemon that starts cannot know when its predecessor asked last: its first request waits out the spacing.
        self._pace = _Pace(min_interval_seconds * SPACING_SLACK)
        self._pace.start()

    @asynccontextmanager
    async def passing(self) -> AsyncIterator[float]:
        """Hold the lane for one request; yields the seconds waited for it.

        Raises:
            GateClosedError: The daemon is stopping.
        """
        asked = anyio.current_time()
        async with self._gate.holding(self._alone):
            await self._gate.sleep_until(self._pace.next_start)
            async with self._gate.passing() if self._capped else nullcontext():
                self._pace.start()
                yield anyio.current_time() - asked


class _Pace:
    """Starts at least `interval_seconds` apart. Nothing is reserved: who gives up waiting costs the others nothing."""

    def __init__(self, interval_seconds: float) -> None:
        self._interval_seconds = interval_seconds
        self.next_start = 0.0

    def start(self) -> None:
        """Something starts now."""
        self.next_start = anyio.current_time() + self._interval_seconds
