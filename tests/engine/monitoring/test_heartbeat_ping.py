"""What became of a night reaches its receiver, over a real socket; counts alone, and the newest of them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date

import anyio
import pytest
from anyio.abc import ByteStream

from oddaemon.engine.monitoring.freshness_monitor import NightResult
from oddaemon.engine.monitoring.heartbeat_ping import HeartbeatPinger
from oddaemon.settings import AlertSettings, Secret
from oddaemon.telemetry.events import HeartbeatPingFailed, HeartbeatPingSent, NightComplete, NightMissed, NightRecovered
from oddaemon.telemetry.events.base import Event
from tests.opendental.loopback_server import loopback_server, make_head

DAY = date(2026, 3, 3)
COMPLETE = NightComplete(DAY, fresh=229, late=2, blocked=1, exempt=3)
MISSED = NightMissed(DAY, fresh=228, missing=1, offices=("mesa",), blocked=1, exempt=3)
RECOVERED = NightRecovered(DAY, fresh=229, late=3)
COUNTS = {"fresh": 229, "late": 2, "blocked": 1, "exempt": 3}


@pytest.fixture
def anyio_backend() -> str:
    """Real time, for a real socket."""
    return "asyncio"


class PingReceiver:
    """A receiver: what it was asked, and what it answers."""

    def __init__(self, status: str = "200 OK") -> None:
        self.requests: list[tuple[str, dict[str, object]]] = []
        self.emitted: list[Event] = []
        self.changed = anyio.Event()
        self._status = status

    async def serve(self, stream: ByteStream) -> None:
        request = b""
        while not request.endswith(b"}"):
            request += await stream.receive()
        first, body = request.split(b"\r\n")[0].decode(), request.split(b"\r\n\r\n")[1]
        self.requests.append((first.removesuffix(" HTTP/1.1"), json.loads(body)))
        await stream.send(make_head(self._status, "Content-Length: 0"))

    def emit(self, event: Event) -> None:
        self.emitted.append(event)
        self.changed.set()

    async def wait_for_event(self) -> Event:
        with anyio.fail_after(120):
            await self.changed.wait()
        self.changed = anyio.Event()
        return self.emitted[-1]


@asynccontextmanager
async def running_pinger(listener: PingReceiver, **alerts: object) -> AsyncIterator[HeartbeatPinger]:
    async with loopback_server(listener.serve) as port, anyio.create_task_group() as tasks:
        url = Secret(f"http://127.0.0.1:{port}/c0ffee")
        table = AlertSettings.model_validate({"ping_url": url, "ping_pause_seconds": 0.01, **alerts})
        pinger = HeartbeatPinger(lambda: table, listener.emit)
        tasks.start_soon(pinger.run)
        yield pinger
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("event", "address", "document"),
    [
        (COMPLETE, "POST /c0ffee", {"outcome": "complete", **COUNTS}),
        (RECOVERED, "POST /c0ffee", {"outcome": "recovered", "fresh": 229, "late": 3}),
        (MISSED, "POST /c0ffee/fail", {"outcome": "missed", "fresh": 228, "missing": 1, "blocked": 1, "exempt": 3}),
    ],
    ids=["complete", "recovered", "missed"],
)
async def test_a_night_is_passed_on_in_counts(event: NightResult, address: str, document: dict[str, object]) -> None:
    listener = PingReceiver()
    async with running_pinger(listener) as alive:
        alive.on_result(event)
        assert await listener.wait_for_event() == HeartbeatPingSent(str(document["outcome"]), 1)
    assert listener.requests == [(address, {"night": "2026-03-03", **document})]


async def test_a_missed_night_may_send_no_ping() -> None:
    listener = PingReceiver()
    async with running_pinger(listener, ping_on_miss="silence") as alive:
        alive.on_result(MISSED)
        await anyio.wait_all_tasks_blocked()
        alive.on_result(COMPLETE)
        assert await listener.wait_for_event() == HeartbeatPingSent("complete", 1)
    assert len(listener.requests) == 1


async def test_a_failed_ping_is_logged_without_its_url() -> None:
    listener = PingReceiver("503 Busy")
    async with running_pinger(listener, ping_attempts=2) as alive:
        alive.on_result(COMPLETE)
        assert await listener.wait_for_event() == HeartbeatPingFailed(
            "complete", 2, "the receiver responded with HTTP 503"
        )
    assert len(listener.requests) == 2


async def test_without_a_url_no_ping_is_sent_and_nothing_fails() -> None:
    listener = PingReceiver()
    async with anyio.create_task_group() as tasks:
        alive = HeartbeatPinger(AlertSettings, listener.emit)
        tasks.start_soon(alive.run)
        alive.on_result(COMPLETE)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert listener.emitted == []
