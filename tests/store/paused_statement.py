"""A statement that SQLite is at for as long as a test wants."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio.lowlevel

from oddaemon.store.sqlite.connection import SqliteDatabase

LONGEST_SECONDS = 60.0
STEPS = 20
"""Of the event loop, in which a cancelled task has informed all that wait for it."""


@dataclass(frozen=True, slots=True)
class StatementPause:
    """Holds the thread of the connection that writes, in the middle of a statement."""

    _is_reached: threading.Event = field(default_factory=threading.Event)
    _is_resumed: threading.Event = field(default_factory=threading.Event)

    async def wait_until_reached(self) -> None:
        """Return once SQLite is at a statement."""
        while not self._is_reached.is_set():
            await anyio.lowlevel.checkpoint()

    async def resume(self) -> None:
        """Let it go on, a little later."""
        for _ in range(STEPS):
            await anyio.lowlevel.checkpoint()
        self._is_resumed.set()

    def handle_progress(self) -> int:
        """What SQLite asks now and then."""
        self._is_reached.set()
        return not self._is_resumed.wait(LONGEST_SECONDS)


@asynccontextmanager
async def paused_statement(database: SqliteDatabase) -> AsyncIterator[StatementPause]:
    """The first statement of some length that is begun in the block is held."""
    pause = StatementPause()
    assert database._writer is not None
    driver = database._writer.driver
    await driver.set_progress_handler(pause.handle_progress, 100)
    try:
        yield pause
    finally:
        pause._is_resumed.set()
