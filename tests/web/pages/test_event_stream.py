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
from oddaemon.http_server import server
from oddaemon.http_server.limits import ConnectionLimits
from oddaemon.web.pages.event_stream import EventStream, StreamOptions
from tests.browser.sample_fleet import SampleFleet, make_fleet
from tests.browser.site import FAST_STREAM, PageSite
from tests.golden import GoldenTexts
from tests.http_server.raw_client import TIMEOUT_SECONDS, make_request_head, read_to_end, running_listener
from tests.stepped_clock import SteppedLoop, step_clock

pytestmark = pytest.mark.event_loop(factory=SteppedLoop)


@dataclass
class StreamEvent:
    """One event of a stream."""

    name: str
    token: str
    data: dict[str, Any]


@asynccontextmanager
async def served_client(site: PageSite, limits: ConnectionLimits | None = None) -> AsyncIterator[httpx.AsyncClient]:
    async with running_listener(site.create_app(), limits) as port:
        base_url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=base_url, trust_env=False, timeout=TIMEOUT_SECONDS) as client:
            yield client


async def iterate_events(answer: httpx.Response) -> AsyncGenerator[StreamEvent, None]:
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if line and not line.startswith(":"):
            fields[name] = value
        elif "event" in fields:
            yield StreamEvent(fields["event"], fields["id"], json.loads(fields["data"]))
            fields = {}


async def get_stream_url(client: httpx.AsyncClient, page: str = "/") -> str:
    """Where the page that is read now hears what changes."""
    text = (await client.get(page)).text
    return text.partition('data-live="')[2].partition('"')[0]


async def wait_for_event(client: httpx.AsyncClient, stream: str, **headers: str) -> StreamEvent:
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with (
            client.stream("GET", stream, headers=headers) as answer,
            aclosing(iterate_events(answer)) as all_events,
        ):
            async for event in all_events:
                return event
    raise AssertionError("the stream ended without an event")


def block_office(fleet: SampleFleet, number: int = 0) -> str:
    office = fleet.lines[number].id
    fleet.set_condition(office, Condition.BLOCKED, "Its key was disabled.", owner=Owner.OFFICE)
    return office


async def test_a_stream_sends_only_what_changed_since_its_page(golden: GoldenTexts) -> None:
    fleet = make_fleet(40)
    async with served_client(PageSite(fleet)) as client:
        stream = await get_stream_url(client)
        office = block_office(fleet)
        event = await wait_for_event(client, stream)
    assert event.name == "change"
    assert [each["id"] for each in event.data["offices"]] == [office]
    golden.check(event.data["offices"][0]["row"])
    assert {"headline", "count-blocked", "count-fresh"} < set(event.data["parts"])
    assert not {"not-ready", "count-late"} & set(event.data["parts"])


async def test_a_browser_that_comes_back_hears_what_it_missed_and_nothing_twice() -> None:
    fleet = make_fleet(12)
    async with served_client(PageSite(fleet)) as client:
        stream = await get_stream_url(client)
        block_office(fleet)
        first = await wait_for_event(client, stream)
        office = block_office(fleet, 2)
        second = await wait_for_event(client, stream, **{"last-event-id": first.token})
    assert [each["id"] for each in second.data["offices"]] == [office]


async def test_changes_within_a_moment_are_sent_together() -> None:
    fleet = make_fleet(12)
    async with served_client(PageSite(fleet, stream_options=StreamOptions(settle_seconds=0.2))) as client:
        stream = await get_stream_url(client)
        block_office(fleet, 0)
        block_office(fleet, 2)
        event = await wait_for_event(client, stream)
    assert len(event.data["offices"]) == 2


@pytest.mark.parametrize(
    "token",
    ["", "nonsense", "deadbeef.1", "{boot}.999", "{boot}.-1", "{boot}.\u0662", "{boot}." + "9" * 1000],
    ids=["none", "nonsense", "another process", "the future", "negative", "other digits", "many digits"],
)
async def test_a_client_of_another_process_is_sent_to_reload_the_page(token: str) -> None:
    fleet = make_fleet(3)
    async with served_client(PageSite(fleet)) as client:
        stream = await get_stream_url(client)
        path, _, own = stream.partition("?since=")
        stale = token.replace("{boot}", own.partition(".")[0])
        event = await wait_for_event(client, str(httpx.URL(path, params={"since": stale})))
    assert (event.name, event.token) == ("stale", own)


@pytest.mark.parametrize("page", ["/", "/offices/{id}"])
async def test_when_offices_come_or_the_configuration_is_read_again_the_page_is_stale(page: str) -> None:
    fleet = make_fleet(3)
    async with served_client(PageSite(fleet)) as client:
        stream = await get_stream_url(client, page.replace("{id}", fleet.lines[0].id))
        fleet.lines = make_fleet(4).lines
        assert (await wait_for_event(client, stream)).name == "stale"
        stream = await get_stream_url(client, page.replace("{id}", fleet.lines[0].id))
        fleet.generation += 1
        assert (await wait_for_event(client, stream)).name == "stale"


async def test_the_stream_of_an_office_sends_its_parts_and_nothing_of_others(golden: GoldenTexts) -> None:
    fleet = make_fleet(12)
    async with served_client(PageSite(fleet)) as client:
        stream = await get_stream_url(client, f"/offices/{fleet.lines[0].id}")
        block_office(fleet, 2)
        await get_stream_url(client)  # the board has moved on by now
        block_office(fleet, 0)
        event = await wait_for_event(client, stream)
    golden.check(event.data["parts"]["status"])
    assert "offices" not in event.data


async def test_the_reason_why_the_daemon_is_not_ready_is_sent_to_every_page(golden: GoldenTexts) -> None:
    fleet = make_fleet(3)
    async with served_client(PageSite(fleet)) as client:
        for page in ("/", f"/offices/{fleet.lines[0].id}"):
            stream = await get_stream_url(client, page)
            fleet.failure = f"the disk is full, says {page}"
            event = await wait_for_event(client, stream)
            golden.check(event.data["parts"]["not-ready"])


async def test_secrets_are_in_no_event() -> None:
    fleet = make_fleet(3)
    async with served_client(PageSite(fleet, secrets=("hunter2-hunter2",))) as client:
        for page in ("/", f"/offices/{fleet.lines[0].id}"):
            stream = await get_stream_url(client, page)
            why = f"The server says on {page}: hunter2-hunter2 is disabled."
            fleet.set_condition(fleet.lines[0].id, Condition.BLOCKED, why, owner=Owner.OFFICE)
            fleet.lines[0] = replace(fleet.lines[0], labels=(("key", "hunter2-hunter2"),))
            data = json.dumps((await wait_for_event(client, stream)).data)
            assert "hunter2" not in data
            assert "***" in data
            assert "hunter2" not in (await client.get(page)).text


async def test_a_quiet_stream_is_heard_from_all_the_same() -> None:
    quick = StreamOptions(settle_seconds=0.05, heartbeat_seconds=0.1)
    async with (
        served_client(PageSite(make_fleet(3), stream_options=quick)) as client,
        client.stream("GET", await get_stream_url(client)) as answer,
    ):
        with anyio.fail_after(TIMEOUT_SECONDS):
            async for line in answer.aiter_lines():
                if line == ":":
                    return
    raise AssertionError("it ended")


async def test_there_are_only_so_many_streams_and_one_that_ends_makes_room() -> None:
    site = PageSite(make_fleet(3), stream_options=replace(FAST_STREAM, streams_max=2))
    async with served_client(site) as client:
        stream = await get_stream_url(client)
        async with client.stream("GET", stream), client.stream("GET", stream) as second:
            refused = await client.get(stream)
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) > 0
            assert (await client.get("/")).status_code == 200
            await second.aclose()
            with anyio.fail_after(TIMEOUT_SECONDS):
                while True:
                    async with client.stream("GET", stream) as third:
                        if third.status_code == 200:
                            break


async def test_a_stream_outlives_the_timeout_of_the_listener() -> None:
    fleet = make_fleet(3)
    async with (
        served_client(PageSite(fleet), ConnectionLimits(timeout_seconds=TIMEOUT_SECONDS)) as client,
        client.stream("GET", await get_stream_url(client)) as answer,
        aclosing(iterate_events(answer)) as stream_events,
    ):
        await step_clock(TIMEOUT_SECONDS)
        block_office(fleet)
        with anyio.fail_after(TIMEOUT_SECONDS):
            assert (await anext(stream_events)).name == "change"


async def test_a_client_that_does_not_read_its_stream_is_disconnected() -> None:
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
        await EventStream(anyio.CapacityLimiter(1), flood())(scope, receive, send)

    async with (
        running_listener(app, ConnectionLimits(timeout_seconds=0.3)) as port,
        await anyio.connect_tcp("127.0.0.1", port) as stream,
    ):
        await stream.send(make_request_head("Host: localhost", target="/live"))
        with anyio.fail_after(TIMEOUT_SECONDS):
            await ended.wait()
        assert made < 100  # no more than the buffers of the two systems hold
        await read_to_end(stream)


async def test_stopping_ends_streams_at_once_and_in_silence(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "GRACE_SECONDS", 2 * int(TIMEOUT_SECONDS))  # to wait for it would fail
    ended = anyio.Event()
    async with anyio.create_task_group() as readers:
        with anyio.fail_after(TIMEOUT_SECONDS):
            async with running_listener(PageSite(make_fleet(3)).create_app()) as port:
                await readers.start(_read_to_the_end, f"http://127.0.0.1:{port}", ended)
            await ended.wait()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


async def _read_to_the_end(
    base_url: str, ended: anyio.Event, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    async with (
        httpx.AsyncClient(base_url=base_url, trust_env=False) as client,
        client.stream("GET", await get_stream_url(client)) as answer,
    ):
        task_status.started()
        async for _ in answer.aiter_raw():
            pass
    ended.set()


async def test_head_of_a_stream_is_an_answer_that_ends() -> None:
    async with served_client(PageSite(make_fleet(3))) as client:
        answer = await client.head("/live")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
