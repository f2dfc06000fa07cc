"""The streams of the pages: what they tell, when they end, and who may have one."""

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import anyio
import anyio.abc
import httpx
import pytest
from starlette.types import Receive, Scope, Send

from oddaemon.core.model import Condition, Owner
from oddaemon.http_server.limits import ConnectionLimits
from oddaemon.http_server.server import GRACE_SECONDS
from oddaemon.web.pages.event_stream import EventStream, StreamOptions, StreamSlots
from tests.browser.sample import SampleFleet, sample_fleet
from tests.browser.site import LIVELY, Site
from tests.web.raw import PATIENCE_SECONDS, everything, listener, request


@dataclass
class Told:
    """One event of a stream."""

    name: str
    token: str
    data: dict[str, Any]


@asynccontextmanager
async def listening(site: Site, limits: ConnectionLimits | None = None) -> AsyncIterator[httpx.AsyncClient]:
    async with listener(site.app(), limits) as port:
        base_url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=base_url, trust_env=False, timeout=PATIENCE_SECONDS) as client:
            yield client


async def events(answer: httpx.Response) -> AsyncGenerator[Told, None]:
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if line and not line.startswith(":"):
            fields[name] = value
        elif "event" in fields:
            yield Told(fields["event"], fields["id"], json.loads(fields["data"]))
            fields = {}


async def stream_of(client: httpx.AsyncClient, page: str = "/") -> str:
    """Where the page that is read now hears what changes."""
    text = (await client.get(page)).text
    return text.partition('data-live="')[2].partition('"')[0]


async def next_told(client: httpx.AsyncClient, stream: str, **headers: str) -> Told:
    with anyio.fail_after(PATIENCE_SECONDS):
        async with client.stream("GET", stream, headers=headers) as answer, aclosing(events(answer)) as all_told:
            async for told in all_told:
                return told
    raise AssertionError("the stream ended without an event")


def block(fleet: SampleFleet, number: int = 0) -> str:
    office = fleet.lines[number].id
    fleet.stands(office, Condition.BLOCKED, "Its key was disabled.", owner=Owner.OFFICE)
    return office


async def test_a_stream_tells_only_what_changed_since_its_page() -> None:
    fleet = sample_fleet(40)
    async with listening(Site(fleet)) as client:
        stream = await stream_of(client)
        office = block(fleet)
        told = await next_told(client, stream)
    assert told.name == "change"
    assert [each["id"] for each in told.data["offices"]] == [office]
    assert "Its key was disabled." in told.data["offices"][0]["row"]
    assert {"headline", "count-blocked", "count-fresh"} < set(told.data["parts"])
    assert not {"trouble", "count-late"} & set(told.data["parts"])


async def test_a_browser_that_comes_back_hears_what_it_missed_and_nothing_twice() -> None:
    fleet = sample_fleet(12)
    async with listening(Site(fleet)) as client:
        stream = await stream_of(client)
        block(fleet)
        first = await next_told(client, stream)
        office = block(fleet, 2)
        second = await next_told(client, stream, **{"last-event-id": first.token})
    assert [each["id"] for each in second.data["offices"]] == [office]


async def test_what_happens_within_a_moment_is_told_together() -> None:
    fleet = sample_fleet(12)
    async with listening(Site(fleet, liveliness=StreamOptions(settle_seconds=0.2))) as client:
        stream = await stream_of(client)
        block(fleet, 0)
        block(fleet, 2)
        told = await next_told(client, stream)
    assert len(told.data["offices"]) == 2


@pytest.mark.parametrize(
    "token",
    ["", "nonsense", "deadbeef.1", "{boot}.999", "{boot}.-1", "{boot}.\u0662", "{boot}." + "9" * 1000],
    ids=["none", "nonsense", "another process", "the future", "negative", "other digits", "many digits"],
)
async def test_whoever_has_seen_nothing_of_this_process_is_told_to_read_the_page_again(token: str) -> None:
    fleet = sample_fleet(3)
    async with listening(Site(fleet)) as client:
        stream = await stream_of(client)
        path, _, own = stream.partition("?since=")
        stale = token.replace("{boot}", own.partition(".")[0])
        told = await next_told(client, str(httpx.URL(path, params={"since": stale})))
    assert (told.name, told.token) == ("stale", own)


@pytest.mark.parametrize("page", ["/", "/offices/{id}"])
async def test_when_offices_come_or_the_configuration_is_read_again_the_page_is_stale(page: str) -> None:
    fleet = sample_fleet(3)
    async with listening(Site(fleet)) as client:
        stream = await stream_of(client, page.replace("{id}", fleet.lines[0].id))
        fleet.lines = sample_fleet(4).lines
        assert (await next_told(client, stream)).name == "stale"
        stream = await stream_of(client, page.replace("{id}", fleet.lines[0].id))
        fleet.generation += 1
        assert (await next_told(client, stream)).name == "stale"


async def test_the_stream_of_an_office_tells_its_parts_and_nothing_of_others() -> None:
    fleet = sample_fleet(12)
    async with listening(Site(fleet)) as client:
        stream = await stream_of(client, f"/offices/{fleet.lines[0].id}")
        block(fleet, 2)
        await stream_of(client)  # the board has moved on by now
        block(fleet, 0)
        told = await next_told(client, stream)
    assert "Its key was disabled." in told.data["parts"]["standing"]
    assert "offices" not in told.data


async def test_why_the_daemon_is_not_at_work_is_told_to_every_page() -> None:
    fleet = sample_fleet(3)
    async with listening(Site(fleet)) as client:
        for page in ("/", f"/offices/{fleet.lines[0].id}"):
            stream = await stream_of(client, page)
            fleet.trouble = f"the disk is full, says {page}"
            told = await next_told(client, stream)
            assert "the disk is full" in told.data["parts"]["trouble"]


async def test_secrets_are_in_no_event() -> None:
    fleet = sample_fleet(3)
    async with listening(Site(fleet, secrets=("hunter2-hunter2",))) as client:
        for page in ("/", f"/offices/{fleet.lines[0].id}"):
            stream = await stream_of(client, page)
            why = f"The server says on {page}: hunter2-hunter2 is disabled."
            fleet.stands(fleet.lines[0].id, Condition.BLOCKED, why, owner=Owner.OFFICE)
            fleet.lines[0] = replace(fleet.lines[0], labels=(("key", "hunter2-hunter2"),))
            told = json.dumps((await next_told(client, stream)).data)
            assert "hunter2" not in told
            assert "***" in told
            assert "hunter2" not in (await client.get(page)).text


async def test_a_quiet_stream_is_heard_from_all_the_same() -> None:
    quick = StreamOptions(settle_seconds=0.05, heartbeat_seconds=0.1)
    async with (
        listening(Site(sample_fleet(3), liveliness=quick)) as client,
        client.stream("GET", await stream_of(client)) as answer,
    ):
        with anyio.fail_after(PATIENCE_SECONDS):
            async for line in answer.aiter_lines():
                if line == ":":
                    return
    raise AssertionError("it ended")


async def test_there_are_only_so_many_streams_and_one_that_ends_makes_room() -> None:
    site = Site(sample_fleet(3), liveliness=replace(LIVELY, streams_max=2))
    async with listening(site) as client:
        stream = await stream_of(client)
        async with client.stream("GET", stream), client.stream("GET", stream) as second:
            refused = await client.get(stream)
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) > 0
            assert (await client.get("/")).status_code == 200
            await second.aclose()
            with anyio.fail_after(PATIENCE_SECONDS):
                while True:
                    async with client.stream("GET", stream) as third:
                        if third.status_code == 200:
                            break


async def test_a_stream_outlives_the_patience_of_the_listener() -> None:
    fleet = sample_fleet(3)
    async with (
        listening(Site(fleet), ConnectionLimits(timeout_seconds=1.5)) as client,
        client.stream("GET", await stream_of(client)) as answer,
        aclosing(events(answer)) as told,
    ):
        await anyio.sleep(2.5)
        block(fleet)
        with anyio.fail_after(PATIENCE_SECONDS):
            assert (await anext(told)).name == "change"


async def test_whoever_does_not_take_what_a_stream_tells_is_cut() -> None:
    made, ended = 0, anyio.Event()

    async def flood() -> AsyncGenerator[str, None]:
        nonlocal made
        try:
            while True:
                made += 1
                yield ":" + "x" * 1_000_000
                await anyio.lowlevel.checkpoint()
        finally:
            ended.set()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await EventStream(StreamSlots(1), flood())(scope, receive, send)

    async with (
        listener(app, ConnectionLimits(timeout_seconds=0.3)) as port,
        await anyio.connect_tcp("127.0.0.1", port) as stream,
    ):
        await stream.send(request("Host: localhost", target="/live"))
        with anyio.fail_after(PATIENCE_SECONDS):
            await ended.wait()
        assert made < 100  # no more than the buffers of the two systems hold
        await everything(stream)


async def test_stopping_ends_streams_at_once_and_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    ended = anyio.Event()
    async with anyio.create_task_group() as readers:
        with anyio.fail_after(PATIENCE_SECONDS):
            async with listener(Site(sample_fleet(3)).app()) as port:
                await readers.start(_read_to_the_end, f"http://127.0.0.1:{port}", ended)
                began = anyio.current_time()
            await ended.wait()
    assert anyio.current_time() - began < GRACE_SECONDS
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


async def _read_to_the_end(
    base_url: str, ended: anyio.Event, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    async with (
        httpx.AsyncClient(base_url=base_url, trust_env=False) as client,
        client.stream("GET", await stream_of(client)) as answer,
    ):
        task_status.started()
        async for _ in answer.aiter_raw():
            pass
    ended.set()


async def test_head_of_a_stream_is_an_answer_that_ends() -> None:
    async with listening(Site(sample_fleet(3))) as client:
        answer = await client.head("/live")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
