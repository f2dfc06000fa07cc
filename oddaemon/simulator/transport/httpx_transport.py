"""Headquarters as an httpx transport in the same process, without sockets, with timeouts in the loop's time.

It raises the same exceptions as httpx over a real network. `httpx.ASGITransport` is not sufficient: it buffers bodies,
has no timeouts and cannot lose a connection.
"""

import errno
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from itertools import count

import anyio
import httpx

from oddaemon.simulator.api.messages import ApiRequest, ApiResponse, BrokenConnection, ConnectionFailure, RequestHandler

CHUNK_BYTES = 16_384
_connection_numbers = count(1)

Timeouts = Mapping[str, float | None]
"""httpx's timeouts of a request in seconds, by name; None waits for ever."""


class SimulatedTransport(httpx.AsyncBaseTransport):
    """Passes each request of an `httpx.AsyncClient` to headquarters and returns the response as a stream.

    Planted faults raise `httpx.ConnectTimeout`, `ConnectError`, `ReadTimeout`, `ReadError` and `RemoteProtocolError`.
    The timeouts are those of the request (`httpx.Timeout`); None waits for ever. The `trace` extension of a request is
    called before its first byte, as httpcore does.

    Args:
        handler: Answers the requests.
        draw_way_seconds: How long the next way takes, there or back; a connection takes one of each. None: no time.
    """

    def __init__(self, handler: RequestHandler, draw_way_seconds: Callable[[], float] | None = None) -> None:
        self._handler = handler
        self._draw_way_seconds = draw_way_seconds
        self._is_connected = False
        self._connection = f"in-process {next(_connection_numbers)}"

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        timeouts: Timeouts = request.extensions.get("timeout", {})
        api_request = ApiRequest(
            method=request.method,
            path=request.url.path,
            query=dict(request.url.params),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await request.aread(),
            remote=self._connection,
        )
        if not self._is_connected:
            await self._travel()
            await self._travel()
            self._is_connected = True
        if (trace := request.extensions.get("trace")) is not None:
            await trace("http11.send_request_headers.started", {})
        try:
            with anyio.fail_after(timeouts.get("read")):
                await self._travel()
                response = await self._handler.handle(api_request)
                await self._travel()
        except TimeoutError as error:
            raise httpx.ReadTimeout("No answer in time.", request=request) from error
        if response.transport_fault is not None and response.transport_fault.after_bytes is None:
            raise await _make_error(response.transport_fault, timeouts, sent=0, announced=0)
        headers = [*response.headers, ("content-length", str(len(response.body)))]
        return httpx.Response(response.status, headers=headers, stream=_Body(response, timeouts))

    async def _travel(self) -> None:
        if self._draw_way_seconds is not None:
            await anyio.sleep(self._draw_way_seconds())


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: ApiResponse, timeouts: Timeouts) -> None:
        self._response = response
        self._timeouts = timeouts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        fault, body = self._response.transport_fault, self._response.body
        sent = body if fault is None else body[: fault.after_bytes]
        for start in range(0, len(sent), CHUNK_BYTES):
            yield sent[start : start + CHUNK_BYTES]
        if fault is not None:
            raise await _make_error(fault, self._timeouts, sent=len(sent), announced=len(body))


async def _make_error(
    fault: BrokenConnection, timeouts: Timeouts, *, sent: int, announced: int
) -> httpx.TransportError:
    """Make httpx's exception for this connection failure, after the time that a client needs to notice it."""
    if fault.cut.is_before_connection:
        return await _make_connect_error(fault.cut, timeouts)
    match fault.cut:
        case ConnectionFailure.STALL:
            await _wait(timeouts.get("read"))
            return httpx.ReadTimeout("The answer stopped coming.")
        case ConnectionFailure.RESET:
            return httpx.ReadError("Connection reset by peer.")
        case ConnectionFailure.CLOSE if fault.after_bytes is None:
            return httpx.RemoteProtocolError("Server disconnected without sending a response.")
        case _:
            return httpx.RemoteProtocolError(
                "peer closed connection without sending complete message body "
                f"(received {sent} bytes, expected {announced})"
            )


async def _make_connect_error(failure: ConnectionFailure, timeouts: Timeouts) -> httpx.TransportError:
    """Make the exception as httpx does: the cause is hidden below those of its layers."""
    cause: OSError
    match failure:
        case ConnectionFailure.NO_CONNECTION:
            await _wait(timeouts.get("connect"))
            return httpx.ConnectTimeout("No connection in time.")
        case ConnectionFailure.REFUSED:
            return httpx.ConnectError("Connection refused.")
        case ConnectionFailure.UNTRUSTED:
            cause = ssl.SSLCertVerificationError(1, "certificate verify failed: certificate is not yet valid")
            cause.verify_message = "certificate is not yet valid"
        case ConnectionFailure.NO_NAME:
            cause = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        case ConnectionFailure.NO_ROUTE:
            cause = OSError(errno.ENETUNREACH, "Network is unreachable")
        case _:
            cause = OSError(errno.EMFILE, "Too many open files")
    every_address = OSError("All connection attempts failed")
    every_address.__cause__ = cause if isinstance(cause, ssl.SSLError) else ExceptionGroup("", [cause, cause])
    error = httpx.ConnectError(str(every_address))
    error.__cause__ = every_address
    return error


async def _wait(seconds: float | None) -> None:
    if seconds is None:
        await anyio.sleep_forever()
    else:
        await anyio.sleep(seconds)
