import json
import random
from contextlib import nullcontext
from typing import Any

import anyio
import pytest

from oddaemon import __version__
from oddaemon.core.failures.failure import FailureKind
from oddaemon.opendental import sql
from oddaemon.opendental.client import ApiError, Limits
from oddaemon.opendental.decode_values import Row
from oddaemon.opendental.rate_limiter import ShuttingDown
from oddaemon.simulator.virtual_time import make_virtual_loop
from tests.opendental.client_harness import (
    AUTHORIZATION,
    CUSTOMER_KEY,
    DEVELOPER_KEY,
    GZIP,
    ROWS,
    DrippingTransport,
    ScriptedServer,
    get_query_failure,
    make_harness,
    make_response,
    open_session,
)
from tests.opendental.response_bodies import CANARY, encode_rows, make_clock_rows, make_preference_rows
from tests.opendental.test_decode import NEVER_ROWS

pytestmark = pytest.mark.event_loop(factory=make_virtual_loop)

PREFERENCE = json.dumps(make_preference_rows())


async def test_every_request_carries_the_headers_that_the_api_asks_for_and_a_get_too() -> None:
    site = ScriptedServer(make_response(PREFERENCE), make_response(ROWS))
    async with open_session(site) as (session, _):
        await session.get_preference("DateLastAging")
        await session.query("SELECT 1 AS One", list)
    assert [request.method for request in site.requests] == ["GET", "PUT"]
    for request in site.requests:
        assert request.headers["authorization"] == AUTHORIZATION
        assert request.headers["content-type"] == "application/json"
        assert request.headers["user-agent"] == f"oddaemon/{__version__}"
        assert request.headers["host"] == "api.example.com"


@pytest.mark.parametrize(
    "base_url",
    [
        "https://api.example.com/api/v1",
        "https://api.example.com/api/v1/",
        "http://localhost:30222/api/v1",
        "http://[::1]:30223/api/v1",
    ],
)
async def test_addresses_are_joined_to_the_base_url(base_url: str) -> None:
    site = ScriptedServer(make_response(PREFERENCE), make_response(ROWS))
    async with open_session(site, base_url=base_url) as (session, _):
        await session.get_preference("DateLastAging")
        await session.query("SELECT 'é' AS One", list)
    asked_for, queried = site.requests
    assert (asked_for.path, asked_for.query, asked_for.body) == (
        "/api/v1/preferences",
        {"PrefName": "DateLastAging"},
        b"",
    )
    assert (queried.path, queried.query) == ("/api/v1/queries/ShortQuery", {})
    assert json.loads(queried.body) == {"SqlCommand": "SELECT 'é' AS One"}


async def test_a_base_url_with_a_prefix_of_its_own_keeps_it() -> None:
    site = ScriptedServer(make_response(PREFERENCE))
    async with open_session(site, base_url="https://gateway.example.com/dental/api/v1") as (session, _):
        await session.get_preference("DateLastAging")
    assert site.requests[0].path == "/dental/api/v1/preferences"


async def test_answers_are_read() -> None:
    site = ScriptedServer(make_response(PREFERENCE), make_response(ROWS), make_response(encode_rows(make_clock_rows())))
    async with open_session(site) as (session, world):
        assert await session.get_preference("DateLastAging") == "2026-03-03"
        assert await session.query("SELECT 1 AS One", list) == [Row({"One": 1})]
        office_now, utc_now, *_ = await session.read_clocks()
        assert session.requests == 3
    assert (office_now.hour, utc_now.hour) == (2, 10)
    assert json.loads(site.requests[-1].body) == {"SqlCommand": sql.select_clocks()}
    assert world.outcomes == [("ok", 200)] * 3
    assert [event.bytes for event in world.finished] == [
        len(PREFERENCE),
        len(ROWS),
        len(encode_rows(make_clock_rows())),
    ]
    assert [event.kind for event in world.finished] == ["preferences", "short_query", "short_query"]
    assert {event.office for event in world.finished} == {"elm"}


@pytest.mark.parametrize(
    "absent", [make_response("[]"), make_response('"Preference not found."', 404), make_response("", 404)]
)
async def test_a_preference_that_the_office_does_not_have_is_not_set(absent: Any) -> None:
    async with open_session(ScriptedServer(absent)) as (session, _):
        assert await session.get_preference("AgingBeginDateTime") == ""


async def test_only_404_and_only_of_a_preference_means_not_set() -> None:
    async with open_session(ScriptedServer(make_response("", 410), make_response("", 404))) as (session, world):
        with pytest.raises(ApiError):
            await session.get_preference("DateLastAging")
        assert (await get_query_failure(session)).kind is FailureKind.NOT_FOUND
    assert world.outcomes == [("not_found", 410), ("not_found", 404)]


@pytest.mark.parametrize("sent", NEVER_ROWS.values(), ids=NEVER_ROWS)
async def test_a_success_that_is_not_the_answer_is_a_failure_that_shows_nothing_of_it(sent: bytes) -> None:
    async with open_session(ScriptedServer(make_response(sent)), limits=Limits(10.0, 65.0, 10_000_000)) as (
        session,
        world,
    ):
        with pytest.raises(ApiError) as caught:
            await session.get_preference("DateLastAging")
    assert caught.value.failure.kind is FailureKind.MALFORMED
    assert CANARY not in caught.value.failure.sentence
    assert world.outcomes == [("malformed", 200)]


async def test_clocks_that_are_none_are_a_failure() -> None:
    async with open_session(ScriptedServer(make_response(ROWS))) as (session, _):
        with pytest.raises(ApiError) as caught:
            await session.read_clocks()
    assert caught.value.failure.kind is FailureKind.MALFORMED


async def test_a_request_that_is_cancelled_has_ended_too() -> None:
    drip = DrippingTransport(pause_seconds=20.0)
    world = make_harness(lambda: drip)
    async with world.office.session() as session:
        with anyio.move_on_after(3) as scope:
            await session.query("SELECT 1 AS One", list)
        assert drip.closed, "before the session ends"
    assert scope.cancelled_caught
    assert world.outcomes == [("cancelled", None)]


async def test_a_request_waiting_in_the_rate_limiter_has_not_begun() -> None:
    world = make_harness(ScriptedServer(make_response(ROWS)).make_transport, interval_seconds=60.0)
    async with world.office.session() as session:
        with anyio.move_on_after(3):
            await session.query("SELECT 1 AS One", list)
        assert world.events == []
        world.rate_limiter.close()
        with pytest.raises(ShuttingDown):
            await session.query("SELECT 1 AS One", list)
        with pytest.raises(ShuttingDown):
            await session.get_preference("DateLastAging")
    assert world.events == []
    assert session.requests == 0


async def test_sessions_of_one_office_share_its_spacing() -> None:
    world = make_harness(ScriptedServer(make_response(ROWS)).make_transport, interval_seconds=5.0)
    await anyio.sleep(60)
    for _ in range(3):
        async with world.office.session() as session:
            await session.query("SELECT 1 AS One", list)
    assert [event.wait_seconds for event in world.finished] == pytest.approx([0, 5, 5])


async def test_every_outcome_is_reported_exactly_once() -> None:
    rng = random.Random(3)
    endings = {
        make_response(ROWS): "ok",
        make_response("<html>"): "malformed",
        make_response('"no"', 401): "unknown_401",
        make_response("", 302, ("location", "/")): "unexpected_status",
        make_response("x" * 70_000): "oversized",
        make_response("", 429, ("retry-after", "1")): "throttled",
        make_response("not gzip", 200, GZIP): "malformed",
    }
    sent = rng.choices(list(endings), k=60)
    async with open_session(ScriptedServer(*sent)) as (session, world):
        for ending in sent:
            with nullcontext() if endings[ending] == "ok" else pytest.raises(ApiError):
                await session.query("SELECT 1 AS One", list)
        assert session.requests == 60
    assert [outcome for outcome, _ in world.outcomes] == [endings[ending] for ending in sent]


async def test_secrets_are_in_no_repr_no_message_no_log_and_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    async with open_session(ScriptedServer(make_response(f'"{AUTHORIZATION}"', 401))) as (session, world):
        with pytest.raises(ApiError) as caught:
            await session.query("SELECT 1 AS One", list)
        shown = [repr(session), str(session), repr(world.api), repr(world.office), repr(world.events)]
    shown += [
        repr(world.credentials),
        str(world.credentials),
        repr(caught.value),
        str(caught.value),
        repr(caught.value.failure),
    ]
    shown += [str(caught.getrepr(style="short")), str(caught.value.__cause__), caplog.text]
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    for text in shown:
        assert DEVELOPER_KEY not in text
        assert CUSTOMER_KEY not in text
