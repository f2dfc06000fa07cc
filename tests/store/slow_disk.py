"""A statement that SQLite is at for as long as a test wants."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio.lowlevel

from oddaemon.store.sqlite.connection import SqliteDatabase

LONGEST_SECONDS = 60.0
STEPS = 20
"""Of the event loop, in which whoever is cancelled has said so to everybody who is to know."""


@dataclass(frozen=True, slots=True)
class Holding:
    """Holds the thread of the connection that writes, in the middle of a statement."""

    _is_reached: threading.Event = field(default_factory=threading.Event)
    _goes_on: threading.Event = field(default_factory=threading.Event)

    async def reached(self) -> None:
        """Return once SQLite is at a statement."""
        while not self._is_reached.is_set():
            await anyio.lowlevel.checkpoint()

    async def let_go(self) -> None:
        """Let it go on, a little later."""
        for _ in range(STEPS):
            await anyio.lowlevel.checkpoint()
        self._goes_on.set()

    def step(self) -> int:
        """What SQLite asks now and then."""
        self._is_reached.set()
        return not self._goes_on.wait(LONGEST_SECONDS)


@asynccontextmanager
async def holding(database: SqliteDatabase) -> AsyncIterator[Holding]:
    """The first statement of some length that is begun in the block is held."""
    held = Holding()
    assert database._writer is not None
    driver = database._writer.driver
    await driver.set_progress_handler(held.step, 100)
    try:
        yield held
    finally:
        held._goes_on.set()
