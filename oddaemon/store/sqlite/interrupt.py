"""Interrupt a statement that SQLite runs in a thread, for VACUUM, which takes long on a large file."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiosqlite
import anyio
import anyio.lowlevel

INTERRUPT_INTERVAL_SECONDS = 0.05
"""An interrupt that comes before the thread has started the statement has no effect, so it is repeated."""


@asynccontextmanager
async def interrupt_when_cancelled(driver: aiosqlite.Connection) -> AsyncIterator[None]:
    """Interrupt the statement in this shielded block when the task is cancelled; SQLite rolls it back.

    The block must be the only user of the connection.
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
        except Exception as error:  # noqa: BLE001 - raised after the task group, which would wrap it in a group
            failure = error
        is_over = True
        tasks.cancel_scope.cancel()
    # An interruption by cancellation is not a fault of the database.
    await anyio.lowlevel.checkpoint()
    if failure is not None:
        raise failure
