import json
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from oddaemon.simulator.api.messages import ApiResponse, BrokenConnection, ConnectionFailure, Endpoint
from oddaemon.simulator.faults.apply import apply_response_faults
from oddaemon.simulator.faults.faults import (
    EConnectorDown,
    Fault,
    FaultSchedule,
    FaultWindow,
    GatewayError,
    KeyDisabled,
    KeyMoved,
    KeyUnassigned,
    Latency,
    OldVersion,
    OtherBody,
    PermissionMissing,
    Respelled,
    ScheduledFault,
    TooManyRequests,
    TruncatedBody,
)
from oddaemon.simulator.faults.row_corruption import ALTERATIONS, get_alteration
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.simulator.model.world_clock import TimePoint
from oddaemon.simulator.virtual_time import make_virtual_loop
from tests.golden import GoldenTexts
from tests.simulator.small_headquarters import BASE, make_headquarters, parse_json

HOW_MANY = "SELECT COUNT(*) AS n FROM patient"
OPENED = datetime(2025, 3, 3, tzinfo=UTC)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return ("asyncio", {"loop_factory": make_virtual_loop})


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        (
            EConnectorDown(),
            400,
            b'"The office\'s eConnector is not running. Please contact the office to start their eConnector."',
        ),
        (KeyUnassigned(), 400, b'"API key has not been assigned."'),
        (KeyDisabled(), 401, b'"API key is disabled."'),
        (OldVersion(), 400, b"Error. This is most likely a version issue."),
        (OtherBody("null"), 200, b"null"),
        (OtherBody(""), 200, b""),
        (OtherBody("No.", "text/plain", 401), 401, b"No."),
    ],
)
async def test_the_documented_bodies_are_given_to_the_letter(fault: Fault, status: int, body: bytes) -> None:
    answer = await make_headquarters(fault).get("preferences")
    assert (answer.status, answer.body) == (status, body)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_the_gateway_fails_with_html(status: int) -> None:
    answer = await make_headquarters(GatewayError(status)).get("preferences")
    assert answer.status == status
    assert answer.body.startswith(b"<html>")
    assert dict(answer.headers)["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("-3", 0.0),
        ("36000", 36_000.0),
        ("Mon, 03 Mar 2025 18:00:30 GMT", 30.0),
        ("Mon, 03 Mar 2025 17:00:00 GMT", 0.0),
        ("Mon, 03 Mar 2025 18:00:30 -0000", 30.0),
        ("Mon, 03 Mar 2025 18:00:30", 30.0),
        ("Mon, 03 Mar 2025 11:00:30 -0700", 30.0),
        ("Mon, 03 Mar 99999999999999999999 18:00:30 GMT", None),
        ("9" * 400, None),
        ("1e400", None),
        ("1_000", None),
        ("nan", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
async def test_retry_after_is_sent_as_chosen_and_understood_in_the_log(
    retry_after: str | None, seconds: float | None
) -> None:
    refusing = make_headquarters(TooManyRequests(retry_after))
    answer = await refusing.get("preferences")
    assert answer.status == 429
    assert dict(answer.headers).get("retry-after") == retry_after
    assert refusing.headquarters.traffic[0].retry_after_seconds == seconds


async def test_a_lost_permission_closes_short_query_only() -> None:
    closed = make_headquarters(PermissionMissing())
    assert (await closed.short_query("SELECT 1")).status == 401
    assert (await closed.get("preferences")).status == 200


async def test_a_moved_key_works_after_a_while_and_then_answers_for_the_other_office(golden: GoldenTexts) -> None:
    headquarters = make_headquarters(
        KeyMoved("hillside", works_after_seconds=900), neighbours=[PracticeSpec("hillside", seed=8, guarantors=3)]
    )
    before = await headquarters.get("preferences")
    assert before.status == 400
    golden.check(parse_json(before))
    await anyio.sleep(900)
    answered = parse_json(await headquarters.short_query(HOW_MANY))
    assert answered == headquarters.get_practice("hillside").run_short_query(HOW_MANY)
    assert answered != headquarters.get_practice("brookside").run_short_query(HOW_MANY)


async def test_latency_adds_up_and_ends_in_504() -> None:
    await make_headquarters(Latency(3.0), Latency(4.0)).get("preferences")
    assert anyio.current_time() == pytest.approx(7.05)
    assert (await make_headquarters(Latency(75.0)).get("preferences")).status == 504
    assert anyio.current_time() == pytest.approx(67.05)


async def test_truncated_json_is_shorter_and_no_json() -> None:
    answer = await make_headquarters(TruncatedBody(0.9)).get("preferences")
    assert answer.status == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.body)


async def test_a_connection_breaks_before_the_head_or_inside_the_body() -> None:
    before = make_headquarters(BrokenConnection(ConnectionFailure.RESET))
    assert (await before.get("preferences")).transport_fault == BrokenConnection(ConnectionFailure.RESET)
    assert before.headquarters.traffic[0].status is None
    inside = make_headquarters(BrokenConnection(ConnectionFailure.CLOSE, 10))
    answer = await inside.get("preferences")
    assert answer.transport_fault == BrokenConnection(ConnectionFailure.CLOSE, 10)
    assert len(answer.body) > 10
    assert inside.headquarters.traffic[0].status == 200


def test_a_connection_that_was_never_made_cannot_break_inside_a_body() -> None:
    with pytest.raises(ValueError, match="never made"):
        BrokenConnection(ConnectionFailure.REFUSED, 5)


async def test_faults_hit_their_own_office_only_and_all_when_none_is_named() -> None:
    moment = TimePoint(0.0, OPENED)
    board = FaultSchedule(0, [ScheduledFault(EConnectorDown(), frozenset({"a"})), ScheduledFault(GatewayError(503))])
    assert board.match_request(moment, "a", Endpoint.CLINICS) == [EConnectorDown(), GatewayError(503)]
    assert board.match_request(moment, "b", Endpoint.CLINICS) == [GatewayError(503)]


@pytest.mark.parametrize(
    "window",
    [
        FaultWindow(5.0, 20.0),
        FaultWindow(OPENED + timedelta(seconds=5), OPENED + timedelta(seconds=20)),
        FaultWindow(5, OPENED + timedelta(seconds=20)),
    ],
)
def test_a_window_is_given_in_seconds_since_opening_or_as_instants(window: FaultWindow) -> None:
    board = FaultSchedule(0, [ScheduledFault(EConnectorDown(), window=window)])
    hits = [
        len(board.match_request(TimePoint(seconds, OPENED + timedelta(seconds=seconds)), "a", Endpoint.CLINICS))
        for seconds in (0.0, 4.9, 5.0, 19.9, 20.0)
    ]
    assert hits == [0, 0, 1, 1, 0]


def test_a_fault_counts_only_the_requests_that_it_concerns() -> None:
    board = FaultSchedule(
        0, [ScheduledFault(EConnectorDown(), endpoints=frozenset({Endpoint.SHORT_QUERY}), skip=1, hits_max=2)]
    )
    kinds = [Endpoint.SHORT_QUERY, Endpoint.PREFERENCES] * 5
    hits = [len(board.match_request(TimePoint(0.0, OPENED), "a", kind)) for kind in kinds]
    assert hits == [0, 0, 1, 0, 1, 0, 0, 0, 0, 0]


def draw_strikes(seed: int) -> list[int]:
    board = FaultSchedule(seed, [ScheduledFault(EConnectorDown(), chance=0.3)])
    return [len(board.match_request(TimePoint(0.0, OPENED), "a", Endpoint.CLINICS)) for _ in range(1000)]


def test_chance_is_drawn_from_the_seed() -> None:
    assert draw_strikes(1) == draw_strikes(1) != draw_strikes(2)
    assert 240 < sum(draw_strikes(1)) < 360


def test_a_fault_is_described_in_words(golden: GoldenTexts) -> None:
    scheduled = ScheduledFault(
        EConnectorDown(),
        office_ids=frozenset({"brookside"}),
        window=FaultWindow(5.0, 20.0),
        endpoints=frozenset({Endpoint.SHORT_QUERY}),
        skip=1,
        hits_max=2,
        chance=0.5,
    )
    golden.check(scheduled.describe())
    assert ScheduledFault(get_alteration("nulls")).describe() == "Altered(name='nulls') for every office"


ROWS: list[dict[str, object]] = [
    {"Total": 3, "L0": "1,0,100;2,0,200", "L1": None},
    {"Total": 3, "L0": "9,0,300", "L1": "x" * 2000},
    {"Total": 3, "L0": "17,0,-5", "L1": "18,0,7"},
]


@pytest.mark.parametrize("name", sorted(ALTERATIONS))
def test_each_alteration_changes_the_rows_purely_and_survives_none(name: str) -> None:
    before = json.dumps(ROWS)
    alter = ALTERATIONS[name]
    assert json.dumps(alter(ROWS)) != before
    assert json.dumps(ROWS) == before
    assert alter([]) == []


async def test_an_altered_answer_reaches_the_client_altered() -> None:
    one_less = make_headquarters(get_alteration("drop_last_row"))
    rows = parse_json(await one_less.short_query("SELECT PatNum FROM patient ORDER BY PatNum LIMIT 5"))
    assert len(rows) == 4


async def test_a_fault_in_one_office_leaves_headquarters_clock_and_log_in_order() -> None:
    troubled = make_headquarters(ScheduledFault(EConnectorDown(), window=FaultWindow(0.0, 30.0)))
    assert (await troubled.get("preferences")).status == 400
    await anyio.sleep(30)
    assert (await troubled.get("preferences")).status == 200
    assert [each.arrived - BASE for each in troubled.headquarters.traffic] == [
        timedelta(0),
        pytest.approx(timedelta(seconds=30.05), abs=timedelta(milliseconds=1)),
    ]


@pytest.mark.parametrize(
    "faults", [[TruncatedBody(0.5), Respelled("byte_order_mark")], [TruncatedBody(0.0), Respelled("table")]]
)
def test_a_response_is_spelled_before_it_is_cut_whatever_began_first(faults: list[Fault]) -> None:
    whole = ApiResponse(200, (), b'[{"PatNum":7}]')
    cut, spelled = apply_response_faults(whole, faults).body, apply_response_faults(whole, faults[1:]).body
    assert spelled.startswith(cut)
    assert cut != spelled != whole.body
