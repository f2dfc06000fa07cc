import json
from dataclasses import replace
from typing import Any

import anyio
import pytest

from oddaemon.simulator.api.keys import ApiKey, Mode, Permission
from oddaemon.simulator.api.messages import ApiRequest, ApiResponse
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.simulator.virtual_time import make_virtual_loop
from tests.simulator.small_headquarters import (
    CUSTOMER_KEY,
    DEVELOPER_KEY,
    EVERY_PAT_NUM,
    HEADERS,
    SmallHeadquarters,
    make_headquarters,
    parse_json,
)

OPTIONS = HeadquartersOptions(developer_key=DEVELOPER_KEY)
LARGE = PracticeSpec("brookside", seed=7, guarantors=1100, settled=0)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return ("asyncio", {"loop_factory": make_virtual_loop})


async def test_a_preference_comes_as_a_list_of_the_documented_object() -> None:
    answer = await make_headquarters().get("preferences", {"PrefName": "DateLastAging"})
    assert answer.status == 200
    assert dict(answer.headers)["content-type"].startswith("application/json")
    [preference] = parse_json(answer)
    assert set(preference) == {"PrefNum", "PrefName", "ValueString"}
    assert preference["PrefName"] == "DateLastAging"
    assert isinstance(preference["PrefNum"], int)
    assert preference["ValueString"] == "2025-03-02"


async def test_an_unknown_preference_is_an_empty_list_or_404() -> None:
    query = {"PrefName": "NoSuchPreference"}
    empty = await make_headquarters().get("preferences", query)
    assert (empty.status, empty.body) == (200, b"[]")
    absent = await make_headquarters(options=replace(OPTIONS, absent_is_404=True)).get("preferences", query)
    assert absent.status == 404
    assert isinstance(parse_json(absent), str)


async def test_a_filter_may_be_ignored_and_the_list_comes_in_pages() -> None:
    headquarters = make_headquarters(options=replace(OPTIONS, filters_ignored=True))
    pages = [
        parse_json(await headquarters.get("preferences", {"PrefName": "X", "Offset": offset}))
        for offset in ("0", "100", "200")
    ]
    assert len(pages[0]) == 100
    assert not pages[2]
    names = {preference["PrefName"] for page in pages for preference in page}
    assert {"DateLastAging", "AgingServiceTimeDue", "AgingBeginDateTime", "ProgramVersion"} <= names


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "ODFHIR",
        f"ODFHIR {DEVELOPER_KEY}",
        f"ODFHIR {DEVELOPER_KEY}/",
        f"ODFHIR {DEVELOPER_KEY}/somebodyElse",
        f"ODFHIR somebodyElse/{CUSTOMER_KEY}",
        f"Bearer {DEVELOPER_KEY}/{CUSTOMER_KEY}",
        f"{DEVELOPER_KEY}/{CUSTOMER_KEY}",
    ],
)
async def test_a_missing_or_wrong_key_is_401_with_a_bare_json_string(authorization: str) -> None:
    answer = await make_headquarters().get("preferences", headers={"authorization": authorization})
    assert answer.status == 401
    assert isinstance(parse_json(answer), str)


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/jsonp"])
async def test_every_request_must_carry_the_json_content_type_get_too(content_type: str) -> None:
    answer = await make_headquarters().get("preferences", headers={"content-type": content_type})
    assert answer.status == 400
    assert isinstance(parse_json(answer), str)


async def test_a_charset_beside_the_content_type_is_fine() -> None:
    answer = await make_headquarters().get("preferences", headers={"content-type": "application/json; charset=utf-8"})
    assert answer.status == 200


async def test_an_unknown_resource_is_404() -> None:
    assert (await make_headquarters().get("nosuchthing")).status == 404
    assert (await make_headquarters().get("queries/ShortQuery")).status == 404


async def test_clinics_are_listed_without_hidden_ones_and_without_clinic_zero() -> None:
    assert parse_json(await make_headquarters().get("clinics")) == []
    clinics = parse_json(await make_headquarters(spec=PracticeSpec("brookside", seed=7, clinics=3)).get("clinics"))
    assert [clinic["ClinicNum"] for clinic in clinics] == [1, 2]


async def test_a_short_query_has_keys_as_written_json_numbers_and_naive_datetimes() -> None:
    answer = await make_headquarters().short_query(
        "SELECT PatNum AS pn, BalTotal, NOW() AS n FROM patient WHERE PatNum=Guarantor"
    )
    row = parse_json(answer)[0]
    assert list(row) == ["pn", "BalTotal", "n"]
    assert isinstance(row["pn"], int)
    assert isinstance(row["BalTotal"], int | float)
    assert row["n"] == "2025-03-03T10:00:00"


async def test_the_documented_balance_query_is_answered() -> None:
    rows = parse_json(
        await make_headquarters().short_query(
            "SELECT patnum, estbalance, bal_0_30, bal_31_60, bal_61_90, balover90, insest, baltotal FROM patient "
            "WHERE patnum=guarantor and clinicnum=0 AND ( estbalance>0 OR bal_0_30>0 OR bal_31_60>0 OR bal_61_90>0 "
            "OR balover90>0 OR insest>0 OR baltotal>0)"
        )
    )
    assert rows
    assert list(rows[0]) == [
        *("patnum", "estbalance", "bal_0_30", "bal_31_60", "bal_61_90", "balover90", "insest", "baltotal")
    ]


async def test_a_refused_query_is_401_with_the_offices_own_words() -> None:
    answer = await make_headquarters().short_query("SELECT 1 FROM information_schema.tables")
    assert answer.status == 401
    assert parse_json(answer) == 'Query cannot contain "SCHEMA".'


async def test_an_sql_error_is_400() -> None:
    answer = await make_headquarters().short_query("SELECT NoSuchColumn FROM patient")
    assert answer.status == 400
    assert isinstance(parse_json(answer), str)


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b'{"SqlCommand": 5}', b'{"SqlCommand": ""}', b"SELECT 1"])
async def test_a_malformed_query_body_is_400(body: bytes) -> None:
    request = ApiRequest("PUT", "/api/v1/queries/ShortQuery", {}, HEADERS, body)
    assert (await make_headquarters().headquarters.handle(request)).status == 400


async def test_a_key_with_read_all_only_reads_preferences_and_is_401_on_short_query() -> None:
    reader = make_headquarters(key=ApiKey(CUSTOMER_KEY, "brookside", Permission.READ_ALL))
    assert (await reader.get("preferences")).status == 200
    assert (await reader.get("clinics")).status == 200
    assert (await reader.short_query("SELECT 1")).status == 401


@pytest.mark.parametrize(("version", "status"), [("21.1.30.0", 400), ("20.5.1.0", 400), ("21.2.1.0", 200)])
async def test_short_query_exists_since_21_2(version: str, status: int) -> None:
    answer = await make_headquarters(spec=PracticeSpec("brookside", 7, program_version=version)).short_query(
        "SELECT 1 AS one"
    )
    assert answer.status == status
    if status == 400:
        assert answer.body.startswith(b"Error. This is most likely a version issue")


def count_rows(answer: ApiResponse) -> int:
    return len(parse_json(answer))


@pytest.mark.parametrize(
    ("permission", "mode", "rows_max"),
    [
        (Permission.QUERIES, Mode.REMOTE, 100),
        (Permission.QUERIES, Mode.LOCAL, 1000),
        (Permission.ENTERPRISE, Mode.REMOTE, 1000),
    ],
)
async def test_a_page_is_capped(permission: Permission, mode: Mode, rows_max: int) -> None:
    large = make_headquarters(spec=LARGE, key=ApiKey(CUSTOMER_KEY, "brookside", permission, mode))
    assert count_rows(await large.short_query(EVERY_PAT_NUM)) == rows_max


async def count_page_rows(large: SmallHeadquarters) -> list[int]:
    return [count_rows(await large.short_query(EVERY_PAT_NUM, Offset=str(offset))) for offset in (0, 100, 1050)]


async def test_offset_gives_pages_as_documented_or_everything_as_observed() -> None:
    whole = len(make_headquarters(spec=LARGE).get_practice().run_short_query(EVERY_PAT_NUM))
    assert await count_page_rows(make_headquarters(spec=LARGE)) == [100, 100, min(100, whole - 1050)]
    quirk = replace(OPTIONS, offset_gives_everything=True)
    assert await count_page_rows(make_headquarters(spec=LARGE, options=quirk)) == [100, whole - 100, whole - 1050]


async def test_an_offset_that_is_no_number_is_400() -> None:
    assert (await make_headquarters().short_query("SELECT 1", Offset="-5")).status == 400


async def test_a_key_is_granted_in_the_offices_own_table() -> None:
    rows = parse_json(await make_headquarters().short_query("SELECT CustApiKey FROM apikey WHERE DevName='oddaemon'"))
    assert rows == [{"CustApiKey": CUSTOMER_KEY}]


@pytest.mark.parametrize(
    ("permission", "mode", "spacing_seconds"),
    [
        (Permission.READ_ALL, Mode.REMOTE, 5.0),
        (Permission.QUERIES, Mode.REMOTE, 1.0),
        (Permission.ENTERPRISE, Mode.REMOTE, 0.5),
        (Permission.QUERIES, Mode.LOCAL, 0.05),
    ],
)
async def test_the_throttle_follows_the_permission_and_local_has_none(
    permission: Permission, mode: Mode, spacing_seconds: float
) -> None:
    throttled = make_headquarters(key=ApiKey(CUSTOMER_KEY, "brookside", permission, mode))
    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(throttled.get, "preferences")
    starts = [request.started_seconds for request in throttled.headquarters.traffic]
    assert starts == pytest.approx([spacing_seconds * n for n in range(4)])


async def test_too_many_waiting_are_429_with_retry_after() -> None:
    throttled = make_headquarters()
    statuses: list[tuple[int, str | None]] = []

    async def ask() -> None:
        answer = await throttled.get("preferences")
        statuses.append((answer.status, dict(answer.headers).get("retry-after")))

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(ask)
    assert sorted(statuses) == [(200, None)] * 6 + [(429, "6")] * 2


async def test_a_request_over_the_processing_limit_is_504_with_html_after_60_seconds() -> None:
    slow = make_headquarters(options=replace(OPTIONS, query_seconds=61.0))
    answer = await slow.short_query("SELECT 1 AS one")
    assert answer.status == 504
    assert answer.body.startswith(b"<html>")
    assert anyio.current_time() == pytest.approx(60)
    assert (await slow.get("preferences")).status == 200


async def test_execution_time_grows_with_the_rows() -> None:
    timed = make_headquarters(options=replace(OPTIONS, base_seconds=0.1, query_seconds=0.4, row_seconds=0.01))
    await timed.short_query(EVERY_PAT_NUM)
    assert anyio.current_time() == pytest.approx(0.1 + 0.4 + 100 * 0.01)


async def test_every_request_is_recorded_without_the_key() -> None:
    logged = make_headquarters()
    await logged.get("preferences")
    await logged.short_query("SELECT 1 AS one")
    await logged.get("preferences", headers={"authorization": "ODFHIR a/b"})
    with anyio.move_on_after(0.01):
        await logged.get("clinics")
    log = logged.headquarters.traffic
    assert [(each.key, each.kind.value, each.status) for each in log] == [
        ("brookside", "preferences", 200),
        ("brookside", "short_query", 200),
        ("?", "preferences", 401),
        ("brookside", "clinics", None),
    ]
    assert logged.headquarters.in_flight == 0
    assert CUSTOMER_KEY not in repr(log) + repr(logged.headquarters.keys) + repr(logged.headquarters.options)
    assert log[1].started_seconds == pytest.approx(1.0)
    assert log[1].finished_seconds == pytest.approx(1.1)


async def test_a_path_is_read_whatever_its_letters_case() -> None:
    body = json.dumps({"SqlCommand": "SELECT 1 AS one"}).encode()
    answer = await make_headquarters().headquarters.handle(
        ApiRequest("PUT", "/api/v1/queries/shortquery", {}, HEADERS, body)
    )
    assert parse_json(answer) == [{"one": 1}]
