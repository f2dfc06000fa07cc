import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest
from anyio.abc import SocketStream

from oddaemon.simulator.api.messages import ApiRequest, ApiResponse, BrokenConnection, ConnectionFailure
from oddaemon.simulator.transport.server import BadRequestError, RequestParser, serve

BODY = b'[{"PrefNum":15,"PrefName":"X","ValueString":"365"}]'
LONG = 30.0
# Only what is read is impatient: on a busy machine even loopback may take its time to connect.
SHORT_READ_TIMEOUT = httpx.Timeout(LONG, read=0.05)
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class EchoHandler:
    """A site that answers the same to everyone but never to `/never`, and notices who hangs up."""

    def __init__(self, wire: BrokenConnection | None = None) -> None:
        self.wire = wire
        self.requests: list[ApiRequest] = []
        self.waiting = anyio.Event()
        self.hung_up = anyio.Event()

    async def handle(self, request: ApiRequest) -> ApiResponse:
        self.requests.append(request)
        if request.path == "/never":
            self.waiting.set()
            try:
                await anyio.sleep_forever()
            finally:
                self.hung_up.set()
        return ApiResponse(200, (("content-type", "application/json"),), BODY, self.wire)


@asynccontextmanager
async def running_server(site: EchoHandler) -> AsyncIterator[int]:
    async with anyio.create_task_group() as tasks:
        port: int = await tasks.start(serve, site)
        yield port
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def http_client(site: EchoHandler) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        running_server(site) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", verify=NO_TLS, timeout=LONG, trust_env=False) as client,
    ):
        yield client


async def send_and_receive(stream: SocketStream, sent: bytes) -> bytes:
    await stream.send(sent)
    return await stream.receive()


async def test_an_ordinary_client_keeps_one_connection_for_many_requests() -> None:
    site = EchoHandler()
    async with http_client(site) as client:
        for number in range(3):
            response = await client.put("/api/v1/queries/ShortQuery", params={"Offset": number}, json={"a": "é"})
            assert response.content == BODY
    assert {request.remote for request in site.requests} == {"connection 1"}
    assert [request.query for request in site.requests] == [{"Offset": str(number)} for number in range(3)]
    assert site.requests[0].headers["content-type"] == "application/json"
    assert site.requests[0].body == '{"a":"é"}'.encode()


@pytest.mark.parametrize(
    ("wire", "error"),
    [
        (BrokenConnection(ConnectionFailure.STALL), httpx.ReadTimeout),
        (BrokenConnection(ConnectionFailure.STALL, 10), httpx.ReadTimeout),
        (BrokenConnection(ConnectionFailure.RESET), httpx.ReadError),
        (BrokenConnection(ConnectionFailure.RESET, 10), httpx.ReadError),
        (BrokenConnection(ConnectionFailure.CLOSE), httpx.RemoteProtocolError),
        (BrokenConnection(ConnectionFailure.CLOSE, 10), httpx.RemoteProtocolError),
    ],
)
async def test_a_broken_connection_is_broken_on_the_wire(wire: BrokenConnection, error: type[Exception]) -> None:
    async with http_client(EchoHandler(wire)) as client:
        with pytest.raises(error):
            await client.get(
                "/api/v1/preferences", timeout=SHORT_READ_TIMEOUT if wire.cut is ConnectionFailure.STALL else LONG
            )


async def test_a_client_that_hangs_up_is_noticed_while_it_is_being_answered() -> None:
    site = EchoHandler()
    async with http_client(site) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.get("/never", timeout=SHORT_READ_TIMEOUT)
        with anyio.fail_after(LONG):
            await site.hung_up.wait()


async def test_one_hanging_client_does_not_hold_up_another() -> None:
    site = EchoHandler()
    async with running_server(site) as port, await anyio.connect_tcp("127.0.0.1", port) as first:
        await first.send(b"GET /never HTTP/1.1\r\n\r\n")
        await site.waiting.wait()
        async with await anyio.connect_tcp("127.0.0.1", port) as second:
            answer = await send_and_receive(second, b"GET /b HTTP/1.1\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_connection_is_closed_when_the_client_asks() -> None:
    async with running_server(EchoHandler()) as port, await anyio.connect_tcp("127.0.0.1", port) as stream:
        answer = await send_and_receive(stream, b"GET /a HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert b"connection: close" in answer
        with pytest.raises(anyio.EndOfStream):
            await stream.receive()


async def test_what_is_no_http_is_400_and_ends_the_connection() -> None:
    async with running_server(EchoHandler()) as port, await anyio.connect_tcp("127.0.0.1", port) as stream:
        assert (await send_and_receive(stream, b"hello\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
        with pytest.raises(anyio.EndOfStream):
            await stream.receive()


def test_requests_are_read_from_any_pieces() -> None:
    sent = b"PUT /api/v1/a%20b?x=1&y=a%2Bb&z= HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello" * 2
    parser = RequestParser("c")
    requests = [request for at in range(len(sent)) for request in parser.feed(sent[at : at + 1])]
    assert len(requests) == 2
    assert requests[1] == ApiRequest(
        "PUT",
        "/api/v1/a b",
        {"x": "1", "y": "a+b", "z": ""},
        {"host": "h", "content-length": "5"},
        b"hello",
        "c",
    )


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /\r\n\r\n",
        b"GET / HTTP/2\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : h\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"x" * 70_000,
    ],
)
def test_what_cannot_become_a_request_is_said_at_once(sent: bytes) -> None:
    with pytest.raises(BadRequestError):
        RequestParser("c").feed(sent)
