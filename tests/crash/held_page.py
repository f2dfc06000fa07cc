"""The moment in the middle of a pull, held for as long as a test wants to look at it."""

import anyio

from tests.crash.news import PATIENCE_SECONDS
from tests.crash.stage import Stage


class HeldPage:
    """One page of a scene whose answer does not come until it is let go."""

    def __init__(self, built: Stage, page: int) -> None:
        self._page = page
        self._asked = anyio.Event()
        self._free = anyio.Event()
        built.ambush.on_page = self._hold

    async def asked(self) -> None:
        """Return once the daemon waits for it."""
        with anyio.fail_after(PATIENCE_SECONDS):
            await self._asked.wait()

    def let_go(self) -> None:
        """Let it be answered."""
        self._free.set()

    async def _hold(self, pages: int) -> None:
        if pages == self._page:
            self._asked.set()
            await self._free.wait()
