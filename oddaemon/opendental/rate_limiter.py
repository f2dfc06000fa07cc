"""Limits requests to the API: one in flight for each key, spaced apart, and two caps over all offices.

The vendor suspends a network that sends too many requests, so the caps matter as much as the spacing of each key. The
caps do not apply to an office on its own network (`base_url`). All of it holds where the requests arrive, however long
each one's way is: a key rests from the end of one request to the start of the next, and `arrivals` counts what may
still arrive.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Protocol

import anyio

from oddaemon.opendental.arrivals import WAY_SECONDS_MAX, ArrivalWindow, RequestOnItsWay

LATE_SECONDS_MAX = 0.1
"""What a busy event loop may lose of the common pace and make up for."""


class ShuttingDown(Exception):
    """The daemon is stopping: no new request is sent."""


class PermitRefused(Exception):
    """The fleet permits no request now.

    Attributes:
        seconds: After which the next attempt is worth while.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"not permitted for {seconds:g} s")
        self.seconds = seconds


class Permit(Protocol):
    """What a fleet asks before each request to one office: another host may have taken the office over meanwhile."""

    async def open(self) -> None:
        """Obtain the permit for a request that is sent at once.

        Raises:
            PermitRefused: Not now.
            LeaseLost: Not by this host any more.
        """

    def record_sent(self) -> None:
        """The request leaves now.

        Raises:
            LeaseLost: It must not: the process was stopped since the permit was given.
        """

    async def close(self, retry_after_seconds: float | None, *, is_cut: bool) -> None:
        """Give the permit back: the request has ended, and this is the wait that its response asked for.

        Args:
            retry_after_seconds: None: it asked for none.
            is_cut: The request was cancelled, and the other side may still work on it.
        """


class RateLimiter:
    """The caps over all keys. Must be created and used inside one event loop."""

    def __init__(self, max_in_flight: int, max_requests_per_second: float) -> None:
        self.is_closed = False
        self._in_flight = anyio.CapacityLimiter(max_in_flight)
        self._start_lock = anyio.Lock()
        self._pace_seconds = 1.0 / max_requests_per_second
        self._next_start = 0.0
        self._window = ArrivalWindow(max_requests_per_second)
        self._window_changed: anyio.Event | None = None
        """None: there is no one to be woken up."""
        self._wait_scopes: set[anyio.CancelScope] = set()

    def set_caps(self, max_in_flight: int, max_requests_per_second: float) -> None:
        """Change the caps from now on. Requests in flight end, however few may be in flight now."""
        self._in_flight.total_tokens = max_in_flight
        pace_seconds = 1.0 / max_requests_per_second
        self._next_start += pace_seconds - self._pace_seconds
        self._pace_seconds = pace_seconds
        self._window.set_cap(max_requests_per_second)

    @property
    def max_in_flight(self) -> int:
        """The present cap."""
        return int(self._in_flight.total_tokens)

    @property
    def in_flight(self) -> int:
        """How many slots are taken: by requests in flight, and by those that wait for their turn to start."""
        return self._in_flight.borrowed_tokens

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
    async def acquire(self, kind: str, begin: Callable[[], Awaitable[None]]) -> AsyncIterator[RequestOnItsWay]:
        """Hold one of the slots in flight; starts keep the common rate. `record_sent` must follow.

        Args:
            kind: Of the request.
            begin: Called when the turn has come: obtains the permit, if one is needed.

        Raises:
            PermitRefused, LeaseLost: As `begin` does.
        """
        asked_at = anyio.current_time()
        async with self.hold(self._in_flight):
            async with self.hold(self._start_lock):
                await self.sleep_until(self._next_start)
                await self._wait_for_room()
                await begin()
                departure = self._record_start(kind, asked_at)
            try:
                yield departure
            except anyio.get_cancelled_exc_class():
                self._window.record_arrived(departure, anyio.current_time() + WAY_SECONDS_MAX)
                raise
            except BaseException:
                self._window.record_arrived(departure, anyio.current_time())
                raise
            else:
                self._window.record_answered(departure, anyio.current_time())
            finally:
                self._wake_up()

    def record_sent(self, departure: RequestOnItsWay) -> None:
        """A request leaves now."""
        self._window.record_sent(departure, anyio.current_time())
        self._wake_up()

    async def _wait_for_room(self) -> None:
        """Wait until one more may arrive within any second."""
        while (at := self._window.find_room(now := anyio.current_time())) != now:
            if at is not None:
                await self.sleep_until(at)
                continue
            self._window_changed = anyio.Event()
            with self.wait_unless_closed():
                await self._window_changed.wait()

    def _wake_up(self) -> None:
        if self._window_changed is not None:
            self._window_changed.set()
            self._window_changed = None

    def _record_start(self, kind: str, asked_at: float) -> RequestOnItsWay:
        """A request starts now; it had its turn at `_next_start`, if it was waiting for it."""
        now = anyio.current_time()
        turn = max(self._next_start, now - LATE_SECONDS_MAX) if asked_at <= self._next_start else now
        self._next_start = turn + self._pace_seconds
        return self._window.begin(kind)

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
        min_interval_seconds: From the end of one request to the start of the next: it arrived before its end, and the
            next one arrives after its start.
        capped: Whether the caps apply: False for an office on its own network.
        permit: Of a fleet; None: this daemon is the only one.
    """

    def __init__(
        self, rate_limiter: RateLimiter, min_interval_seconds: float, *, capped: bool, permit: Permit | None = None
    ) -> None:
        self.permit = permit
        self.retry_after_seconds: float | None = None
        """The wait that the response to the present request asks for."""
        self._rate_limiter = rate_limiter
        self._lock = anyio.Lock()
        self._is_asking = False
        self._is_capped = capped
        self._departure: RequestOnItsWay | None = None
        """Of the present request."""
        self._interval_seconds = min_interval_seconds
        # The previous process may just have used this key, so the first request waits for one interval.
        self._next_start = anyio.current_time() + min_interval_seconds

    @property
    def is_idle(self) -> bool:
        """Whether no request is in flight or about to leave; one may wait for its turn, and be given up."""
        return not self._is_asking

    @asynccontextmanager
    async def acquire(self, kind: str = "", *, opens_connection: bool = False) -> AsyncIterator[float]:
        """Hold the key for one request. Yields the seconds spent waiting.

        Args:
            kind: Of the request: the same takes at least about the same time.
            opens_connection: Whether it leaves only when `record_sent` is called; otherwise it leaves at once.

        Raises:
            ShuttingDown: The daemon is stopping.
            LeaseLost: Another daemon of the fleet asks this office now.
        """
        requested_at = anyio.current_time()
        async with self._rate_limiter.hold(self._lock):
            while True:
                await self._rate_limiter.sleep_until(self._next_start)
                async with AsyncExitStack() as slot:
                    slot.callback(self._end_asking)
                    try:
                        await self._take_slot(slot, kind)
                    except PermitRefused as refusal:
                        self._next_start = anyio.current_time() + refusal.seconds
                        continue
                    if not opens_connection:
                        self._record_departure()
                    yield anyio.current_time() - requested_at
                    return

    def record_sent(self) -> None:
        """The request leaves now.

        Raises:
            LeaseLost: As `Permit.record_sent` does.
        """
        if self.permit is not None:
            self.permit.record_sent()
        self._record_departure()

    def _record_departure(self) -> None:
        if self._departure is not None and self._departure.sent_at is None:
            self._rate_limiter.record_sent(self._departure)

    async def _take_slot(self, slot: AsyncExitStack, kind: str) -> None:
        self._departure = None
        if self._is_capped:
            self._departure = await slot.enter_async_context(self._rate_limiter.acquire(kind, self._begin_asking))
        else:
            await self._begin_asking()
        self.retry_after_seconds = None
        slot.push(self._rest)
        if self.permit is not None:
            slot.push_async_exit(self._close_permit)

    async def _begin_asking(self) -> None:
        self._is_asking = True
        if self.permit is not None:
            await self.permit.open()

    def _end_asking(self) -> None:
        self._is_asking = False

    def _rest(self, kind: type[BaseException] | None, *_: object) -> None:
        """Have no request start too soon after this one, which ends now; one that was cut off may still arrive."""
        rest_seconds = self._interval_seconds + (WAY_SECONDS_MAX if _is_cut(kind) else 0.0)
        self._next_start = anyio.current_time() + rest_seconds

    async def _close_permit(self, kind: type[BaseException] | None, *_: object) -> None:
        """Give the permit back after the request; one that was cut off may still be under way at the other side."""
        assert self.permit is not None, "it was opened"
        await self.permit.close(self.retry_after_seconds, is_cut=_is_cut(kind))


def _is_cut(kind: type[BaseException] | None) -> bool:
    return kind is not None and issubclass(kind, anyio.get_cancelled_exc_class())
