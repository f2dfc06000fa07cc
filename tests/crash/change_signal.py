"""Wait for a condition, never for a length of time: every change sends a signal."""

from collections.abc import Callable

import anyio

TIMEOUT_SECONDS = 240.0
"""Far beyond what anything here takes: reaching it is a failure, never bad luck."""


class ChangeSignal:
    """A bell, heard by all who wait at the moment it is rung."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def notify(self) -> None:
        """Something changed: everybody looks again."""
        self._event.set()
        self._event = anyio.Event()

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return once it is so.

        Raises:
            TimeoutError: it was not, for longer than anything takes.
        """
        with anyio.fail_after(TIMEOUT_SECONDS):
            while not condition():
                await self._event.wait()
