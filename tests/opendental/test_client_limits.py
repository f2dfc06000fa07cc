import gzip
import ssl
import tracemalloc
from typing import Any

import anyio
import httpx
import pytest

from oddaemon.core.failures.failure import FailureKind
from oddaemon.opendental.client import Limits
from oddaemon.opendental.decode_values import Row
from oddaemon.simulator.virtual_time import make_virtual_loop
from tests.opendental.client_harness import (
    GZIP,
    LIMITS,
    ROWS,
    DrippingTransport,
    ScriptedServer,
    get_failure,
    get_query_failure,
    make_harness,
    make_response,
    open_session,
)
from tests.opendental.response_bodies import CANARY

pytestmark = pytest.mark.event_loop(factory=make_virtual_loop)


SMALL = Limits(connect_timeout_seconds=10.0, request_timeout_seconds=65.0, max_response_bytes=1000)


def make_rows(size: int) -> bytes:
    return b'[{"Text":"' + b"x" * (size - 13) + b'"}]'


@pytest.mark.parametrize("packed", [False, True])
async def test_an_answer_may_be_as_large_as_allowed_and_no_byte_larger(packed: bool) -> None:
    def make_sized_response(size: int) -> Any:
        return make_response(gzip.compress(make_rows(size)), 200, GZIP) if packed else make_response(make_rows(size))

    async with open_session(ScriptedServer(make_sized_response(1000), make_sized_response(1001)), limits=SMALL) as (
        session,
        world,
    ):
        assert len(await session.query("SELECT 1 AS One", list)) == 1
        found = await get_query_failure(session)
    assert (found.kind, found.message, found.status) == (FailureKind.OVERSIZED, "more than 1000 bytes", 200)
    assert world.outcomes == [("ok", 200), ("oversized", 200)]


async def test_an_error_page_has_the_same_limit() -> None:
    found = await get_failure(ScriptedServer(make_response("x" * 2000, 400)), SMALL)
    assert (found.kind, found.status) == (FailureKind.OVERSIZED, 400)


async def test_a_few_bytes_that_unpack_to_very_many_are_never_held() -> None:
    bomb = gzip.compress(b" " * 30_000_000, 1)
    site = ScriptedServer(make_response(bomb, 200, GZIP))
    tracemalloc.start()
    try:
        found = await get_failure(site, Limits(10.0, 65.0, 1_000_000))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.kind is FailureKind.OVERSIZED
    assert peak_bytes < 6_000_000


async def test_a_packed_answer_is_unpacked_and_only_gzip_is_asked_for() -> None:
    site = ScriptedServer(make_response(gzip.compress(ROWS), 200, ("content-encoding", "GZIP")))
    async with open_session(site) as (session, world):
        assert await session.query("SELECT 1 AS One", list) == [Row({"One": 1})]
    assert site.requests[0].headers["accept-encoding"] == "gzip"
    assert world.finished[0].bytes == len(ROWS)


@pytest.mark.parametrize(
    "sent",
    [
        make_response(ROWS, 200, GZIP),
        make_response(gzip.compress(ROWS)[:-12], 200, GZIP),
        make_response(gzip.compress(ROWS)),
        make_response(gzip.compress(gzip.compress(ROWS)), 200, ("content-encoding", "gzip, gzip")),
        make_response(b"\x1b\x0b\x00\x80", 200, ("content-encoding", "br")),
    ],
    ids=["none", "truncated", "unannounced", "twice", "another coding"],
)
async def test_an_answer_that_is_packed_wrongly_cannot_be_read(sent: Any) -> None:
    async with open_session(ScriptedServer(sent)) as (session, world):
        found = await get_query_failure(session)
    assert found.kind is FailureKind.MALFORMED
    assert [outcome for outcome, _ in world.outcomes] == ["malformed"]


async def test_an_answer_that_drips_is_cut_by_the_limit_over_all() -> None:
    drip = DrippingTransport(pause_seconds=20.0)
    world = make_harness(lambda: drip)
    async with world.office.session() as session:
        found = await get_query_failure(session)
        assert drip.closed, "before the session ends"
    assert found.kind is FailureKind.TIMEOUT
    assert anyio.current_time() == pytest.approx(LIMITS.connect_timeout_seconds + LIMITS.request_timeout_seconds)
    assert world.outcomes == [("timeout", None)]
    assert world.finished[0].seconds == pytest.approx(75)


async def test_an_answer_that_drips_fast_enough_is_read() -> None:
    world = make_harness(lambda: DrippingTransport(pause_seconds=1.0))
    async with world.office.session() as session:
        assert await session.query("SELECT 1 AS One", list) == [Row({"One": 1})]


@pytest.mark.parametrize(
    "error",
    [ssl.SSLError(1, f"bad record mac {CANARY}"), ConnectionResetError(), httpx.ReadError(""), OSError("broken")],
)
async def test_whatever_breaks_in_the_middle_of_an_answer_is_a_lost_connection(error: Exception) -> None:
    world = make_harness(lambda: DrippingTransport(0.0, error))
    async with world.office.session() as session:
        found = await get_query_failure(session)
    assert found.kind is FailureKind.CONNECTION_LOST
    assert found.message == type(error).__name__
