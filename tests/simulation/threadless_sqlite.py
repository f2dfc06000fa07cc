"""SQLite without threads: a call of the database runs on the event loop itself, and its result comes some turns later.

Half of what a call of aiosqlite costs is the way to its thread and back, and the operating system decides when it comes
back. Here the scenario's seed decides it, so that a replay meets the same interleaving.
"""

import asyncio
import random
import sqlite3
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import aiosqlite

TURNS = (1, 1, 1, 2, 3, 8)
"""Turns of the loop from a call to its result: other tasks run meanwhile, as they do while a thread works."""

T = TypeVar("T")


class ThreadlessConnection(aiosqlite.Connection):
    """A connection of aiosqlite whose calls run at once, and to their end even if the caller is cancelled."""

    def __init__(self, connector: Callable[[], sqlite3.Connection], rng: random.Random) -> None:
        super().__init__(connector, iter_chunk_size=64)
        self._rng = rng

    def __await__(self) -> Generator[Any, None, "ThreadlessConnection"]:
        return self._connect().__await__()

    async def _connect(self) -> "ThreadlessConnection":
        self._connection = await self._call(self._connector)
        return self

    async def _execute(self, fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        if not self._running or self._connection is None:
            raise ValueError("Connection closed")
        return await self._call(partial(fn, *args, **kwargs))

    async def _call(self, function: Callable[[], T]) -> T:
        try:
            return function()
        finally:
            for _ in range(self._rng.choice(TURNS)):
                await asyncio.sleep(0)

    def stop(self) -> asyncio.Future[None]:
        self._running = False
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        stopped = asyncio.get_running_loop().create_future()
        stopped.set_result(None)
        return stopped


@contextmanager
def threadless_sqlite(rng: random.Random) -> Iterator[None]:
    """Within the block aiosqlite connects without threads; this generator draws how long each call takes."""

    def connect(database: str, **options: Any) -> ThreadlessConnection:
        return ThreadlessConnection(partial(sqlite3.connect, database, **options), rng)

    usual = aiosqlite.connect
    aiosqlite.connect = connect  # type: ignore[assignment]  # with as few threads as virtual time needs
    try:
        yield
    finally:
        aiosqlite.connect = usual
