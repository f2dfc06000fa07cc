"""Headquarters on real sockets, in a separate process from the daemon: for the demo, the crash tests and the benches.

This is not a ready-made web server because it can reset, stall or close a connection at any byte. Listen only on
loopback: there is no TLS, and the control API has no authentication.
"""

import math
import socket
import struct
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from itertools import count
from urllib.parse import parse_qsl, unquote

import anyio
from anyio.abc import SocketAttribute, SocketStream, TaskStatus
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from oddaemon.simulator.api import responses
from oddaemon.simulator.api.messages import ApiRequest, ApiResponse, BrokenConnection, ConnectionFailure, RequestHandler

RECEIVE_BYTES = 65_536
HEAD_BYTES_MAX = 65_536
BODY_BYTES_MAX = 33_554_432
"""Twice the 16.8 M characters that the API accepts."""
_TICK_SECONDS = 0.01
"""The kernel's own clock is no finer: a request must not seem to arrive before it did."""
_LAST_DATA_RECEIVED = 52
"""The place of `tcpi_last_data_recv` in Linux's `struct tcp_info`: milliseconds, 32 bits."""
_REASONS = {status.value: status.phrase for status in HTTPStatus}


async def serve(
    handler: RequestHandler,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    name_client: Callable[[int], str] = lambda _: "?",
    task_status: TaskStatus[int] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled.

    Args:
        handler: Answers the requests.
        host: The address to listen on.
        port: The port; 0 selects a free one.
        name_client: Returns the name of the program behind a client's port, for the log of the traffic.
        task_status: Started with the port when connections are accepted.

    Raises:
        OSError: The server cannot listen on the address.
    """
    numbers = count(1)

    async def serve_connection(stream: SocketStream) -> None:
        peer_port = stream.extra(SocketAttribute.remote_port)  # noqa: S610 - Django's rule, anyio's extra
        parser = RequestParser(f"connection {next(numbers)}", name_client(peer_port))
        await _Connection(handler, stream, parser).run()

    async with await anyio.create_tcp_listener(local_host=host, local_port=port) as listener:
        task_status.started(listener.extra(SocketAttribute.local_port))  # noqa: S610 - as above
        await listener.serve(serve_connection)


class BadRequestError(Exception):
    """This parser cannot read the bytes; the message says why."""


class RequestParser:
    """Turns the HTTP/1.1 of well-behaved clients into requests, several times faster than a full parser.

    It buffers incomplete requests. A body needs a Content-Length; a chunked one is refused.

    Args:
        remote: the name of the connection, given to each request.
        client: the name of the program at its other end, given to each request.
    """

    def __init__(self, remote: str, client: str = "?") -> None:
        self._remote = remote
        self._client = client
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[ApiRequest]:
        """The requests that these bytes complete.

        Raises:
            BadRequestError: The buffered bytes cannot become a valid request.
        """
        self._buffer += data
        requests = []
        while (request := self._take_request()) is not None:
            requests.append(request)
        return requests

    def _take_request(self) -> ApiRequest | None:
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            if len(self._buffer) > HEAD_BYTES_MAX:
                raise BadRequestError("The head of the request is too long.")
            return None
        request_line, *header_lines = self._buffer[:head_end].decode("latin-1").split("\r\n")
        headers = dict(_parse_header(line) for line in header_lines)
        body_start, body_bytes = head_end + 4, _parse_content_length(headers)
        if len(self._buffer) < body_start + body_bytes:
            return None
        body = bytes(self._buffer[body_start : body_start + body_bytes])
        del self._buffer[: body_start + body_bytes]
        return replace(_make_request(request_line, headers, body, self._remote), client=self._client)


class _Connection:
    """One client: one task reads requests and notices that the client hangs up, the other answers in order."""

    def __init__(self, handler: RequestHandler, stream: SocketStream, parser: RequestParser) -> None:
        self._handler = handler
        self._stream = stream
        self._parser = parser

    async def run(self) -> None:
        send, receive = anyio.create_memory_object_stream[ApiRequest | BadRequestError](math.inf)
        try:
            async with self._stream, anyio.create_task_group() as tasks, send, receive:
                tasks.start_soon(self._read, send, tasks.cancel_scope)
                await self._handle_all(receive)
                tasks.cancel_scope.cancel()
        except* (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass  # the client hung up before the end of the response

    async def _read(
        self, send: MemoryObjectSendStream[ApiRequest | BadRequestError], connection: anyio.CancelScope
    ) -> None:
        try:
            while True:
                data = await self._stream.receive(RECEIVE_BYTES)
                arrived_at = anyio.current_time() - _read_age_seconds(self._stream)
                for request in self._parser.feed(data):
                    send.send_nowait(replace(request, arrived_at=arrived_at))
        except BadRequestError as error:
            send.send_nowait(error)
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            connection.cancel()

    async def _handle_all(self, receive: MemoryObjectReceiveStream[ApiRequest | BadRequestError]) -> None:
        async for request in receive:
            if isinstance(request, BadRequestError):
                await self._stream.send(
                    _render_response(responses.make_json_error(400, str(request)), keep_alive=False)
                )
                return
            response = await self._handler.handle(request)
            keep_alive = request.headers.get("connection", "").lower() != "close"
            if response.transport_fault is not None:
                await self._fail(response, response.transport_fault)
                return
            await self._stream.send(_render_response(response, keep_alive=keep_alive))
            if not keep_alive:
                return

    async def _fail(self, response: ApiResponse, fault: BrokenConnection) -> None:
        if fault.after_bytes is not None:
            whole = _render_response(response, keep_alive=True)
            await self._stream.send(whole[: len(whole) - len(response.body) + fault.after_bytes])
        match fault.cut:
            case ConnectionFailure.STALL | ConnectionFailure.NO_CONNECTION:
                # The kernel has already accepted the connection; silence is the closest imitation of no connection.
                await anyio.sleep_forever()
            case ConnectionFailure.CLOSE:
                await self._stream.aclose()
            case _:
                # A connection that never is, for whatever reason of the client, cannot be imitated here either.
                raw = self._stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - as above
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                await anyio.aclose_forcefully(self._stream)


def _read_age_seconds(stream: SocketStream) -> float:
    """How long ago the last byte arrived, at least. The kernel knows; on a busy machine this process sees it late."""
    if not hasattr(socket, "TCP_INFO"):
        return 0.0
    raw = stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - as above
    try:
        found = raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_DATA_RECEIVED + 4)
    except OSError:  # the client hung up
        return 0.0
    (milliseconds,) = struct.unpack_from("I", found, _LAST_DATA_RECEIVED)
    return max(0.0, float(milliseconds) / 1000 - _TICK_SECONDS)


def _make_request(request_line: str, headers: dict[str, str], body: bytes, remote: str) -> ApiRequest:
    match request_line.split(" "):
        case [method, target, "HTTP/1.1"]:
            pass
        case [method, target, "HTTP/1.0"]:
            headers.setdefault("connection", "close")
        case _:
            raise BadRequestError("The first line is not an HTTP/1.1 request line.")
    path, _, query = target.partition("?")
    pairs = dict(parse_qsl(query, keep_blank_values=True))
    return ApiRequest(method, unquote(path), pairs, headers, body, remote)


def _parse_header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or name != name.strip():
        raise BadRequestError("A header line has no name.")
    return name.lower(), value.strip()


def _parse_content_length(headers: dict[str, str]) -> int:
    if "transfer-encoding" in headers:
        raise BadRequestError("Chunked bodies are not supported; send a Content-Length.")
    text = headers.get("content-length", "0")
    if not (text.isascii() and text.isdigit()) or int(text) > BODY_BYTES_MAX:
        raise BadRequestError("Content-Length is not an acceptable number of bytes.")
    return int(text)


def _render_response(response: ApiResponse, *, keep_alive: bool) -> bytes:
    lines = [f"HTTP/1.1 {response.status} {_REASONS.get(response.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in response.headers]
    lines.append(f"content-length: {len(response.body)}")
    if not keep_alive:
        lines.append("connection: close")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + response.body
