"""Wait for a condition, never for a length of time: every change sends a signal."""

from collections.abc import Callable

import anyio

TIMEOUT_SECONDS = 240.0
"""Far beyond what anything here takes: reaching it is a failure, never bad luck."""


class ChangeSignal:
    """Wakes all tasks that wait for a condition."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def notify(self) -> None:
        """Report a change: every waiting task checks its condition again."""
        self._event.set()
        self._event = anyio.Event()

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return when the condition holds.

        Raises:
            TimeoutError: it does not hold after `TIMEOUT_SECONDS`.
        """
        with anyio.fail_after(TIMEOUT_SECONDS):
            while not condition():
                await self._event.wait()
