"""Breaking off what SQLite is at in a thread, for the one statement that takes as long as the file is large."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiosqlite
import anyio
import anyio.lowlevel

INTERRUPT_INTERVAL_SECONDS = 0.05
"""A word that comes before the thread has begun is not heard."""


@asynccontextmanager
async def interrupt_when_cancelled(driver: aiosqlite.Connection) -> AsyncIterator[None]:
    """Around what waits, shielded, for a statement on this connection that nobody else uses meanwhile.

    Whoever is cancelled there need not wait for its end: SQLite takes it back, and the cancellation goes on.
    """
    failure: Exception | None = None
    is_over = False

    async def interrupt_until_over() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                while not is_over:
                    await driver.interrupt()
                    await anyio.sleep(INTERRUPT_INTERVAL_SECONDS)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(interrupt_until_over)
        try:
            yield
        except Exception as error:  # noqa: BLE001 - carried past the group, which would put it into one of its own
            failure = error
        is_over = True
        tasks.cancel_scope.cancel()
    # That it was broken off is no trouble of the database.
    await anyio.lowlevel.checkpoint()
    if failure is not None:
        raise failure
