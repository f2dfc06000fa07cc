"""The way of one host to the database: passed on, delayed, held, cut, or stopped at a chosen statement.

What is held is delivered once the way is open again, as TCP would: the end of a stopped host's transaction may arrive
long after it was given up.
"""

import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum

import anyio
import anyio.abc
from anyio.abc import SocketAttribute, SocketListener, SocketStream

from tests.fleet.network.postgres_messages import ClientMessage, ClientMessageReader

TIMEOUT_SECONDS = 120.0
_CLOSE_BY_RESET = struct.pack("ii", 1, 0)


class Moment(Enum):
    """Where an interception stops a connection."""

    STATEMENT = "statement"
    """Before the message goes to the server."""
    ANSWER = "answer"
    """Once the server has answered it, before the answer goes to the client."""


@dataclass
class Interception:
    """One stop, at the first message that matches, on whichever connection."""

    matches: Callable[[ClientMessage], bool]
    moment: Moment
    is_cut: bool = False
    """Whether the connection is reset when the stop ends, so that what was held is lost."""
    reached: anyio.Event = field(default_factory=anyio.Event)
    _released: anyio.Event = field(default_factory=anyio.Event)
    _is_taken: bool = False

    async def wait(self) -> None:
        """Wait until a connection stands there.

        Raises:
            TimeoutError: None comes.
        """
        with anyio.fail_after(TIMEOUT_SECONDS):
            await self.reached.wait()

    def release(self) -> None:
        """Let the connection go on, or cut it."""
        self._released.set()

    def take(self, message: ClientMessage) -> bool:
        """Whether this message is the one."""
        if self._is_taken or not self.matches(message):
            return False
        self._is_taken = True
        return True

    async def hold(self) -> None:
        """Stand there.

        Raises:
            ConnectionResetError: The connection is to be cut.
        """
        self.reached.set()
        await self._released.wait()
        if self.is_cut:
            raise ConnectionResetError


class _Direction:
    """One direction of the way, for all connections."""

    def __init__(self) -> None:
        self.delay_seconds = 0.0
        self._open = anyio.Event()
        self._open.set()

    def close(self) -> None:
        self._open = anyio.Event()

    def open(self) -> None:
        self._open.set()

    async def pass_through(self) -> None:
        if self.delay_seconds:
            await anyio.sleep(self.delay_seconds)
        await self._open.wait()


class DatabaseProxy:
    """Listens on a port of its own and leads to the server's.

    Attributes:
        target: The server's port on 127.0.0.1; another one after a failover.
        address: Of this machine, or of a namespace beside it.
        port: There.
        to_server: What the host says.
        to_client: What the server says.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.address, self.port = "", 0
        self.to_server = _Direction()
        self.to_client = _Direction()
        self._refuses = False
        self._interceptions: list[Interception] = []
        self._connections: set[_Connection] = set()

    def cut(self) -> None:
        """Reset every connection, and each new one."""
        self._refuses = True
        self.reset()

    def reset(self) -> None:
        """Reset every connection once; new ones pass."""
        for connection in list(self._connections):
            connection.reset()

    def hold(self) -> None:
        """Pass nothing on, in neither direction; connections are accepted."""
        self.to_server.close()
        self.to_client.close()

    def restore(self) -> None:
        """Pass everything on again, what was held first."""
        self._refuses = False
        self.to_server.open()
        self.to_client.open()

    def intercept(
        self, matches: Callable[[ClientMessage], bool], moment: Moment, *, is_cut: bool = False
    ) -> Interception:
        """Stop the first connection that sends such a message, once."""
        interception = Interception(matches, moment, is_cut)
        self._interceptions.append(interception)
        return interception

    def find_interception(self, message: ClientMessage) -> Interception | None:
        """The one that this message meets."""
        return next((each for each in self._interceptions if each.take(message)), None)

    @asynccontextmanager
    async def listening(self, listener: socket.socket | None = None) -> AsyncIterator[None]:
        """Listen for the length of the block, at a listener or on a port of its own."""
        listener = listener or socket.create_server(("127.0.0.1", 0))
        self.address, self.port = listener.getsockname()
        listener.setblocking(False)
        async with await SocketListener.from_socket(listener) as streams, anyio.create_task_group() as tasks:
            tasks.start_soon(streams.serve, self._serve)
            yield
            tasks.cancel_scope.cancel()

    async def _serve(self, client: SocketStream) -> None:
        try:
            if self._refuses:
                return
            async with await anyio.connect_tcp("127.0.0.1", self.target) as server:
                connection = _Connection(self, client, server)
                self._connections.add(connection)
                try:
                    await connection.run()
                finally:
                    self._connections.discard(connection)
        except OSError:
            pass  # there is no server
        finally:
            await _reset(client)


class _Connection:
    def __init__(self, proxy: DatabaseProxy, client: SocketStream, server: SocketStream) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._held_answer: Interception | None = None
        self._scope: anyio.CancelScope | None = None

    def reset(self) -> None:
        """End it at once."""
        if self._scope is not None:
            self._scope.cancel()

    async def run(self) -> None:
        """Pass everything on, until one of the two ends it."""
        try:
            async with anyio.create_task_group() as tasks:
                self._scope = tasks.cancel_scope
                tasks.start_soon(self._pass_to_server)
                await self._pass_to_client()
                tasks.cancel_scope.cancel()
        except* (ConnectionResetError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass

    async def _pass_to_server(self) -> None:
        reader = ClientMessageReader()
        async for chunk in self._client:
            passed = b""
            for message in reader.feed(chunk):
                interception = self._proxy.find_interception(message)
                if interception is not None and interception.moment is Moment.STATEMENT:
                    await self._send_to_server(passed)
                    passed = b""
                    await interception.hold()
                elif interception is not None:
                    self._held_answer = interception
                passed += message.data
            await self._send_to_server(passed)
        await self._proxy.to_server.pass_through()
        await self._server.send_eof()

    async def _send_to_server(self, data: bytes) -> None:
        if data:
            await self._proxy.to_server.pass_through()
            await self._server.send(data)

    async def _pass_to_client(self) -> None:
        async for chunk in self._server:
            held, self._held_answer = self._held_answer, None
            if held is not None:
                await held.hold()
            await self._proxy.to_client.pass_through()
            await self._client.send(chunk)


async def _reset(stream: SocketStream) -> None:
    with suppress(OSError):  # the other end was quicker
        stream.extra(SocketAttribute.raw_socket).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _CLOSE_BY_RESET)
    await anyio.aclose_forcefully(stream)
