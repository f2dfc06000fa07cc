"""Waiting for something to be so, never for a length of time: whoever changes anything rings."""

from collections.abc import Callable

import anyio

PATIENCE_SECONDS = 240.0
"""Far beyond what anything here takes: reaching it is a failure, never bad luck."""


class News:
    """A bell, heard by all who wait at the moment it is rung."""

    def __init__(self) -> None:
        self._bell = anyio.Event()

    def ring(self) -> None:
        """Something changed: everybody looks again."""
        self._bell.set()
        self._bell = anyio.Event()

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Return once it is so.

        Raises:
            TimeoutError: it was not, for longer than anything takes.
        """
        with anyio.fail_after(PATIENCE_SECONDS):
            while not is_so():
                await self._bell.wait()
