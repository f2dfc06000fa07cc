"""Servers on real sockets that send too much, too slowly, or elsewhere."""

import gzip
import ssl
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest
from anyio.abc import ByteStream

from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.opendental.client import Limits
from oddaemon.opendental.decode_values import Row
from tests.golden import GoldenTexts
from tests.opendental.client_harness import ROWS, make_harness
from tests.opendental.loopback_server import (
    LONG_TIMEOUT,
    connect_to,
    get_failure_at,
    loopback_server,
    make_head,
    respond_with,
    respond_with_body,
)

pytestmark = pytest.mark.real("waits for real time-outs of sockets")

BYTES_MAX = 65_536
SMALL = Limits(connect_timeout_seconds=20.0, request_timeout_seconds=20.0, max_response_bytes=BYTES_MAX)
SHORT_TIMEOUT = Limits(connect_timeout_seconds=2.0, request_timeout_seconds=0.1, max_response_bytes=BYTES_MAX)
MEMORY_BYTES_MAX = 30 * BYTES_MAX
"""Buffers of a socket and of the libraries included."""
TIMEOUT_SECONDS = 120.0
ConnectionHandler = Callable[[ByteStream], Awaitable[None]]


def make_rows(size: int) -> bytes:
    return b'[{"Text":"' + b"x" * (size - 13) + b'"}]'


def serve_plain(body: bytes, status: str) -> ConnectionHandler:
    return respond_with_body(body, status)


def serve_gzip(body: bytes, status: str) -> ConnectionHandler:
    return respond_with_body(gzip.compress(body), status, "Content-Encoding: gzip")


def serve_until_close(body: bytes, status: str) -> ConnectionHandler:
    return respond_with(make_head(status, "Connection: close") + body)


def serve_chunked(body: bytes, status: str) -> ConnectionHandler:
    chunks = [body[start : start + 1000] for start in range(0, len(body), 1000)]
    framed = b"".join(b"%x;name=value\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return respond_with(make_head(status, "Transfer-Encoding: chunked") + framed + b"0\r\nTrailer: x\r\n\r\n")


def serve_endlessly(first: bytes, chunk: bytes, pause_seconds: float = 0.0) -> ConnectionHandler:
    async def talk(stream: ByteStream) -> None:
        await stream.receive()
        await stream.send(first)
        while True:
            await stream.send(chunk)
            await anyio.sleep(pause_seconds)

    return talk


async def get_failure(talk: ConnectionHandler, limits: Limits = SMALL) -> Failure:
    async with loopback_server(talk) as port:
        with anyio.fail_after(TIMEOUT_SECONDS):
            return await get_failure_at(port, limits)


async def measure_peak_bytes(talk: ConnectionHandler, kind: FailureKind, limits: Limits = SMALL) -> int:
    await get_failure(respond_with(b""), limits)
    tracemalloc.start()
    try:
        assert (await get_failure(talk, limits)).kind is kind
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


PACKED = make_head("200 OK", "Content-Encoding: gzip") + b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""To be followed by blocks of gzip."""
every_framing = pytest.mark.parametrize("framed", [serve_plain, serve_gzip, serve_until_close, serve_chunked])


@every_framing
async def test_an_answer_may_be_as_large_as_allowed(framed: Callable[[bytes, str], ConnectionHandler]) -> None:
    async with (
        loopback_server(framed(make_rows(BYTES_MAX), "200 OK")) as port,
        connect_to(port, SMALL).office.session() as session,
    ):
        assert len(str((await session.query("SELECT 1 AS One", list))[0].cells["Text"])) == BYTES_MAX - 13


@every_framing
@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request", "502 Bad Gateway"])
async def test_one_byte_more_is_refused_in_every_framing(
    framed: Callable[[bytes, str], ConnectionHandler], status: str, golden: GoldenTexts
) -> None:
    found = await get_failure(framed(make_rows(BYTES_MAX + 1), status))
    assert (found.kind, found.status) == (FailureKind.OVERSIZED, int(status[:3]))
    golden.check(found.message)


@pytest.mark.parametrize(
    ("first", "piece"),
    [
        (make_head("200 OK"), b"x" * 60_000),
        (make_head("500 Internal Server Error"), b"x" * 60_000),
        (make_head("200 OK", "Transfer-Encoding: chunked"), b"ea60\r\n" + b"x" * 60_000 + b"\r\n"),
        (make_head("200 OK", "Transfer-Encoding: chunked"), b"14\r\nxxxxxxxxxxxxxxxxxxxx\r\n" * 900),
        (PACKED, b"\x00\x00\x01\xff\xfe" + b" " * 256),
        (PACKED, b"\x00\x00\x00\xff\xff" * 1000),
        (make_head("200 OK", "Content-Encoding: gzip") + gzip.compress(ROWS), b"x" * 60_000),
    ],
    ids=["until the end", "an error", "chunked", "in crumbs", "packed", "packed nothing", "after the end"],
)
async def test_an_endless_body_is_cut_and_never_held(first: bytes, piece: bytes) -> None:
    assert await measure_peak_bytes(serve_endlessly(first, piece), FailureKind.OVERSIZED) < MEMORY_BYTES_MAX


@pytest.mark.parametrize(
    ("first", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-Flood: %s\r\n" % (b"x" * 1000)),
        (b"HTTP/1.1 200 OK\r\nX-Flood: ", b"x" * 10_000),
        (b"", b"x" * 10_000),
        (make_head("200 OK", "Transfer-Encoding: chunked"), b"0" * 10_000),
        (make_head("200 OK", "Transfer-Encoding: chunked") + b"0\r\n", b"X-Trailer: y\r\n" * 1000),
    ],
    ids=["header lines", "a header", "a status line", "a chunk's size", "trailers"],
)
async def test_an_endless_head_is_cut_and_never_held(first: bytes, piece: bytes) -> None:
    assert await measure_peak_bytes(serve_endlessly(first, piece), FailureKind.CONNECTION_LOST) < MEMORY_BYTES_MAX


@pytest.mark.parametrize(
    ("first", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X"),
        (make_head("200 OK", "Content-Length: 1000000"), b"x"),
        (make_head("200 OK", "Transfer-Encoding: chunked"), b"1\r\nx\r\n"),
        (b"", make_head("100 Continue")),
        (b"", make_head("103 Early Hints", "Link: </x>")),
    ],
    ids=["head", "body", "chunks", "continue", "hints"],
)
async def test_a_server_that_drips_is_cut_by_the_limit_over_all(first: bytes, piece: bytes) -> None:
    assert (await get_failure(serve_endlessly(first, piece, 0.01), SHORT_TIMEOUT)).kind is FailureKind.TIMEOUT


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent", "300 x"]
)
async def test_no_redirect_is_ever_followed(status: str) -> None:
    followed: list[bytes] = []

    async def elsewhere(stream: ByteStream) -> None:
        followed.append(await stream.receive())

    async with loopback_server(elsewhere) as other:
        found = await get_failure(
            respond_with_body(b"", status, f"Location: http://127.0.0.1:{other}/api/v1/queries/ShortQuery")
        )
    assert (found.kind, found.status) == (FailureKind.UNEXPECTED_STATUS, int(status[:3]))
    assert followed == []


async def test_the_environment_s_proxies_and_passwords_are_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    heard: list[bytes] = []
    diverted: list[bytes] = []

    async def proxy(stream: ByteStream) -> None:
        diverted.append(await stream.receive())

    async def api(stream: ByteStream) -> None:
        heard.append(await stream.receive())
        await stream.send(make_head("200 OK", f"Content-Length: {len(ROWS)}") + ROWS)

    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login other password else\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    async with loopback_server(proxy) as other, loopback_server(api) as port:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{other}")
            monkeypatch.setenv(name.lower(), f"http://127.0.0.1:{other}")
        async with connect_to(port, LONG_TIMEOUT).office.session() as session:
            assert await session.query("SELECT 1 AS One", list) == [Row({"One": 1})]
    assert diverted == []
    assert b"Authorization: ODFHIR " in heard[0]


def list_names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


async def test_tls_is_verified_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "secrets"))
    monkeypatch.setenv("PYTHONHTTPSVERIFY", "0")
    monkeypatch.setenv("CURL_CA_BUNDLE", "")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")
    tls = make_harness(base_url="https://127.0.0.1/api/v1").api._tls
    assert tls.verify_mode is ssl.CERT_REQUIRED
    assert tls.check_hostname
    assert tls.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert not tls.keylog_filename
    assert list_names(tmp_path) == []
