from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest

from oddaemon.simulator.api.messages import BrokenConnection, ConnectionFailure
from oddaemon.simulator.faults.faults import Fault, Latency
from oddaemon.simulator.transport.httpx_transport import SimulatedTransport
from oddaemon.simulator.virtual_time import make_virtual_loop
from tests.simulator.small_headquarters import HEADERS, SmallHeadquarters, make_headquarters

TIMEOUT = httpx.Timeout(65.0, connect=10.0)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return ("asyncio", {"loop_factory": make_virtual_loop})


@asynccontextmanager
async def http_client(simulated: SmallHeadquarters) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=SimulatedTransport(simulated.headquarters),
        base_url="https://api.opendental.com/api/v1",
        headers=HEADERS,
        timeout=TIMEOUT,
    ) as client:
        yield client


async def test_an_ordinary_client_reads_preferences_and_queries() -> None:
    async with http_client(make_headquarters()) as client:
        preference = await client.get("/preferences", params={"PrefName": "DateLastAging"})
        assert preference.json()[0]["ValueString"] == "2025-03-02"
        query = await client.put("/queries/ShortQuery", json={"SqlCommand": "SELECT 1 AS one"}, params={"Offset": "0"})
        assert query.json() == [{"one": 1}]
        assert int(query.headers["content-length"]) == len(query.content)


async def test_large_bodies_come_in_pieces() -> None:
    async with http_client(make_headquarters()) as client:
        sql = "SELECT PatNum, " + ", ".join(f"'{'x' * 100}' AS c{i}" for i in range(10)) + " FROM patient"
        async with client.stream("PUT", "/queries/ShortQuery", json={"SqlCommand": sql}) as response:
            pieces = [len(piece) async for piece in response.aiter_raw()]
    assert len(pieces) > 5
    assert sum(pieces) == int(response.headers["content-length"])


@pytest.mark.parametrize(
    ("fault", "error", "seconds"),
    [
        (BrokenConnection(ConnectionFailure.NO_CONNECTION), httpx.ConnectTimeout, 10.0),
        (BrokenConnection(ConnectionFailure.REFUSED), httpx.ConnectError, 0.0),
        (BrokenConnection(ConnectionFailure.STALL), httpx.ReadTimeout, 65.0),
        (BrokenConnection(ConnectionFailure.RESET), httpx.ReadError, 0.0),
        (BrokenConnection(ConnectionFailure.CLOSE), httpx.RemoteProtocolError, 0.0),
        (BrokenConnection(ConnectionFailure.STALL, 20), httpx.ReadTimeout, 65.05),
        (BrokenConnection(ConnectionFailure.RESET, 20), httpx.ReadError, 0.05),
        (BrokenConnection(ConnectionFailure.CLOSE, 20), httpx.RemoteProtocolError, 0.05),
    ],
)
async def test_a_broken_connection_raises_what_httpx_raises_when_it_would(
    fault: Fault, error: type[httpx.TransportError], seconds: float
) -> None:
    async with http_client(make_headquarters(fault)) as client:
        with pytest.raises(error) as raised:
            await client.get("/preferences")
    assert anyio.current_time() == pytest.approx(seconds)
    assert raised.value.request.url.path == "/api/v1/preferences"


async def test_bytes_before_the_break_arrive() -> None:
    received = bytearray()

    async def read_all(client: httpx.AsyncClient) -> None:
        async with client.stream("GET", "/preferences") as response:
            async for piece in response.aiter_raw():
                received.extend(piece)

    async with http_client(make_headquarters(BrokenConnection(ConnectionFailure.RESET, 20))) as client:
        with pytest.raises(httpx.ReadError):
            await read_all(client)
    assert len(received) == 20


async def test_a_client_that_is_too_impatient_times_out_and_the_office_stays_busy() -> None:
    slow = make_headquarters(Latency(30.0))
    async with http_client(slow) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.get("/preferences", timeout=5.0)
        assert anyio.current_time() == pytest.approx(5)
        slow.headquarters.faults.clear()
        await client.get("/preferences")
    assert anyio.current_time() == pytest.approx(30.1)
    assert slow.headquarters.traffic[0].status is None


async def test_each_transport_is_a_connection_of_its_own_in_the_log() -> None:
    simulated = make_headquarters()
    for _ in range(2):
        async with http_client(simulated) as client:
            await client.get("/preferences")
    first, second = simulated.headquarters.traffic
    assert first.connection != second.connection
