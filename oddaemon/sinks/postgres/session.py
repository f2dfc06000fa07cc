"""A connection to a PostgreSQL server that may be hostile, and the thread that it lives in.

libpq does three things that must not happen on the event loop: it hashes as often as a login says (2^31 times is half
an hour), it reads as long as the server is quicker than it is, into a buffer as large as a message claims to be (a
gigabyte in one call, seconds long), and it loads certificates. It releases Python's lock meanwhile, so a thread of its
own is enough. The event loop watches the socket: it cuts the connection when a delivery is cancelled or late, or when
the server sends more than any delivery needs.
"""

import os
import select
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio
import anyio.from_thread
from anyio.lowlevel import current_token
from psycopg import Connection, Error, RawCursor
from psycopg.conninfo import make_conninfo
from psycopg.generators import connect as generate_connection
from psycopg.pq.abc import PGconn

from oddaemon.core.dsn import Dsn
from oddaemon.http_client.host_errors import measure_exhaustion
from oddaemon.postgres_client.parameters import build_parameters, find_unreadable_file, hide_environment

RECEIVED_BYTES_MAX = 2**20
"""What the server may send in one delivery: it answers with a row and a few tags, a handshake with its certificates."""
_WATCH_SECONDS = 0.01
"""How often that is looked at: a server next door sends about 10 MB meanwhile."""
_WAIT_MILLISECONDS = 100
_TCP_BYTES_RECEIVED = struct.Struct("=128xQ")
"""`tcpi_bytes_received` in Linux's `struct tcp_info`."""


class ReceivedTooMuch(Exception):
    """The server sends more than a delivery needs."""


class NotConnected(Exception):
    """No connection was made; the text is libpq's, and may hold what the server said.

    libpq reports no errno: if this machine has run out of something, that is the cause of the exception.
    """


class PostgresSession:
    """One connection, used by one thread at a time.

    Args:
        dsn: Of the database.
        prepare: Run on the connection when it was opened.
    """

    def __init__(self, dsn: Dsn, prepare: Callable[[Connection[Any]], None]) -> None:
        self._dsn = dsn
        self._prepare = prepare
        self._connection: Connection[Any] | None = None
        self._socket: socket.socket | None = None
        """A duplicate of libpq's: its number cannot become another connection's while the event loop holds it."""
        self._number = -1
        self._lock = threading.Lock()
        self._is_cut = False
        self._received_before = 0
        self._ended: anyio.Event | None = None

    @property
    def is_usable(self) -> bool:
        """Whether the connection is open and the server silent. One that speaks unasked has closed it, or will."""
        if self._is_cut or self._connection is None or self._connection.closed:
            return False
        return not _poll(self._connection.pgconn.socket, select.POLLIN, 0)

    async def run(self, work: Callable[[Connection[Any]], None]) -> None:
        """Do work in a thread, on a connection that is opened if there is none.

        Whatever ends this call early cuts the connection at once; the thread notices it. Only while libpq computes a
        login it cannot be stopped; `join` waits for it.

        Raises:
            ReceivedTooMuch: The server has sent too much.
            Exception: Whatever the driver or the work raises.
        """
        token, ended, errors = current_token(), anyio.Event(), list[BaseException]()
        self._ended, self._received_before = ended, self._count_received_bytes()

        def run() -> None:
            try:
                work(self._get_connection())
            except BaseException as error:  # noqa: BLE001 - raised below, in the task that waits for it
                errors.append(error)
            if errors or self._is_cut:
                self._close()
            with suppress(RuntimeError, anyio.RunFinishedError):  # the loop is gone
                anyio.from_thread.run_sync(ended.set, token=token)

        # A daemon: a login that takes half an hour must not keep the process from ending.
        threading.Thread(target=run, name="postgres sink", daemon=True).start()
        try:
            while not ended.is_set():
                with anyio.move_on_after(_WATCH_SECONDS):
                    await ended.wait()
                self._check_received_bytes()
        except BaseException:
            self.cut()
            raise
        if errors:
            raise errors[0]

    async def join(self) -> None:
        """Wait until the thread has ended."""
        if self._ended is not None:
            await self._ended.wait()

    def cut(self) -> None:
        """Close the connection at once, from the event loop."""
        with self._lock:
            self._is_cut = True
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
        if self._ended is None or self._ended.is_set():
            self._close()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        self._follow(-1)

    def _check_received_bytes(self) -> None:
        if self._count_received_bytes() - self._received_before > RECEIVED_BYTES_MAX:
            raise ReceivedTooMuch

    def _count_received_bytes(self) -> int:
        """What came over this socket. 0 for a socket in a directory: its owner is trusted."""
        with self._lock, suppress(OSError, struct.error, AttributeError):
            if self._socket is not None and self._socket.family is not socket.AF_UNIX:
                size = _TCP_BYTES_RECEIVED.size
                information = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, size)
                return int(_TCP_BYTES_RECEIVED.unpack(information)[0])
        return 0

    def _follow(self, number: int) -> None:
        """Hold the socket that libpq uses now; -1: none."""
        with self._lock:
            if number == self._number:
                return
            if self._socket is not None:
                self._socket.close()
            self._number, self._socket = number, None
            if number >= 0:
                self._socket, self._received_before = socket.socket(fileno=os.dup(number)), 0
                if self._is_cut:
                    self._socket.shutdown(socket.SHUT_RDWR)

    def _get_connection(self) -> Connection[Any]:
        if self._connection is None:
            self._connection = Connection(self._open())
            self._connection.autocommit = True  # transactions are begun and committed in words
            self._connection.prepare_threshold = None  # a pooler shares sessions between clients
            self._connection.cursor_factory = RawCursor
            self._prepare(self._connection)
        return self._connection

    def _open(self) -> PGconn:
        hide_environment()
        if find_unreadable_file(self._dsn):
            raise NotConnected("certificate file")
        try:
            steps = generate_connection(make_conninfo("", **build_parameters(self._dsn)))
        except Error as error:
            raise NotConnected(str(error)) from measure_exhaustion()
        try:
            number, events = next(steps)
            while True:
                self._follow(number)
                ready = _poll(number, events, _WAIT_MILLISECONDS)
                if self._is_cut:
                    raise NotConnected("cut")
                number, events = steps.send(ready)
        except StopIteration as opened:
            pgconn: PGconn = opened.value
            self._follow(pgconn.socket)
            return pgconn
        except Error as error:
            raise NotConnected(str(error)) from measure_exhaustion()
        finally:
            steps.close()


def _poll(number: int, events: int, milliseconds: int) -> int:
    """Which of the events have come: 1 to read, 2 to write. The numbers of psycopg and of `select.EPOLLIN` differ."""
    poller = select.poll()
    poller.register(number, (select.POLLIN if events & 1 else 0) | (select.POLLOUT if events & 2 else 0))
    return events if poller.poll(milliseconds) else 0
