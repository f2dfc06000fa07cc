"""A connection to PostgreSQL with one user at a time, on which nothing takes longer than it may.

A cancelled call of psycopg asks the server to cancel the statement and waits for the answer, of a server that may be
gone. So a call is shielded from cancellation, and bounded: at its deadline the socket is shut down, and the call fails
at once. Waiting for the connection can be cancelled.

After a loss every call fails with the same error. A connection is never opened again under its users: the user of the
database must open it again and read everything again.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, ClassVar, Protocol

import anyio
import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import TextClause

from oddaemon.store.errors import DatabaseLost
from oddaemon.store.postgresql.dialect import bind_values
from oddaemon.store.postgresql.errors import LOST, SILENT, translate_errors

CLOSE_SECONDS = 5.0
"""A daemon that stops must not wait long for a server that does not answer."""
STATEMENT_SECONDS = 12.0
"""For a single statement: a little more than the server allows it."""


class Executor(Protocol):
    """What the checks of a database need of a connection."""

    where: str

    async def execute(self, statement: TextClause | str, values: Mapping[str, Any] | None = None) -> list[Any]:
        """As `StatementConnection.execute`."""
        ...


class StatementConnection:
    """An open connection.

    Attributes:
        where: which database, for messages.
        driver: psycopg's connection, in autocommit.
        lock: held by its user.
        calls_in_flight: the number of calls that wait for a server, in this process. A test's event loop that jumps
            over waiting time must not jump while it is above zero.
    """

    calls_in_flight: ClassVar[int] = 0

    def __init__(self, driver: psycopg.AsyncConnection[Any], where: str) -> None:
        self.where = where
        self.driver = driver
        self.lock = anyio.Lock()
        # A duplicate: its number cannot become another connection's.
        self._socket = socket.socket(fileno=os.dup(driver.pgconn.socket))
        self._loss: DatabaseLost | None = None
        self._has_notification = False
        driver.add_notify_handler(self._note_notification)

    @property
    def is_lost(self) -> bool:
        """Whether every call fails from now on."""
        return self._loss is not None

    async def execute(self, statement: TextClause | str, values: Mapping[str, Any] | None = None) -> list[Any]:
        """Run a single statement, which is a transaction by itself.

        Args:
            statement: with named parameters; their types are SQLAlchemy's.
            values: of the parameters.

        Returns:
            The rows that the statement returns, as tuples.

        Raises:
            DatabaseLost: the connection is gone; the statement may have been executed.
            DatabaseUnusable: the server refuses it; nothing was written.
        """
        async with self.lock:
            with self.guard_call(STATEMENT_SECONDS):
                return await fetch_rows(self.driver, statement, values)

    async def execute_long(self, statement: str, seconds: float) -> None:
        """Run a statement that may take long, and that can be cancelled: the connection ends with it.

        Args:
            statement: without parameters.
            seconds: that it may take.

        Raises:
            DatabaseLost, DatabaseUnusable: as `execute`.
        """
        async with self.lock:
            self._require_open()
            StatementConnection.calls_in_flight += 1
            try:
                with self._note_loss(), translate_errors(self.where), anyio.fail_after(seconds):
                    await self.driver.execute(statement.encode())
            except TimeoutError:
                self._end(SILENT.make_loss(self.where))
                self._require_open()
            except anyio.get_cancelled_exc_class():
                self.sever()
                raise
            finally:
                StatementConnection.calls_in_flight -= 1

    async def listen(self, channel: str) -> None:
        """Have the server report notifications of a channel, a plain name.

        Raises:
            DatabaseLost, DatabaseUnusable: as `execute`.
        """
        await self.execute(f'LISTEN "{channel}"')

    async def wait_notification(self, seconds: float) -> bool:
        """Wait until a notification has come, which can be cancelled; the connection has no other user meanwhile.

        Notifications that came while statements were executed count. Those that are here are taken together.

        Returns:
            Whether one came; False: the time is over.

        Raises:
            DatabaseLost: the connection is gone.
        """
        async with self.lock:
            self._require_open()
            self._take_notifications()
            with anyio.move_on_after(seconds):
                while not self._has_notification:
                    await anyio.wait_readable(self.driver.pgconn.socket)
                    self._take_notifications()
            came, self._has_notification = self._has_notification, False
            return came

    @contextmanager
    def guard_call(self, seconds: float) -> Iterator[None]:
        """Shield what the block asks of the server, translate its errors, and end it at a deadline.

        Raises:
            DatabaseLost, DatabaseUnusable: as `execute`.
        """
        self._require_open()
        deadline = asyncio.get_running_loop().call_later(seconds, self._end, SILENT.make_loss(self.where))
        StatementConnection.calls_in_flight += 1
        try:
            with anyio.CancelScope(shield=True), self._note_loss(), translate_errors(self.where):
                yield
        finally:
            StatementConnection.calls_in_flight -= 1
            deadline.cancel()

    def sever(self) -> None:
        """Shut the socket down: a call that waits for the server fails at once, and every later one."""
        self._end(LOST.make_loss(self.where))

    async def aclose(self) -> None:
        """Close it, once its user has finished."""
        async with self.hold_last():
            with suppress(psycopg.Error, OSError):
                await self.driver.close()
        self._socket.close()

    @asynccontextmanager
    async def hold_last(self) -> AsyncIterator[None]:
        """Be its last user. The present one has `CLOSE_SECONDS` to finish; then the connection is cut under it."""
        deadline = asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._end, SILENT.make_loss(self.where))
        with anyio.CancelScope(shield=True):
            async with self.lock:
                deadline.cancel()
                yield

    @contextmanager
    def _note_loss(self) -> Iterator[None]:
        try:
            yield
        except DatabaseLost as error:
            # At a deadline the error says so; what the driver then sees is only the end of the connection.
            self._end(error)
            self._require_open()

    def _end(self, loss: DatabaseLost) -> None:
        self._loss = self._loss or loss
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _require_open(self) -> None:
        if self._loss is not None:
            raise DatabaseLost(self._loss.what, self._loss.advice) from None

    def _take_notifications(self) -> None:
        """Read what the server has sent unasked. Without a statement that is a notification, or the end."""
        with self._note_loss(), translate_errors(self.where):
            self.driver.pgconn.consume_input()
            while self.driver.pgconn.notifies() is not None:
                self._has_notification = True

    def _note_notification(self, _notification: psycopg.Notify) -> None:
        self._has_notification = True


async def fetch_rows(
    driver: psycopg.AsyncConnection[Any], statement: TextClause | str, values: Mapping[str, Any] | None
) -> list[Any]:
    """Run a statement; the rows that it returns, as tuples."""
    cursor = await driver.execute(*bind_values(statement, values or {}))
    return await cursor.fetchall() if cursor.description else []


def has_failed(driver: psycopg.AsyncConnection[Any]) -> bool:
    """Whether a statement of the open transaction failed: its COMMIT would silently be a ROLLBACK."""
    return driver.info.transaction_status == TransactionStatus.INERROR
