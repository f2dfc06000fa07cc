"""The client on real sockets: what only a kernel and a TLS library can show."""

import gzip
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest
from anyio.abc import ByteStream

from oddaemon.core.failures.failure import FailureKind
from oddaemon.core.model import Balance, OfficeSpec
from oddaemon.core.snapshot.packing import FIRST_PACKING
from oddaemon.core.snapshot.verify import find_difference
from oddaemon.opendental import decode, sql
from oddaemon.opendental.client import Limits
from oddaemon.opendental.decode_values import Row
from oddaemon.simulator.api.keys import ApiKey, Mode
from oddaemon.simulator.api.messages import BrokenConnection, ConnectionFailure
from oddaemon.simulator.faults.faults import FaultSchedule, Latency, ScheduledFault
from oddaemon.simulator.headquarters.headquarters import Headquarters
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.simulator.model.world_clock import WorldClock
from oddaemon.simulator.practice.practice import Practice
from oddaemon.simulator.transport.server import serve
from tests.golden import GoldenTexts
from tests.opendental.client_harness import (
    AUTHORIZATION,
    CUSTOMER_KEY,
    DEVELOPER_KEY,
    ROWS,
    ClientHarness,
    get_query_failure,
)
from tests.opendental.loopback_server import (
    LONG_TIMEOUT,
    SHORT_TIMEOUT,
    connect_to,
    get_failure_at,
    loopback_server,
    make_head,
    respond_with,
    respond_with_body,
)

NO_DELAY = HeadquartersOptions(developer_key=DEVELOPER_KEY, base_seconds=0.0, query_seconds=0.0)


@asynccontextmanager
async def simulated_headquarters(*faults: ScheduledFault) -> AsyncIterator[tuple[int, Headquarters]]:
    clock = WorldClock(datetime(2026, 3, 3, 10, tzinfo=UTC))
    practice = Practice(PracticeSpec("elm", seed=4, guarantors=120, settled=40), clock)
    key = ApiKey(CUSTOMER_KEY, "elm", mode=Mode.LOCAL)
    site = Headquarters(clock, [practice], [key], NO_DELAY, FaultSchedule(1, faults))
    async with anyio.create_task_group() as tasks:
        port: int = await tasks.start(serve, site)
        yield port, site
        tasks.cancel_scope.cancel()


async def test_an_office_is_read_over_sockets() -> None:
    async with simulated_headquarters() as (port, site), connect_to(port).office.session() as session:
        assert await session.get_preference("DateLastAging") == "2026-03-02"
        assert await session.get_preference("NoSuchPreference") == ""
        answer = await session.query(sql.select_packed(OfficeSpec("elm", "Elm"), FIRST_PACKING, None), list)
        packed = decode.parse_packed(answer, FIRST_PACKING)
        assert list(packed.balances) == [
            Balance._make(row) for row in site.practices["elm"].balances.get_true_balances()
        ]
        assert find_difference(packed.balances.totals, packed.control.totals) is None
        office_now, utc_now, *_ = await session.read_clocks()
        assert (utc_now - office_now).total_seconds() == 8 * 3600


async def test_a_session_keeps_one_connection_and_closes_it() -> None:
    async with simulated_headquarters() as (port, site):
        world = connect_to(port)
        for _ in range(2):
            async with world.office.session() as session:
                for _ in range(4):
                    await session.query(sql.select_clocks(), list)
        connections = [request.connection for request in site.traffic]
    assert connections == ["connection 1"] * 4 + ["connection 2"] * 4


async def test_the_connection_is_closed_when_the_session_ends() -> None:
    hung_up = anyio.Event()

    async def talk(stream: ByteStream) -> None:
        await respond_with_body(ROWS)(stream)
        try:
            await stream.receive()
        finally:
            hung_up.set()

    async with loopback_server(talk) as port:
        async with connect_to(port).office.session() as session:
            await session.query("SELECT 1 AS One", list)
            assert not hung_up.is_set()
        with anyio.fail_after(120):
            await hung_up.wait()


async def test_a_connection_that_the_server_closed_is_opened_again() -> None:
    async with loopback_server(respond_with_body(ROWS)) as port, connect_to(port).office.session() as session:
        for _ in range(3):
            assert await session.query("SELECT 1 AS One", list) == [Row({"One": 1})]
            await anyio.sleep(0.01)


async def test_proxies_and_credentials_of_the_environment_are_ignored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    heard: list[bytes] = []

    async def talk(stream: ByteStream) -> None:
        heard.append(await stream.receive())
        await stream.send(make_head("200 OK", f"Content-Length: {len(ROWS)}") + ROWS)

    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with loopback_server(talk) as port, connect_to(port).office.session() as session:
        assert await session.query("SELECT 1 AS One", list) == [Row({"One": 1})]
    assert f"Authorization: {AUTHORIZATION}\r\n".encode() in heard[0]
    assert heard[0].startswith(b"PUT /api/v1/queries/ShortQuery HTTP/1.1\r\n")


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent"])
async def test_a_redirect_does_not_take_the_key_along(status: str) -> None:
    visitors: list[bytes] = []

    async def elsewhere(stream: ByteStream) -> None:
        visitors.append(await stream.receive())

    async with loopback_server(elsewhere) as other:
        location = f"Location: http://127.0.0.1:{other}/api/v1/queries/ShortQuery"
        async with loopback_server(respond_with_body(b"", status, location)) as port:
            found = await get_failure_at(port)
    assert (found.kind, found.status) == (FailureKind.UNEXPECTED_STATUS, int(status[:3]))
    assert visitors == []


async def test_a_refused_connection_is_no_connection() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        found = await get_failure_at(unused.getsockname()[1])
    assert found.kind is FailureKind.CONNECT


async def test_an_unaccepted_connection_ends_at_its_time_out(golden: GoldenTexts) -> None:
    with socket.socket() as deaf, socket.socket() as first, socket.socket() as second:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(deaf.getsockname())
        found = await get_failure_at(deaf.getsockname()[1], Limits(0.05, 60.0, 1000))
    assert found.kind == FailureKind.CONNECT
    golden.check(found.message)


@pytest.mark.parametrize("after_bytes", [None, 0, 10])
@pytest.mark.parametrize(
    ("cut", "kind"),
    [
        (ConnectionFailure.RESET, FailureKind.CONNECTION_LOST),
        (ConnectionFailure.CLOSE, FailureKind.CONNECTION_LOST),
        (ConnectionFailure.STALL, FailureKind.TIMEOUT),
    ],
)
async def test_a_connection_that_breaks_is_named_and_the_next_session_works(
    cut: ConnectionFailure, kind: FailureKind, after_bytes: int | None
) -> None:
    async with simulated_headquarters(ScheduledFault(BrokenConnection(cut, after_bytes), hits_max=1)) as (port, _):
        world = connect_to(port, SHORT_TIMEOUT if cut is ConnectionFailure.STALL else LONG_TIMEOUT)
        async with world.office.session() as session:
            assert (await get_query_failure(session)).kind is kind
    async with simulated_headquarters() as (port, _):
        client = connect_to(port)
        async with client.office.session() as session:
            await session.query(sql.select_clocks(), list)
    assert world.outcomes == [(kind.value, None)]


async def test_an_answer_that_does_not_come_ends_at_its_time_out() -> None:
    async with simulated_headquarters(ScheduledFault(Latency(30.0))) as (port, _):
        assert (await get_failure_at(port, SHORT_TIMEOUT)).kind is FailureKind.TIMEOUT


@pytest.mark.parametrize(
    "dripping", [make_head("200 OK", "X-Drip: " + "x" * 500), make_head("200 OK", "Content-Length: 500")]
)
async def test_an_answer_that_drips_is_cut_though_no_read_is_slow(dripping: bytes) -> None:
    async def talk(stream: ByteStream) -> None:
        await stream.receive()
        if b"Length" in dripping:
            await stream.send(dripping)
        for byte in dripping.ljust(500):
            await stream.send(bytes([byte]))
            await anyio.sleep(0.005)

    async with loopback_server(talk) as port:
        found = await get_failure_at(port, Limits(0.3, 0.05, 1000))
    assert found.kind is FailureKind.TIMEOUT


GARBAGE = {
    "no HTTP": b"hello\r\n\r\n",
    "half a status line": b"HTTP/1.1 20",
    "half of the headers": b"HTTP/1.1 200 OK\r\nContent-Le",
    "two lengths": make_head("200 OK", "Content-Length: 3", "Content-Length: 4") + b"[]  ",
    "a length that is none": make_head("200 OK", "Content-Length: many") + b"[]",
    "a broken chunk": make_head("200 OK", "Transfer-Encoding: chunked") + b"zz\r\n[]\r\n0\r\n\r\n",
    "chunks without end": make_head("200 OK", "Transfer-Encoding: chunked") + b"2\r\n[]\r\n",
    "headers without end": b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"x" * 200_000,
    "binary": bytes(range(256)) * 4,
    "nothing": b"",
}


@pytest.mark.parametrize("sent", GARBAGE.values(), ids=GARBAGE)
async def test_what_is_no_answer_of_http_is_a_lost_connection(sent: bytes) -> None:
    async with loopback_server(respond_with(sent) if sent else respond_with()) as port:
        assert (await get_failure_at(port)).kind is FailureKind.CONNECTION_LOST


async def test_chunks_and_odd_headers_are_fine() -> None:
    chunked = make_head("200 OK", "Transfer-Encoding: chunked", "Set-Cookie: \xff=;;;", "Retry-After: \xff\xfe")
    chunks = respond_with(chunked, b'5\r\n[{"On\r\n', b'6\r\ne":1}]\r\n0\r\n\r\n')
    async with loopback_server(chunks) as port, connect_to(port).office.session() as session:
        assert await session.query("SELECT 1 AS One", list) == [Row({"One": 1})]


async def test_a_retry_after_that_is_no_text_says_nothing() -> None:
    async with loopback_server(respond_with_body(b"", "429 Too Many", "Retry-After: \xff\xfe")) as port:
        found = await get_failure_at(port)
    assert (found.kind, found.retry_after_seconds) == (FailureKind.THROTTLED, None)


async def test_a_body_without_end_is_left_at_its_limit() -> None:
    sent_bytes = 0

    async def talk(stream: ByteStream) -> None:
        nonlocal sent_bytes
        await stream.receive()
        await stream.send(make_head("200 OK"))
        while True:
            await stream.send(b" " * 65_536)
            sent_bytes += 65_536

    async with loopback_server(talk) as port:
        found = await get_failure_at(port)
    assert (found.kind, found.status) == (FailureKind.OVERSIZED, 200)
    assert sent_bytes < 50_000_000


async def test_a_body_that_unpacks_without_end_is_left_at_its_limit() -> None:
    bomb = gzip.compress(b" " * 20_000_000, 1)
    async with loopback_server(respond_with_body(bomb, "200 OK", "Content-Encoding: gzip")) as port:
        assert (await get_failure_at(port)).kind is FailureKind.OVERSIZED


async def cancel_request(harness: ClientHarness, seconds: float) -> None:
    async with harness.api.make_office_api(harness.credentials).session() as session:
        with anyio.move_on_after(seconds):
            await session.query(sql.select_clocks(), list)


async def test_after_two_hundred_cuts_twenty_of_twenty_sessions_work() -> None:
    rng = random.Random(11)
    faults = [ScheduledFault(Latency(0.003)), ScheduledFault(BrokenConnection(ConnectionFailure.STALL), chance=0.3)]
    faults.append(ScheduledFault(BrokenConnection(ConnectionFailure.STALL, 5), chance=0.3))
    async with simulated_headquarters(*faults) as (port, site):
        world = connect_to(port)
        while sum(event.outcome == "cancelled" for event in world.finished) < 200:
            async with anyio.create_task_group() as tasks:
                for _ in range(25):
                    tasks.start_soon(cancel_request, world, rng.random() * 0.03)
        site.faults.clear()
        for _ in range(20):
            async with world.office.session() as session:
                assert len(await session.query(sql.select_clocks(), list)) == 1
    kinds = [type(event).__name__ for event in world.events]
    assert kinds.count("RequestStarted") == kinds.count("RequestFinished")
    assert [event.outcome for event in world.finished[-20:]] == ["ok"] * 20
