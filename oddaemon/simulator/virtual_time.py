"""An event loop on which ten hours of waiting take no time.

When nothing is ready, the loop's selector jumps to the next timer instead of sleeping. So a simulated night of two
hundred offices runs as fast as its code, and always in the same way.

The loop must not jump while a thread is working: a database call of two real milliseconds would seem to take until the
next timer. `VirtualLoop.track_calls` gives the loop the number of calls in flight; while there are any, the loop waits
in real time. Calls through `anyio.to_thread` and `run_in_executor` are counted automatically.

Use it through anyio: `anyio_backend = ("asyncio", {"loop_factory": virtual_loop_factory})`.
"""

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Self, TypeVar, TypeVarTuple

import anyio
import anyio.to_thread

POLL_SECONDS = 0.05
"""Real seconds between two looks at the counters of calls in flight, for a thread that ends without waking the loop."""

GRACE_SECONDS = 0.5
"""Real seconds that a loop without timers waits for an uncounted thread before it reports a deadlock."""

OWN_DESCRIPTORS = 1
"""Of the loop itself, to be woken by a thread; while there is no other, and tasks are ready, no descriptor matters."""

RESOLUTION_SECONDS = 1e-6
"""Timers closer together than this are due together."""

_Result = TypeVar("_Result")
_Arguments = TypeVarTuple("_Arguments")


class DeadlockError(RuntimeError):
    """Every task waits for another one: no timer is set, no thread is working and no socket is ready."""

    def __init__(self, instant_seconds: float) -> None:
        super().__init__(
            f"Virtual time stands still at {instant_seconds:.3f} s: every task waits for another one. "
            "If a thread is to answer, report its calls to the loop with VirtualLoop.track_calls()."
        )


class CallsInFlight:
    """A counter for `VirtualLoop.track_calls`. Enter it around each await of a thread's result."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self) -> int:
        """The number of calls in flight."""
        return self._count

    def __enter__(self) -> Self:
        self._count += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._count -= 1


class _JumpingSelector(selectors.DefaultSelector):
    """Serves real sockets and threads first, and moves the clock only if there is nothing to serve."""

    def __init__(self) -> None:
        super().__init__()
        self.now_seconds = 0.0
        self.call_counters: list[Callable[[], int]] = []

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """The ready events; an empty list after a jump of `timeout` seconds of virtual time."""
        is_ready = timeout is not None and timeout <= 0
        if is_ready and len(self.get_map()) == OWN_DESCRIPTORS:
            return []
        events = super().select(0)
        if events or is_ready:
            return events
        while any(counter() > 0 for counter in self.call_counters):
            if events := super().select(POLL_SECONDS):
                return events
        if timeout is None:
            if events := super().select(GRACE_SECONDS):
                return events
            raise DeadlockError(self.now_seconds)
        if events := super().select(0):
            return events
        self.now_seconds += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop whose `time()` starts at 0 and moves only by jumps to the next timer."""

    def __init__(self) -> None:
        self._jumping_selector = _JumpingSelector()
        super().__init__(self._jumping_selector)
        # asyncio calls timers due within this resolution. After half a year, seconds as a float have no nanoseconds.
        self._clock_resolution = RESOLUTION_SECONDS
        self._executor_calls = CallsInFlight()
        self.track_calls(self._executor_calls)
        self._anyio_threads: anyio.CapacityLimiter | None = None
        self.track_calls(self._count_anyio_threads)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jumping_selector.now_seconds

    def track_calls(self, calls_in_flight: Callable[[], int]) -> None:
        """Never jump while this counter is above zero.

        Args:
            calls_in_flight: the number of calls that threads are working on. It must rise on the loop before the call
                starts and fall after its result reached the loop, as `CallsInFlight` around an `await` does.
        """
        self._jumping_selector.call_counters.append(calls_in_flight)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*_Arguments], _Result], *args: *_Arguments
    ) -> asyncio.Future[_Result]:
        """As in asyncio, and counted until the result is on the loop."""
        future = super().run_in_executor(executor, func, *args)
        self._executor_calls.__enter__()
        future.add_done_callback(lambda _: self._executor_calls.__exit__())
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109, ARG002 - asyncio's signature
        """As in asyncio, but without its time limit: virtual minutes pass while a real thread ends."""
        with self._executor_calls:
            await super().shutdown_default_executor()

    def _count_anyio_threads(self) -> int:
        # Every jump reads it, and to look it up takes far longer than to read it.
        if self._anyio_threads is None:
            self._anyio_threads = anyio.to_thread.current_default_thread_limiter()
        return self._anyio_threads.borrowed_tokens


def make_virtual_loop() -> asyncio.AbstractEventLoop:
    """A new loop on virtual time, for anyio's `loop_factory` option."""
    return VirtualLoop()
