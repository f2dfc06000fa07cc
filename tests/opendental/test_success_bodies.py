"""A success is read by what it says: an error text is that error, and a list that is not whole proves no absence."""

import json
from typing import Any

import pytest

from oddaemon.core.failures.failure import FailureKind
from oddaemon.opendental.client import ApiError
from tests.golden import GoldenTexts
from tests.opendental.client_harness import ScriptedServer, make_response, open_session

ECONNECTOR = "The office's eConnector is not running. Please contact the office to start their eConnector."


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (json.dumps(ECONNECTOR), FailureKind.ECONNECTOR_DOWN),
        (json.dumps({"Message": ECONNECTOR}), FailureKind.ECONNECTOR_DOWN),
        (json.dumps([{"error": ECONNECTOR}]), FailureKind.ECONNECTOR_DOWN),
        (json.dumps([ECONNECTOR]), FailureKind.ECONNECTOR_DOWN),
        (f"<html><body>{ECONNECTOR}</body></html>", FailureKind.ECONNECTOR_DOWN),
        (ECONNECTOR.encode("utf-16"), FailureKind.ECONNECTOR_DOWN),
        ('"API key has not been assigned."', FailureKind.KEY_UNASSIGNED),
        ('"Something else."', FailureKind.MALFORMED),
        ("<html><body>Log in</body></html>", FailureKind.MALFORMED),
        (json.dumps([{"PrefName": 5, "ValueString": ECONNECTOR}]), FailureKind.MALFORMED),
        ("{}", FailureKind.MALFORMED),
        ("", FailureKind.MALFORMED),
    ],
)
async def test_an_error_under_a_success_status_is_classified_by_what_it_says(body: Any, kind: FailureKind) -> None:
    async with open_session(ScriptedServer(make_response(body))) as (session, world):
        with pytest.raises(ApiError) as caught:
            await session.get_preference("DateLastAging")
    assert (caught.value.failure.kind, caught.value.failure.status) == (kind, None if kind == "malformed" else 200)
    assert world.outcomes == [(kind.value, 200)]


def make_page(first: int, rows: int, **named: str) -> Any:
    names = {f"Other{number}": "wrong" for number in range(first, first + rows - len(named))}
    listed = [{"PrefName": name, "ValueString": value} for name, value in {**names, **named}.items()]
    return make_response(json.dumps(listed))


async def test_a_preference_beyond_the_first_page_is_read_from_the_page_that_has_it() -> None:
    server = ScriptedServer(make_page(0, 100), make_page(100, 100), make_page(200, 100, AgingServiceTimeDue="02:00"))
    async with open_session(server) as (session, _):
        assert await session.get_preference("AgingServiceTimeDue") == "02:00"
        assert session.requests == 3


@pytest.mark.parametrize("end", [make_response("[]"), make_response('"Not found."', 404)])
async def test_a_preference_is_unset_only_where_the_whole_list_does_not_have_it(end: Any) -> None:
    async with open_session(ScriptedServer(make_page(0, 100), make_page(100, 50), end)) as (session, _):
        assert await session.get_preference("AgingServiceTimeDue") == ""


async def test_a_preference_that_is_not_on_the_only_page_is_unknown_and_not_unset(golden: GoldenTexts) -> None:
    async with open_session(ScriptedServer(*[make_page(0, 100)] * 2)) as (session, _):
        with pytest.raises(ApiError) as caught:
            await session.get_preference("AgingServiceTimeDue")
        golden.check(caught.value)


async def test_a_list_of_preferences_without_end_is_given_up(golden: GoldenTexts) -> None:
    pages = [make_page(100 * number, 100) for number in range(40)]
    async with open_session(ScriptedServer(*pages)) as (session, _):
        with pytest.raises(ApiError) as caught:
            await session.get_preference("AgingServiceTimeDue")
        golden.check(caught.value)
        assert session.requests == 30


async def test_the_one_row_of_another_preference_is_the_answer_to_another_question(golden: GoldenTexts) -> None:
    async with open_session(ScriptedServer(make_page(0, 1, AgingBeginDateTime="STALE"))) as (session, _):
        with pytest.raises(ApiError) as caught:
            await session.get_preference("ProgramVersion")
        golden.check(caught.value)


async def test_clinics_beyond_the_first_page_are_listed() -> None:
    pages = [[{"ClinicNum": number} for number in range(first, first + 100)] for first in (0, 100)]
    server = ScriptedServer(*(make_response(json.dumps(page)) for page in pages), make_response("[]"))
    async with open_session(server) as (session, _):
        assert await session.list_clinics() == tuple(range(200))
