"""Headquarters as an httpx transport in the same process: no sockets, and time-outs in the loop's own time.

It raises what httpx raises over a real network. `httpx.ASGITransport` will not do: it buffers bodies, has no time-outs
and cannot lose a connection.
"""

from collections.abc import AsyncIterator
from itertools import count

import anyio
import httpx

from oddaemon.simulator.api import Answers, ApiAnswer, ApiRequest, Cut, Wire

CHUNK_BYTES = 16_384
_connection_numbers = count(1)


class SimulatedTransport(httpx.AsyncBaseTransport):
    """Hands each request of an `httpx.AsyncClient` to headquarters and gives the answer back as a stream.

    Errors: `httpx.ConnectTimeout`, `ConnectError`, `ReadTimeout`, `ReadError` and `RemoteProtocolError`, when and as
    the planted faults say; the time-outs are the request's own (`httpx.Timeout`), one of None waits for ever.
    """

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._connection = f"in-process {next(_connection_numbers)}"

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        timeouts = _Timeouts(request)
        api_request = ApiRequest(
            method=request.method,
            path=request.url.path,
            query=dict(request.url.params),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await request.aread(),
            remote=self._connection,
        )
        try:
            with anyio.fail_after(timeouts.read_seconds):
                answer = await self._answers.answer(api_request)
        except TimeoutError as error:
            raise httpx.ReadTimeout("No answer in time.", request=request) from error
        if answer.wire is not None and answer.wire.after_bytes is None:
            raise await _failure(answer.wire, timeouts, sent=0, announced=0)
        headers = [*answer.headers, ("content-length", str(len(answer.body)))]
        return httpx.Response(answer.status, headers=headers, stream=_Body(answer, timeouts))


class _Timeouts:
    def __init__(self, request: httpx.Request) -> None:
        timeouts = request.extensions.get("timeout", {})
        self.connect_seconds: float | None = timeouts.get("connect")
        self.read_seconds: float | None = timeouts.get("read")


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: ApiAnswer, timeouts: _Timeouts) -> None:
        self._answer = answer
        self._timeouts = timeouts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        wire, body = self._answer.wire, self._answer.body
        sent = body if wire is None else body[: wire.after_bytes]
        for start in range(0, len(sent), CHUNK_BYTES):
            yield sent[start : start + CHUNK_BYTES]
        if wire is not None:
            raise await _failure(wire, self._timeouts, sent=len(sent), announced=len(body))


async def _failure(wire: Wire, timeouts: _Timeouts, *, sent: int, announced: int) -> httpx.TransportError:
    """What httpx raises when the connection fails so, after the time that it takes to notice."""
    match wire.cut:
        case Cut.NO_CONNECTION:
            await _wait(timeouts.connect_seconds)
            return httpx.ConnectTimeout("No connection in time.")
        case Cut.REFUSED:
            return httpx.ConnectError("Connection refused.")
        case Cut.STALL:
            await _wait(timeouts.read_seconds)
            return httpx.ReadTimeout("The answer stopped coming.")
        case Cut.RESET:
            return httpx.ReadError("Connection reset by peer.")
        case Cut.CLOSE if wire.after_bytes is None:
            return httpx.RemoteProtocolError("Server disconnected without sending a response.")
        case Cut.CLOSE:
            return httpx.RemoteProtocolError(
                "peer closed connection without sending complete message body "
                f"(received {sent} bytes, expected {announced})"
            )


async def _wait(seconds: float | None) -> None:
    if seconds is None:
        await anyio.sleep_forever()
    else:
        await anyio.sleep(seconds)
