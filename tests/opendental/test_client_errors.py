from datetime import datetime, timedelta
from email.utils import format_datetime

import pytest

from oddaemon.core.failures.classify import MESSAGE_CHARACTERS_MAX
from oddaemon.core.failures.failure import FailureKind
from oddaemon.opendental.client import Limits
from oddaemon.simulator.virtual_time import make_virtual_loop
from tests.hostile.locations import HOSTILE_LOCATIONS
from tests.opendental.client_harness import (
    AUTHORIZATION,
    CUSTOMER_KEY,
    DEVELOPER_KEY,
    NOW,
    ScriptedServer,
    get_failure,
    get_query_failure,
    make_response,
    open_session,
)

pytestmark = pytest.mark.event_loop(factory=make_virtual_loop)


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        (
            400,
            '"The office\'s eConnector is not running."',
            FailureKind.ECONNECTOR_DOWN,
            "The office's eConnector is not",
        ),
        (400, '"API key has not been assigned."', FailureKind.KEY_UNASSIGNED, "API key has not been assigned."),
        (401, '"Query cannot contain \\"SCHEMA\\"."', FailureKind.QUERY_REFUSED, "Query cannot contain"),
        (429, "", FailureKind.THROTTLED, ""),
        (502, "<html><h1>502 Bad Gateway</h1></html>", FailureKind.SERVER_ERROR, "502 Bad Gateway"),
        (504, "<html></html>", FailureKind.GATEWAY_TIMEOUT, ""),
        (418, "x" * 500, FailureKind.UNEXPECTED_STATUS, "x" * 199 + "…"),
    ],
)
async def test_an_error_is_named_with_what_the_other_side_said(
    status: int, body: str, kind: FailureKind, message: str
) -> None:
    async with open_session(ScriptedServer(make_response(body, status))) as (session, world):
        found = await get_query_failure(session)
    assert (found.kind, found.status) == (kind, status)
    assert found.message.startswith(message)
    assert world.outcomes == [(kind.value, status)]
    assert world.finished[0].bytes == len(body)


async def test_of_an_endless_error_only_the_beginning_is_looked_at() -> None:
    limits = Limits(10.0, 65.0, 100_000)
    recognized = await get_failure(ScriptedServer(make_response("x" * 19_000 + " eConnector", 400)), limits)
    unrecognized = await get_failure(ScriptedServer(make_response("x" * 20_000 + " eConnector", 400)), limits)
    assert (recognized.kind, unrecognized.kind) == (FailureKind.ECONNECTOR_DOWN, FailureKind.UNKNOWN_400)


ECHOES = {
    "the header": f'"Not authorized: {AUTHORIZATION}"',
    "one key": f'"{CUSTOMER_KEY} is not valid"',
    "in HTML": f"<html><body><p>Authorization: {AUTHORIZATION}</p></body></html>",
    "across the end of what is looked at": "<" + "x" * (19_995 - len(DEVELOPER_KEY) // 2) + ">" + DEVELOPER_KEY * 3,
}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
async def test_keys_that_the_server_echoes_are_not_repeated(status: int, echo: str) -> None:
    found = await get_failure(ScriptedServer(make_response(echo, status)))
    assert "***" in found.message
    assert DEVELOPER_KEY[:5] not in found.sentence
    assert CUSTOMER_KEY[:5] not in found.sentence


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("-30", 0.0),
        ("1.5", 1.5),
        (" 20 ", 20.0),
        ("86400", 86_400.0),
        ("1e3", 1000.0),
        (format_datetime(NOW + timedelta(minutes=3), usegmt=True), 180.0),
        (format_datetime(NOW - timedelta(hours=1), usegmt=True), 0.0),
        ("Tue, 03 Mar 2026 02:01:00 -0800", 60.0),
        ("Tue, 03 Mar 2026 10:01:00 -0000", 60.0),
        ("Tuesday, 03-Mar-26 10:01:00 GMT", 60.0),
        (None, None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("-inf", None),
        ("1e999", None),
        ("9" * 5000, None),
        ("Tue, 03 Mar 99999 10:01:00 GMT", None),
        ("Tue, 03 Mar 2026 10:01:00 +9999", None),
        ("Tue, 03 Mar 2026 10:01:00 +99999999999999999999", None),
        ("Tue, 40 Foo 2026", None),
    ],
)
async def test_a_retry_after_is_understood_in_every_form_and_nonsense_says_nothing(
    retry_after: str | None, seconds: float | None
) -> None:
    headers = [] if retry_after is None else [("retry-after", retry_after)]
    found = await get_failure(ScriptedServer(make_response('"wait"', 429, *headers)))
    assert (found.kind, found.retry_after_seconds) == (FailureKind.THROTTLED, seconds)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location",
    [
        "https://elsewhere.example.com/api/v1",
        "/api/v1/other",
        "http://[bad",
        "https://xn--a.com/",
        "",
        *HOSTILE_LOCATIONS,
    ],
)
async def test_a_redirect_is_a_failure_and_is_not_followed(status: int, location: str) -> None:
    site = ScriptedServer(make_response("", status, ("location", location)))
    async with open_session(site) as (session, world):
        found = await get_query_failure(session)
    assert (found.kind, found.status) == (FailureKind.UNEXPECTED_STATUS, status)
    assert len(site.requests) == 1
    assert len(world.outcomes) == 1


async def test_a_retry_after_date_is_read_by_the_given_clock() -> None:
    assert datetime.fromisoformat("2026-03-03T10:00:00+00:00") == NOW
    found = await get_failure(ScriptedServer(make_response("", 503, ("retry-after", "Tue, 03 Mar 2026 11:00:00 GMT"))))
    assert (found.kind, found.retry_after_seconds) == (FailureKind.SERVER_ERROR, 3600.0)


async def test_masking_what_an_error_quotes_makes_it_no_longer() -> None:
    quoted = " ".join(["'a'"] * 50)
    found = await get_failure(ScriptedServer(make_response(quoted, 400)))
    assert "a" not in found.message
    assert len(found.message) <= MESSAGE_CHARACTERS_MAX
