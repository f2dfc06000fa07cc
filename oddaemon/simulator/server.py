"""Headquarters on real sockets, for processes that must not share one: the demo, the crash tests, the benches.

A connection can be reset, stalled or closed at any byte, which is why this is not a ready-made web server. Never listen
beyond loopback: there is no TLS and the control desk has no lock.
"""

import math
import socket
import struct
from http import HTTPStatus
from itertools import count

import anyio
from anyio.abc import SocketAttribute, SocketStream, TaskStatus
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from oddaemon.simulator import answers
from oddaemon.simulator.api import Answers, ApiAnswer, ApiRequest, Cut, Wire
from oddaemon.simulator.request_parser import BadRequestError, RequestParser

RECEIVE_BYTES = 65_536
_REASONS = {status.value: status.phrase for status in HTTPStatus}


async def serve(
    site: Answers,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    task_status: TaskStatus[int] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled.

    Args:
        site: who answers.
        host: address to listen on.
        port: 0 for any free one.
        task_status: told the port once connections are accepted.

    Raises:
        OSError: the address cannot be listened on.
    """
    numbers = count(1)

    async def connection(stream: SocketStream) -> None:
        await _Connection(site, stream, f"connection {next(numbers)}").run()

    async with await anyio.create_tcp_listener(local_host=host, local_port=port) as listener:
        task_status.started(listener.extra(SocketAttribute.local_port))  # noqa: S610 - Django's rule, anyio's extra
        await listener.serve(connection)


class _Connection:
    """One client: one task reads requests and notices that the client hangs up, the other answers in order."""

    def __init__(self, site: Answers, stream: SocketStream, name: str) -> None:
        self._site = site
        self._stream = stream
        self._parser = RequestParser(name)

    async def run(self) -> None:
        send, receive = anyio.create_memory_object_stream[ApiRequest | BadRequestError](math.inf)
        try:
            async with self._stream, anyio.create_task_group() as tasks, send, receive:
                tasks.start_soon(self._read, send, tasks.cancel_scope)
                await self._answer_all(receive)
                tasks.cancel_scope.cancel()
        except* (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass  # the client hung up while it was being answered: nobody is left to tell

    async def _read(
        self, send: MemoryObjectSendStream[ApiRequest | BadRequestError], connection: anyio.CancelScope
    ) -> None:
        try:
            while True:
                for request in self._parser.feed(await self._stream.receive(RECEIVE_BYTES)):
                    send.send_nowait(request)
        except BadRequestError as error:
            send.send_nowait(error)
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            connection.cancel()

    async def _answer_all(self, receive: MemoryObjectReceiveStream[ApiRequest | BadRequestError]) -> None:
        async for request in receive:
            if isinstance(request, BadRequestError):
                await self._stream.send(_bytes_of(answers.sentence(400, str(request)), keep_alive=False))
                return
            answer = await self._site.answer(request)
            keep_alive = request.headers.get("connection", "").lower() != "close"
            if answer.wire is not None:
                await self._fail(answer, answer.wire)
                return
            await self._stream.send(_bytes_of(answer, keep_alive=keep_alive))
            if not keep_alive:
                return

    async def _fail(self, answer: ApiAnswer, wire: Wire) -> None:
        if wire.after_bytes is not None:
            whole = _bytes_of(answer, keep_alive=True)
            await self._stream.send(whole[: len(whole) - len(answer.body) + wire.after_bytes])
        match wire.cut:
            case Cut.STALL | Cut.NO_CONNECTION:
                # The kernel has accepted the connection already: silence is the nearest to no connection.
                await anyio.sleep_forever()
            case Cut.RESET | Cut.REFUSED:
                raw = self._stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - as above
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                await anyio.aclose_forcefully(self._stream)
            case Cut.CLOSE:
                await self._stream.aclose()


def _bytes_of(answer: ApiAnswer, *, keep_alive: bool) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in answer.headers]
    lines.append(f"content-length: {len(answer.body)}")
    if not keep_alive:
        lines.append("connection: close")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + answer.body
