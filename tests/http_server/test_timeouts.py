"""Slow clients are cut, and take nothing away from those who come to read."""

import gc
import logging
import resource
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack

import anyio
import anyio.abc
import httpx
import pytest
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from oddaemon.http_server.limits import ConnectionLimits
from tests.http_server.raw_client import (
    TIMEOUT_SECONDS,
    make_request_head,
    open_idle_connections,
    parse_response,
    read_to_end,
    running_listener,
    send_and_read,
)
from tests.stepped_clock import SteppedLoop, step_clock

pytestmark = [pytest.mark.real("waits for real time-outs of sockets"), pytest.mark.event_loop(factory=SteppedLoop)]

SHORT_TIMEOUT = ConnectionLimits(timeout_seconds=0.1)
LONG_TIMEOUT = ConnectionLimits(timeout_seconds=60.0, connections_max=8)
GET = make_request_head("Host: localhost")
LARGE_BYTES = 16_000_000
"""More than any socket's buffers hold."""
OPEN_FILES = 4096


async def respond(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/slow":
        await anyio.sleep(TIMEOUT_SECONDS)
    body = b"x" * LARGE_BYTES if scope["path"] == "/large" else b"Here."
    await Response(body, media_type="text/plain")(scope, receive, send)


@pytest.mark.parametrize(
    "first", [b"", b"GET /-/hea", GET.removesuffix(b"\r\n")], ids=["nothing", "half a line", "all but the end"]
)
async def test_a_client_that_does_not_finish_a_head_is_disconnected(first: bytes) -> None:
    async with running_listener(respond, SHORT_TIMEOUT) as port:
        assert await send_and_read(port, first) == b""


async def send_slowly(stream: anyio.abc.SocketStream) -> None:
    for byte in b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 10_000:
        await stream.send(bytes([byte]))
        await anyio.sleep(0.005)


async def test_dripping_does_not_help() -> None:
    async with running_listener(respond, SHORT_TIMEOUT) as port, await anyio.connect_tcp("127.0.0.1", port) as stream:
        with anyio.fail_after(TIMEOUT_SECONDS), pytest.raises(anyio.BrokenResourceError):
            await send_slowly(stream)


async def test_the_timeout_restarts_after_each_response() -> None:
    keep = GET.replace(b"Connection: close\r\n", b"")
    async with running_listener(respond, LONG_TIMEOUT) as port, await anyio.connect_tcp("127.0.0.1", port) as stream:
        for _ in range(40):
            await stream.send(keep)
            with anyio.fail_after(TIMEOUT_SECONDS):
                while not (await stream.receive()).endswith(b"Here."):  # head and body may come one by one
                    pass
            await step_clock(2.0)  # the web server ends a connection that nothing is sent on for 5 s
        await step_clock(LONG_TIMEOUT.timeout_seconds)
        assert await read_to_end(stream) == b""


async def test_requests_in_one_breath_are_all_answered() -> None:
    keep = GET.replace(b"Connection: close\r\n", b"")
    async with running_listener(respond, LONG_TIMEOUT) as port:
        assert (await send_and_read(port, keep * 20 + GET)).count(b"Here.") == 21


async def test_an_answer_that_takes_too_long_to_make_is_not_given() -> None:
    async with running_listener(respond, SHORT_TIMEOUT) as port:
        assert await send_and_read(port, make_request_head("Host: localhost", target="/slow")) == b""


async def test_a_client_that_does_not_read_a_response_is_disconnected() -> None:
    async with running_listener(respond, LONG_TIMEOUT) as port, await anyio.connect_tcp("127.0.0.1", port) as stream:
        await stream.send(make_request_head("Host: localhost", target="/large"))
        await stream.receive(1)
        await step_clock(LONG_TIMEOUT.timeout_seconds)
        assert 0 < len(await read_to_end(stream)) < LARGE_BYTES


async def test_a_client_that_reads_gets_the_whole_response() -> None:
    async with running_listener(respond, ConnectionLimits(timeout_seconds=TIMEOUT_SECONDS)) as port:
        assert (
            len(parse_response(await send_and_read(port, make_request_head("Host: localhost", target="/large"))).body)
            == LARGE_BYTES
        )


@pytest.fixture
def many_open_files() -> Iterator[None]:
    """As many as the system allows: both ends of each connection are in this process, and many shells allow 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < OPEN_FILES:
        pytest.skip(f"the system allows {hard} open files, and this needs {OPEN_FILES}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, OPEN_FILES), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_open_files")
async def test_a_thousand_slow_clients_do_not_keep_the_next_one_out(caplog: pytest.LogCaptureFixture) -> None:
    async with running_listener(respond, LONG_TIMEOUT) as port, AsyncExitStack() as stack:
        for first in (b"", b"GET / HTTP/1.1\r\nHost: local"):
            await open_idle_connections(stack, port, 500, first)
            assert parse_response(await send_and_read(port, GET)).status == 200
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_the_one_that_waits_longest_makes_room_and_those_at_work_do_not() -> None:
    begun, tasks_done = anyio.Event(), anyio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/slow":
            begun.set()
            await tasks_done.wait()
        await PlainTextResponse("Here.")(scope, receive, send)

    limits = ConnectionLimits(timeout_seconds=60.0, connections_max=2)
    async with running_listener(slow, limits) as port, AsyncExitStack() as stack:
        at_work = await stack.enter_async_context(await anyio.connect_tcp("127.0.0.1", port))
        await at_work.send(make_request_head("Host: localhost", target="/slow"))
        await begun.wait()
        idle = await stack.enter_async_context(await anyio.connect_tcp("127.0.0.1", port))
        assert parse_response(await send_and_read(port, GET)).status == 200
        assert await read_to_end(idle) == b""
        tasks_done.set()
        assert parse_response(await read_to_end(at_work)).body == "Here."


class BusyApp:
    """Answers monitoring; everything else is in progress until it is released."""

    def __init__(self) -> None:
        self.in_progress = 0
        self.released = anyio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/metrics":
            self.in_progress += 1
            await self.released.wait()
        await PlainTextResponse("Here.")(scope, receive, send)


async def send_request(stack: AsyncExitStack, port: int, target: str, host: str) -> anyio.abc.SocketStream:
    stream = await stack.enter_async_context(await anyio.connect_tcp("127.0.0.1", port, local_host=host))
    await stream.send(make_request_head("Host: localhost", target=target))
    return stream


async def scrape(port: int) -> int:
    return parse_response(await send_and_read(port, make_request_head("Host: localhost", target="/metrics"))).status


async def test_busy_clients_keep_no_scrape_out() -> None:
    app = BusyApp()
    async with running_listener(app) as port, AsyncExitStack() as stack:
        clients = [await send_request(stack, port, "/", "127.0.0.1") for _ in range(90)]
        assert [await scrape(port) for _ in range(3)] == [200] * 3
        assert app.in_progress == ConnectionLimits().connections_per_client_max
        app.released.set()
        statuses = Counter([parse_response(await read_to_end(client)).status for client in clients])
        assert statuses == {200: app.in_progress, 503: 90 - app.in_progress}


async def test_a_burst_at_once_does_not_cut_the_scrape_in_it() -> None:
    app = BusyApp()
    async with running_listener(app) as port, AsyncExitStack() as stack:
        heads = [make_request_head("Host: localhost", target=target) for target in ("/metrics", *["/"] * 90)]
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in heads]
        for client, head in zip(clients, heads, strict=True):
            client.sendall(head)  # the loop has not accepted any of them
        asyncio_stream = await anyio.abc.SocketStream.from_socket(clients[0].dup())
        async with asyncio_stream:
            assert parse_response(await read_to_end(asyncio_stream)).status == 200
        app.released.set()


async def test_busy_and_silent_clients_of_many_addresses_keep_no_scrape_out() -> None:
    app = BusyApp()
    async with running_listener(app) as port, AsyncExitStack() as stack:
        for number in range(2, 22):
            for _ in range(5):
                await send_request(stack, port, "/", f"127.0.0.{number}")
            await stack.enter_async_context(await anyio.connect_tcp("127.0.0.1", port, local_host=f"127.0.0.{number}"))
            assert await scrape(port) == 200
        assert app.in_progress == ConnectionLimits().requests_max


async def test_one_busy_client_keeps_no_other_out() -> None:
    app = BusyApp()
    async with running_listener(app) as port, AsyncExitStack() as stack:
        for _ in range(90):
            await send_request(stack, port, "/", "127.0.0.2")
        await scrape(port)
        mine = await send_request(stack, port, "/", "127.0.0.1")
        await scrape(port)
        assert app.in_progress == ConnectionLimits().connections_per_client_max + 1
        app.released.set()
        assert parse_response(await read_to_end(mine)).status == 200


async def test_requests_for_monitoring_are_bounded_too() -> None:
    app = BusyApp()
    async with running_listener(app) as port, AsyncExitStack() as stack:
        for _ in range(90):
            await send_request(stack, port, "/-/ready", "127.0.0.2")
        assert await scrape(port) == 200
        assert app.in_progress == ConnectionLimits().connections_per_client_max
        app.released.set()


async def test_nothing_is_left_of_those_that_were_cut() -> None:
    async with running_listener(respond, LONG_TIMEOUT) as port:
        async with AsyncExitStack() as stack:
            await open_idle_connections(stack, port, 200)
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"http://127.0.0.1:{port}/")).text == "Here."
    gc.collect()
    left = [each for each in gc.get_objects() if type(each).__name__ == "LimitedProtocol"]
    assert left == []
