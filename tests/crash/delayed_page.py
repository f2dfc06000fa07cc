"""The moment in the middle of a pull, held for as long as a test wants to look at it."""

import anyio

from tests.crash.change_signal import TIMEOUT_SECONDS
from tests.crash.environment import Environment


class DelayedPage:
    """One page of a scene whose answer does not come until it is let go."""

    def __init__(self, environment: Environment, page: int) -> None:
        self._page = page
        self._requested = anyio.Event()
        self._released = anyio.Event()
        environment.interceptor.on_page = self._delay

    async def wait_until_requested(self) -> None:
        """Return once the daemon waits for it."""
        with anyio.fail_after(TIMEOUT_SECONDS):
            await self._requested.wait()

    def release(self) -> None:
        """Let it be answered."""
        self._released.set()

    async def _delay(self, pages: int) -> None:
        if pages == self._page:
            self._requested.set()
            await self._released.wait()
