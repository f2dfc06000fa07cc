"""A PostgreSQL server with a script: it answers each request of a delivery with the next bytes of it."""

import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSStream

from oddaemon.core.model import MONEY_COLUMNS
from oddaemon.core.snapshot.payload import Payload
from oddaemon.sinks.postgres.schema import MIGRATIONS

SSL_REQUEST = struct.pack("!I", 80877103)
BOOL, INT4, INT8, TEXT, NUMERIC = 16, 23, 20, 25, 1700


def make_message(kind: bytes, body: bytes = b"", claimed: int | None = None) -> bytes:
    """A message; `claimed`: the size that it pretends to have."""
    return kind + struct.pack("!I", (len(body) + 4 if claimed is None else claimed) & 0xFFFFFFFF) + body


def make_row(*cells: tuple[int, bytes]) -> bytes:
    """The answer with one row."""
    fields = b"".join(b"f\0" + struct.pack("!IhIhih", 0, 0, type_number, -1, -1, 0) for type_number, _ in cells)
    values = b"".join(struct.pack("!i", len(value)) + value for _, value in cells)
    count = struct.pack("!h", len(cells))
    return make_message(b"T", count + fields) + make_message(b"D", count + values)


def make_answer(tag: bytes, rows: bytes = b"", status: bytes = b"T") -> bytes:
    return rows + make_message(b"C", tag + b"\0") + make_message(b"Z", status)


def make_parameter(name: bytes, value: bytes) -> bytes:
    return make_message(b"S", name + b"\0" + value + b"\0")


LOGIN = (
    make_message(b"R", struct.pack("!I", 0))
    + make_parameter(b"server_version", b"16.2")
    + make_parameter(b"client_encoding", b"UTF8")
    + make_message(b"K", struct.pack("!II", 7, 7))
    + make_message(b"Z", b"I")
)
PARSED = make_message(b"1") + make_message(b"2")
COPY_IN = make_message(b"G", b"\0" + struct.pack("!h9h", 9, *[0] * 9))


def make_good_answers(payload: Payload) -> list[bytes]:
    """What a real server says in a delivery to tables that are there: the login, then an answer to each request."""
    totals = payload.snapshot.totals
    sums = [(NUMERIC, f"{getattr(totals, name)}".encode() + b"e-2") for name in MONEY_COLUMNS]
    limits = make_row((TEXT, b"1"), (TEXT, b"1"), (TEXT, b"error"))
    revision = str(len(MIGRATIONS)).encode()
    no_data = PARSED + make_message(b"n")
    insert = no_data + make_answer(b"INSERT 0 1")
    return [
        LOGIN,
        make_answer(b"BEGIN"),
        PARSED + make_answer(b"SELECT 1", limits),
        PARSED + make_answer(b"SELECT 1", make_row((TEXT, b""))),
        PARSED + make_answer(b"SELECT 1", make_row((BOOL, b"f"))),
        make_answer(b"CREATE TABLE"),
        make_answer(b"SELECT 1", make_row((INT4, revision))),
        make_answer(b"COMMIT", status=b"I"),
        make_answer(b"BEGIN"),
        PARSED + make_answer(b"SELECT 1", limits),
        no_data + make_answer(b"CREATE TABLE"),
        COPY_IN,
        make_answer(b"COPY 30"),
        *[insert] * 3,
        no_data + make_answer(b"DELETE 0"),
        insert,
        PARSED + make_answer(b"SELECT 1", make_row((INT8, b"1"), (INT8, str(totals.guarantors).encode()), *sums)),
        make_answer(b"COMMIT", status=b"I"),
    ]


Answer = bytes | Callable[[bytes], bytes]
"""What is sent, or how it is made from the request."""


class HostilePostgres:
    """Answers each request with the next bytes.

    Args:
        answers: To the startup message, then to each request; after the last one it closes.
        to_ssl_request: What it says when it is asked for TLS.
        tls: Speaks TLS when it is asked for it, instead.
        endless: Sent again and again after the last answer.
        pause_seconds: Between two of these.
        is_silent: Says nothing useful after the last answer, but does not close: only a deadline ends it.
    """

    def __init__(
        self,
        answers: Sequence[Answer],
        *,
        to_ssl_request: bytes = b"N",
        tls: ssl.SSLContext | None = None,
        endless: bytes = b"",
        pause_seconds: float = 0.0,
        is_silent: bool = False,
    ) -> None:
        self.answers = answers
        self.to_ssl_request = to_ssl_request
        self.tls = tls
        self.endless = endless
        self.pause_seconds = pause_seconds
        self.is_silent = is_silent
        self.startups: list[bytes] = []
        """The startup messages that came, with their parameters."""

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[int]:
        """Serve on a port of this machine."""
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1", family=socket.AF_INET)
        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, self._serve)
            yield listener.extra(SocketAttribute.local_port)
            tasks.cancel_scope.cancel()

    async def _serve(self, stream: ByteStream) -> None:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, ssl.SSLError):
            async with stream:
                await self._converse(stream)

    async def _converse(self, stream: ByteStream) -> None:
        requests = _Requests(stream)
        startup = await requests.read_startup()
        if startup == SSL_REQUEST and self.tls is not None:
            await stream.send(b"S")
            stream = await TLSStream.wrap(stream, server_side=True, ssl_context=self.tls, standard_compatible=False)
            requests = _Requests(stream)
            startup = await requests.read_startup()
        elif startup == SSL_REQUEST:
            await stream.send(self.to_ssl_request)
            startup = await requests.read_startup()
        self.startups.append(startup)
        for number, answer in enumerate(self.answers):
            request = await requests.read_request() if number else b""
            await stream.send(answer if isinstance(answer, bytes) else answer(request))
        while self.endless:
            await stream.send(self.endless)
            await anyio.sleep(self.pause_seconds)
        if self.is_silent:
            await anyio.sleep_forever()


class _Requests:
    """What a client sends, cut into what wants an answer."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._buffer = bytearray()

    async def read_startup(self) -> bytes:
        """A message without a kind."""
        (size,) = struct.unpack("!I", await self._read(4))
        return await self._read(size - 4)

    async def read_request(self) -> bytes:
        """Read until a query, a sync, the end of a COPY or a password has come."""
        kind = body = b""
        while kind not in {b"Q", b"S", b"c", b"f", b"p"}:
            kind = await self._read(1)
            (size,) = struct.unpack("!I", await self._read(4))
            body = await self._read(size - 4)
            if kind == b"X":
                raise anyio.EndOfStream
        return body

    async def _read(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._buffer += await self._stream.receive()
        found = bytes(self._buffer[:size])
        del self._buffer[:size]
        return found
