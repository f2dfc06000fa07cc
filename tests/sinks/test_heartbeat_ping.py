"""The sign of life against receivers on loopback that take it, refuse, stall, or lead elsewhere."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from anyio.abc import ByteStream

from oddaemon.core.secret import Secret
from oddaemon.http_client.proxy import Proxy
from oddaemon.simulator.transport.proxy import ConnectProxy
from oddaemon.sinks.heartbeat_ping import PingResult, PingTarget, make_failure_url, ping
from tests.certificates import make_server_context
from tests.hostile.locations import HOSTILE_LOCATIONS
from tests.opendental.loopback_server import loopback_server, make_head, respond_with

DOCUMENT: dict[str, str | int] = {"night": "2026-03-03", "outcome": "complete", "fresh": 230}
TOKEN = "c0ffee-secret-token"
ACCEPTED = make_head("200 OK", "Content-Length: 2") + b"OK"
ConnectionHandler = Callable[[ByteStream], Awaitable[None]]


def make_target(port: int, *, timeout_seconds: float = 20.0, attempts: int = 3) -> PingTarget:
    return PingTarget(f"http://127.0.0.1:{port}/{TOKEN}", timeout_seconds, attempts, pause_seconds=0.01)


def make_recorder(heard: list[bytes], *answers: bytes) -> ConnectionHandler:
    """One answer a connection; the last one again and again."""

    async def handle(stream: ByteStream) -> None:
        request = await stream.receive()
        while b"\r\n\r\n" not in request or len(request.split(b"\r\n\r\n")[1]) < _get_content_length(request):
            request += await stream.receive()
        heard.append(request)
        await stream.send(answers[min(len(heard), len(answers)) - 1])

    return handle


def _get_content_length(request: bytes) -> int:
    lengths = [
        int(line.split(b":")[1]) for line in request.split(b"\r\n") if line.lower().startswith(b"content-length")
    ]
    return lengths[0] if lengths else 0


async def test_it_is_posted_as_a_tiny_json_document() -> None:
    heard: list[bytes] = []
    async with loopback_server(make_recorder(heard, ACCEPTED)) as port:
        assert await ping(make_target(port), DOCUMENT) == PingResult(1)
    (request,) = heard
    headers, body = request.split(b"\r\n\r\n")
    assert headers.startswith(f"POST /{TOKEN} HTTP/1.1\r\n".encode())
    assert b"content-type: application/json" in headers.lower()
    assert json.loads(body) == DOCUMENT


@pytest.mark.parametrize("status", ["500 Broken", "503 Busy", "429 Slower", "408 Late"])
async def test_what_may_pass_is_tried_again(status: str) -> None:
    heard: list[bytes] = []
    async with loopback_server(make_recorder(heard, make_head(status), make_head(status), ACCEPTED)) as port:
        assert await ping(make_target(port), DOCUMENT) == PingResult(3)
    assert len(heard) == 3


async def test_attempts_are_bounded() -> None:
    heard: list[bytes] = []
    async with loopback_server(make_recorder(heard, make_head("500 Broken"))) as port:
        result = await ping(make_target(port), DOCUMENT)
    assert (result.attempts, result.why.split()[-1]) == (3, "500")
    assert len(heard) == 3


@pytest.mark.parametrize("status", [400, 401, 404, 410])
async def test_a_refusal_is_not_tried_again(status: int) -> None:
    heard: list[bytes] = []
    async with loopback_server(make_recorder(heard, make_head(f"{status} No"))) as port:
        result = await ping(make_target(port), DOCUMENT)
    assert (result.attempts, result.why.split()[-1]) == (1, str(status))
    assert len(heard) == 1


async def test_an_address_that_is_none() -> None:
    result = await ping(PingTarget(f"http://127.0.0.1/{'x' * 70_000}", 60.0, attempts=1, pause_seconds=0.01), DOCUMENT)
    assert result == PingResult(1, "the request failed (InvalidURL)")


async def test_a_closed_port_is_reported() -> None:
    async with loopback_server(respond_with()) as port:
        pass
    result = await ping(make_target(port), DOCUMENT)
    assert result == PingResult(3, "the request failed (ConnectError)")


async def test_a_receiver_that_hangs_up_is_pinged_again() -> None:
    async def talk(stream: ByteStream) -> None:
        await stream.receive()

    async with loopback_server(talk) as port:
        result = await ping(make_target(port), DOCUMENT)
    assert result.why
    assert result.attempts == 3
    assert TOKEN not in result.why


async def test_one_that_stalls_costs_its_time_out_and_no_more() -> None:
    async def talk(stream: ByteStream) -> None:
        await stream.receive()
        await anyio.sleep_forever()

    async with loopback_server(talk) as port:
        result = await ping(make_target(port, timeout_seconds=0.1, attempts=2), DOCUMENT)
    assert result.why
    assert result.attempts == 2


async def test_one_that_drips_byte_by_byte_is_cut_off() -> None:
    async def talk(stream: ByteStream) -> None:
        await stream.receive()
        while True:
            await stream.send(b"H")
            await anyio.sleep(0.01)

    async with loopback_server(talk) as port:
        assert (await ping(make_target(port, timeout_seconds=0.2, attempts=1), DOCUMENT)).why


async def test_an_endless_answer_is_not_read() -> None:
    async def talk(stream: ByteStream) -> None:
        await stream.receive()
        await stream.send(make_head("200 OK"))
        while True:
            await stream.send(b"x" * 65_536)

    async with loopback_server(talk) as port:
        assert await ping(make_target(port), DOCUMENT) == PingResult(1)


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.1:{port}/elsewhere", "/elsewhere", "http://example.com/", "ftp://example.com/", "https://u:p@h/"],
)
async def test_a_redirect_that_is_not_https_is_not_followed(location: str) -> None:
    heard: list[bytes] = []
    async with loopback_server(respond_with(ACCEPTED)) as other:
        redirect = make_head("307 Moved", f"Location: {location.format(port=other)}")
        async with loopback_server(make_recorder(heard, redirect)) as port:
            result = await ping(make_target(port), DOCUMENT)
    assert (result.attempts, result.why.split()[-1]) == (1, "https")
    assert len(heard) == 1


@pytest.mark.parametrize(
    "location", ["https://xn--a.com/", "https://[::1/", "https://example.com:port/", *HOSTILE_LOCATIONS]
)
async def test_a_redirect_to_what_is_no_address_is_a_failure_like_any_other(location: str) -> None:
    async with loopback_server(respond_with(make_head("307 Moved", f"Location: {location}"))) as port:
        result = await ping(make_target(port, attempts=1), DOCUMENT)
    assert result.why
    assert result.unforeseen is None


# --- over TLS ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "method"), [("307 Moved", "POST"), ("308 Moved", "POST"), ("302 Found", "GET")])
async def test_a_redirect_to_https_is_followed(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, status: str, method: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "certificate.pem"))
    heard: list[bytes] = []
    async with loopback_server(make_recorder(heard, ACCEPTED), make_server_context(certificate)) as safe:
        redirect = make_head(status, f"Location: https://127.0.0.1:{safe}/new")
        async with loopback_server(respond_with(redirect)) as port:
            assert await ping(make_target(port), DOCUMENT) == PingResult(1)
    (request,) = heard
    assert request.startswith(f"{method} /new ".encode())
    assert (json.dumps(DOCUMENT["night"]).encode() in request) is (method == "POST")


async def test_redirects_in_a_circle_come_to_an_end(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "certificate.pem"))
    redirect = make_head("307 Moved", "Location: /again", "Content-Length: 0")
    async with loopback_server(respond_with(redirect), make_server_context(certificate)) as port:
        circling = make_target(port, attempts=5)
        result = await ping(replace(circling, url=circling.url.replace("http:", "https:")), DOCUMENT)
    assert result.why
    assert result.attempts == 1 or "request failed" in result.why


async def test_a_ping_goes_through_the_proxy_whose_refusal_is_named(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "certificate.pem"))
    heard: list[bytes] = []
    proxy = ConnectProxy("daemon:right")
    async with (
        loopback_server(make_recorder(heard, ACCEPTED), make_server_context(certificate)) as port,
        proxy.listening() as proxy_port,
    ):
        for password, why in (("right", ""), ("wrong", "HTTP 407")):
            way_out = Proxy(Secret(f"http://daemon:{password}@127.0.0.1:{proxy_port}"))
            target = replace(make_target(port, attempts=1), url=f"https://127.0.0.1:{port}/{TOKEN}", proxy=way_out)
            assert why in (await ping(target, DOCUMENT)).why
    assert len(heard) == len(proxy.tunnels) == 1


async def test_an_untrusted_certificate_gets_no_token(certificate: Path) -> None:
    heard: list[bytes] = []
    async with loopback_server(make_recorder(heard, ACCEPTED), make_server_context(certificate)) as port:
        result = await ping(replace(make_target(port, attempts=1), url=f"https://127.0.0.1:{port}/{TOKEN}"), DOCUMENT)
    assert result == PingResult(1, "the request failed (ConnectError)")
    assert heard == []


@pytest.mark.parametrize(
    ("url", "bad"),
    [
        ("https://hc-ping.com/uuid", "https://hc-ping.com/uuid/fail"),
        ("https://hc-ping.com/uuid/", "https://hc-ping.com/uuid/fail"),
        ("https://push.example/api/x?status=up", "https://push.example/api/x/fail?status=up"),
    ],
)
def test_failures_go_to_fail_behind_the_path(url: str, bad: str) -> None:
    assert make_failure_url(url) == bad
