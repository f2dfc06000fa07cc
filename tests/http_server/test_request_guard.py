"""What the listener refuses before any route sees it."""

import logging
import random
import socket

import anyio
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from oddaemon.http_server.allowed_hosts import AllowedHosts, resolve_allowed_hosts
from oddaemon.http_server.limits import ConnectionLimits
from oddaemon.http_server.security_headers import HEADERS
from tests.http_server.raw_client import RawResponse, make_request_head, parse_response, running_listener, send_and_read

SMALL = ConnectionLimits(target_bytes_max=100, head_bytes_max=1000)


async def respond(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("Here.")(scope, receive, send)


async def send_request(
    sent: bytes, *, limits: ConnectionLimits | None = None, allowed_hosts: tuple[str, ...] = ()
) -> RawResponse:
    async with running_listener(respond, limits, allowed_hosts=allowed_hosts) as port:
        return parse_response(await send_and_read(port, sent))


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LocalHost", "localhost.", "127.0.0.1", "127.0.0.1:9464", "localhost:80", "127.9.9.9"),
        *("[::1]", "[::1]:9464", "[0:0::1]", "[::ffff:127.0.0.1]", "localhost:"),
        *("balances.example.com", "Balances.Example.COM.:443", "192.0.2.7", "[fd00::7]:80", "[FD00:0::7]"),
    ],
)
async def test_a_host_that_is_ours_is_answered_with_any_port(host: str) -> None:
    allowed = ("balances.example.com", "192.0.2.7", "fd00::7")
    assert (await send_request(make_request_head(f"Host: {host}"), allowed_hosts=allowed)).status == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:9464", "localhost.evil.example", "127.0.0.1.evil.example", "evil.localhost"),
        *("10.0.0.1", "0.0.0.0", "[::]", "[fd00::1]", "2130706433", "0x7f.1", "127.1", "localhost@evil.example"),
        *("", ":9464", "localhost:9464:80", "localhost:x", "local host", "[localhost]", "[127.0.0.1]x", "localhost/x"),
        *("localhost,evil.example", "[::1", "::1", "localhost..", "\xff", "balances.example.com.evil.example"),
    ],
)
async def test_a_host_that_is_not_ours_is_misdirected(host: str) -> None:
    response = await send_request(make_request_head(f"Host: {host}"), allowed_hosts=("balances.example.com",))
    assert response.status == 421 or (response.status == 400 and host == "\xff")
    assert "Here." not in response.body
    if response.status == 421:
        assert response.body.endswith("add it to `[http] allowed_hosts`.\n")


async def test_refusals_carry_careful_headers_and_end_the_connection() -> None:
    for sent in (
        make_request_head("Host: evil.example"),
        b"no HTTP\r\n\r\n",
        make_request_head("Host: localhost", target="http://x/"),
    ):
        response = await send_request(sent)
        assert {name: response.headers.get(name) for name in HEADERS} == HEADERS
        assert response.headers["connection"] == "close"
        assert response.body.count("\n") == 1


async def test_http_1_1_without_a_host_or_with_two_is_refused_and_1_0_needs_none() -> None:
    assert (await send_request(make_request_head())).status == 400
    assert (await send_request(make_request_head("Host: localhost", "Host: localhost"))).status == 400
    assert (await send_request(make_request_head(version="1.0"))).status == 200
    assert (await send_request(make_request_head("Host: evil.example", version="1.0"))).status == 421


async def test_the_address_at_which_a_connection_arrives_is_ours() -> None:
    assert AllowedHosts().is_allowed("10.1.2.3:9464", "10.1.2.3")
    assert AllowedHosts().is_allowed("10.1.2.3", "::ffff:10.1.2.3")
    assert AllowedHosts().is_allowed("[fe80::1]", "fe80::1%eth0")
    assert not AllowedHosts().is_allowed("10.1.2.4", "10.1.2.3")


async def test_this_machine_s_own_name_is_ours_where_it_is_listened_to_from_outside() -> None:
    name = socket.gethostname()
    for everywhere in ("0.0.0.0", "::", "10.1.2.3", "status.example.com"):
        hosts = await resolve_allowed_hosts(everywhere, ())
        assert hosts.is_allowed(name, "10.1.2.3")
        assert not hosts.is_allowed("evil.example", "10.1.2.3")
    for alone in ("127.0.0.1", "::1", "localhost"):
        assert (await resolve_allowed_hosts(alone, ["x.example"])).names == {alone, "x.example"}


async def test_the_name_that_is_listened_on_is_ours() -> None:
    assert (await resolve_allowed_hosts("Status.Example.com.", ())).is_allowed("status.example.com:9464", "10.1.2.3")


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://localhost/-/healthy", 400),
        ("http://evil.example/-/healthy", 400),
        ("*", 400),
        ("localhost:9464", 400),
        ("/" + "x" * 99, 200),
        ("/" + "x" * 100, 414),
        ("/?" + "x" * 100, 414),
        ("//evil.example/", 200),
    ],
)
async def test_a_target_is_a_path_of_a_decent_length(target: str, status: int) -> None:
    assert (await send_request(make_request_head("Host: localhost", target=target), limits=SMALL)).status == status


@pytest.mark.parametrize("count", [1, 20])
async def test_a_head_that_is_too_large_is_refused_whether_it_comes_whole_or_not(count: int) -> None:
    fitting = [f"X-{number}: {'x' * (800 // count)}" for number in range(count)]
    assert (await send_request(make_request_head("Host: localhost", *fitting), limits=SMALL)).status == 200
    larger = [f"X-{number}: {'x' * (1000 // count)}" for number in range(count)]
    assert (await send_request(make_request_head("Host: localhost", *larger), limits=SMALL)).status == 431
    endless = make_request_head("Host: localhost", *larger).removesuffix(b"\r\n\r\n")
    assert (await send_request(endless, limits=SMALL)).status == 431


@pytest.mark.parametrize(
    "sent",
    [
        make_request_head("Host: localhost", "Content-Length: 5") + b"hello",
        make_request_head("Host: localhost", "Content-Length: 5", "Expect: 100-continue"),
        make_request_head("Host: localhost", "Content-Length: 99999999999999"),
        make_request_head("Host: localhost", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n",
        make_request_head("Host: localhost", "Transfer-Encoding: chunked", method="POST"),
    ],
    ids=["with it", "expecting", "endless", "chunked", "posted"],
)
async def test_no_request_has_a_body(sent: bytes) -> None:
    assert (await send_request(sent)).status == 413


async def test_a_body_of_nothing_is_none() -> None:
    assert (await send_request(make_request_head("Host: localhost", "Content-Length: 0"))).status == 200


async def test_an_upgrade_is_not_taken_up() -> None:
    lines = ["Host: localhost", "Upgrade: websocket", "Sec-WebSocket-Key: eA==", "Sec-WebSocket-Version: 13"]
    assert (
        await send_request(make_request_head(*lines).replace(b"Connection: close", b"Connection: upgrade, close"))
    ).status == 200


async def test_a_body_that_breaks_the_rules_after_a_good_head_ends_the_connection() -> None:
    assert b"Here." not in await send_to(
        respond, make_request_head("Host: localhost", "Transfer-Encoding: chunked") + b"zz\r\n\r\n"
    )


async def send_to(served: ASGIApp, *parts: bytes) -> bytes:
    async with running_listener(served) as port:
        return await send_and_read(port, *parts)


PIECES = [
    *(
        b"GET",
        b"POST",
        b"HEAD",
        b" ",
        b"/",
        b"/-/healthy",
        b" HTTP/1.1\r\n",
        b" HTTP/1.0\r\n",
        b" HTTP/9.9\r\n",
        b"\r\n",
    ),
    *(b"Host: localhost\r\n", b"Host: x\r\n", b"Content-Length: 5\r\n", b"Content-Length: -1\r\n", b"\r\n\r\n", b"\n"),
    *(
        b"Transfer-Encoding: chunked\r\n",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"zz\r\n",
        b"\x00",
        b"\xff\xfe",
        b":",
        b" folded",
    ),
    *(
        b"Connection: close\r\n",
        b"Connection: upgrade\r\n",
        b"Upgrade: h2c\r\n",
        b"Expect: 100-continue\r\n",
        b"\x16\x03\x01",
    ),
]


async def test_whatever_is_said_the_listener_goes_on_and_says_nothing_of_it_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rng = random.Random(20260308)

    async with running_listener(respond) as port:

        async def babble(seed: int) -> None:
            own = random.Random(seed)
            parts = [b"".join(own.choices(PIECES, k=own.randint(1, 12))) for _ in range(own.randint(1, 3))]
            if own.random() < 0.5:
                parts.insert(0, b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n")
            await send_and_read(port, *parts, hang_up=True)

        for _ in range(8):
            async with anyio.create_task_group() as tasks:
                for _ in range(40):
                    tasks.start_soon(babble, rng.getrandbits(32))
        assert parse_response(await send_and_read(port, make_request_head("Host: localhost"))).status == 200
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
