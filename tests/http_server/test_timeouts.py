"""Slow clients are cut, and take nothing away from those who come to read."""

import gc
import logging
import resource
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


async def test_where_all_are_at_work_the_next_is_refused_at_once() -> None:
    begun = anyio.Event()

    async def never_respond(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive, send
        begun.set()
        await anyio.sleep_forever()

    limits = ConnectionLimits(timeout_seconds=60.0, connections_max=1)
    async with running_listener(never_respond, limits) as port, await anyio.connect_tcp("127.0.0.1", port) as at_work:
        await at_work.send(GET)
        await begun.wait()
        assert await send_and_read(port, GET) == b""


async def test_nothing_is_left_of_those_that_were_cut() -> None:
    async with running_listener(respond, LONG_TIMEOUT) as port:
        async with AsyncExitStack() as stack:
            await open_idle_connections(stack, port, 200)
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"http://127.0.0.1:{port}/")).text == "Here."
    gc.collect()
    left = [each for each in gc.get_objects() if type(each).__name__ == "LimitedProtocol"]
    assert left == []
