"""One trouble at a time: it is explained rightly while it lasts and over by itself when it ends."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from oddaemon.core.failures.failure import FailureKind
from oddaemon.core.model import Condition, Owner, Reader
from oddaemon.simulator.api.messages import BrokenConnection, ConnectionFailure, Endpoint
from oddaemon.simulator.faults.faults import (
    EConnectorDown,
    Fault,
    GatewayError,
    Latency,
    OtherBody,
    TooManyRequests,
    TruncatedBody,
)
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from tests.engine.night import DUE, SMALL, night, schedule_fault, time_after_start

HTML = "<!doctype html><html><head><title>Just a moment</title></head><body><p>Checking you</p></body></html>"
OFFICE, VENDOR, US = Owner.OFFICE, Owner.VENDOR, Owner.US

PASSING = [
    (EConnectorDown(), OFFICE, "econnector_down", "The office's eConnector is not running. Please contact the office"),
    (GatewayError(500), VENDOR, "server_error", "500 Internal Server Error"),
    (GatewayError(502), VENDOR, "server_error", "502 Bad Gateway"),
    (GatewayError(503), VENDOR, "server_error", "503 Service Unavailable"),
    (GatewayError(504), OFFICE, "gateway_timeout", "504 Gateway Time-out"),
    (Latency(300), OFFICE, "gateway_timeout", "limit of 60 seconds (HTTP 504)"),
    (BrokenConnection(ConnectionFailure.NO_CONNECTION), US, "connect", "the connection timed out"),
    (BrokenConnection(ConnectionFailure.REFUSED), US, "connect", "Connection refused"),
    (BrokenConnection(ConnectionFailure.STALL), OFFICE, "timeout", FailureKind.TIMEOUT),
    (BrokenConnection(ConnectionFailure.STALL, 10), OFFICE, "timeout", FailureKind.TIMEOUT),
    (BrokenConnection(ConnectionFailure.RESET), VENDOR, "connection_lost", "ReadError"),
    (BrokenConnection(ConnectionFailure.RESET, 10), VENDOR, "connection_lost", "ReadError"),
    (BrokenConnection(ConnectionFailure.CLOSE), VENDOR, "connection_lost", "RemoteProtocolError"),
    (BrokenConnection(ConnectionFailure.CLOSE, 10), VENDOR, "connection_lost", "RemoteProtocolError"),
    (TruncatedBody(), VENDOR, "malformed", FailureKind.MALFORMED),
    (OtherBody("\x00garbage\xff"), VENDOR, "malformed", FailureKind.MALFORMED),
    (OtherBody(""), VENDOR, "malformed", FailureKind.MALFORMED),
    (OtherBody("null"), VENDOR, "malformed", FailureKind.MALFORMED),
    (OtherBody("42"), VENDOR, "malformed", FailureKind.MALFORMED),
    (OtherBody('{"error": "unknown"}'), VENDOR, "malformed", FailureKind.MALFORMED),
    (OtherBody('"The office is closed."'), VENDOR, "malformed", FailureKind.MALFORMED),
    (OtherBody("[" * 5000), VENDOR, "malformed", FailureKind.MALFORMED),
    (OtherBody(HTML, "text/html"), VENDOR, "malformed", FailureKind.MALFORMED),
]


@pytest.mark.parametrize(("fault", "owner", "kind", "text"), PASSING, ids=lambda value: str(value)[:45])
async def test_a_failure_is_explained_while_it_lasts_and_over_when_it_ends(
    tmp_path: Path, fault: Fault, owner: Owner, kind: str, text: str | FailureKind
) -> None:
    """It begins before the night's run and lasts three hours: at the end the snapshot comes by itself."""
    async with night(
        tmp_path, [SMALL], faults=[schedule_fault(fault, time_after_start(minutes=30), time_after_start(hours=3.5))]
    ) as world:
        await world.wait_for_condition(Condition.UNREACHABLE)
        assert world.assert_explained(Condition.UNREACHABLE, owner, text)
        since = world.get_status().since
        previous = await world.read_balances()
        await world.sleep_until(time_after_start(hours=3.4))
        assert world.assert_explained(Condition.UNREACHABLE, owner, text)
        assert world.get_status().since == since
        assert set(world.list_failure_kinds()) == {kind}
        # An attempt that makes no connection disturbs no office.
        assert len(world.list_requests(since=since)) < (300 if kind == "connect" else 30)
        assert await world.read_balances() == previous
        await world.wait_for_snapshots(2, within=timedelta(minutes=20))
        assert world.assert_explained(Condition.FRESH, None, "2026-03-03")
        assert world.get_state().reader is Reader.STATEMENT
        assert await world.is_true()


RETRY_AFTERS = [
    ("5", 5.0),
    ("2.5", 0.0),
    ("0", 0.0),
    ("-3", 0.0),
    ("7200", 7200.0),
    ("Tue, 03 Mar 2026 11:30:00 GMT", datetime(2026, 3, 3, 11, 30, tzinfo=UTC)),
    ("Mon, 02 Mar 2026 11:30:00 GMT", 0.0),
    ("999999999", 21_600.0),
    ("1e400", 0.0),
    ("nan", 0.0),
    ("soon", 0.0),
    ("", 0.0),
    (None, 0.0),
]


@pytest.mark.parametrize(("header", "meant"), RETRY_AFTERS)
async def test_a_server_that_asks_to_slow_down_is_obeyed_within_reason(
    tmp_path: Path, header: str | None, meant: float | datetime
) -> None:
    fault = schedule_fault(TooManyRequests(header), time_after_start(minutes=59), hits_max=1)
    async with night(tmp_path, [SMALL], faults=[fault]) as world:
        await world.wait_for_condition(Condition.UNREACHABLE)
        assert world.assert_explained(
            Condition.UNREACHABLE, Owner.US, FailureKind.THROTTLED, "HTTP 429", "Too many requests"
        )
        throttled_at = world.clock.now()
        seconds = (meant - throttled_at).total_seconds() if isinstance(meant, datetime) else meant
        await world.wait_for_snapshots(2)
        waited_seconds = (
            world.list_requests(since=throttled_at + timedelta(seconds=1))[0].arrived - throttled_at
        ).total_seconds()
        assert max(seconds, 2.5) <= waited_seconds <= seconds + 10
        assert await world.is_true()


async def test_when_headquarters_is_down_for_everyone_everyone_recovers(tmp_path: Path) -> None:
    specs = [replace(SMALL, office_id=f"office-{number}", seed=number) for number in range(6)]
    down = schedule_fault(
        GatewayError(503), time_after_start(minutes=30), time_after_start(hours=2), office_ids=frozenset()
    )
    async with night(tmp_path, specs, faults=[down]) as world:
        await world.sleep_until(time_after_start(hours=1.9))
        for spec in specs:
            assert world.assert_explained(
                Condition.UNREACHABLE, Owner.VENDOR, FailureKind.HEADQUARTERS_DOWN, office_id=spec.office_id
            )
        await world.sleep_until(time_after_start(hours=2.4))
        for spec in specs:
            assert world.assert_explained(Condition.FRESH, None, "2026-03-03", office_id=spec.office_id)
            assert world.get_state(spec.office_id).reader is Reader.STATEMENT
            assert await world.is_true(spec.office_id)
        # An office that probes for all of them keeps its own slot.
        slots = {(line["office"], line["retry_at"]) for line in world.lines if line["event"] == "failure_seen"}
        assert len({retry_at for _, retry_at in slots}) == len(slots)


async def test_a_statement_that_always_takes_too_long_is_given_up_for_pages(tmp_path: Path) -> None:
    slow = schedule_fault(Latency(70), endpoints=frozenset({Endpoint.SHORT_QUERY}), hits_max=1)
    async with night(tmp_path, [SMALL], faults=[slow]) as world:
        await world.wait_for_condition(Condition.UNREACHABLE)
        assert world.assert_explained(Condition.UNREACHABLE, Owner.OFFICE, FailureKind.GATEWAY_TIMEOUT, "504")
        await world.wait_for_snapshots(1)
        assert world.list_failure_kinds() == ["gateway_timeout"]
        assert [heard.is_packed for heard in world.list_statements()] == [True, False, False, False]
        assert world.find_violations() == []
        assert world.list_published()[0]["reader"] == "pages"
        assert world.find_events("reader_changed")[0]["reason"].startswith("Reading the balances")
        assert await world.is_true()


async def test_a_general_outage_in_the_middle_of_a_statement_is_not_the_statements_fault(tmp_path: Path) -> None:
    """The statement meets it first; the question whether the office lives then meets it too."""
    outage = schedule_fault(GatewayError(504), time_after_start(seconds=6.5), time_after_start(hours=2))
    async with night(tmp_path, [SMALL], faults=[outage]) as world:
        await world.wait_for_condition(Condition.UNREACHABLE)
        assert [heard.is_packed for heard in world.list_statements()] == [True]
        await world.wait_for_snapshots(1)
        assert world.list_published()[0]["reader"] == "statement"
        assert all(heard.is_packed for heard in world.list_statements())
        assert await world.is_true()


async def test_an_answer_that_stops_coming_is_cut_off_in_time(tmp_path: Path) -> None:
    async with night(
        tmp_path, [SMALL], faults=[schedule_fault(BrokenConnection(ConnectionFailure.STALL, 5), hits_max=1)]
    ) as world:
        await world.wait_for_condition(Condition.UNREACHABLE)
        assert world.clock.now() <= time_after_start(seconds=90)
        await world.wait_for_snapshots(1)
        assert await world.is_true()


async def test_two_quirks_of_the_api_do_no_harm(tmp_path: Path) -> None:
    quirks = HeadquartersOptions(filters_ignored=True, offset_gives_everything=True)
    async with night(tmp_path, [SMALL], options=quirks) as world:
        await world.wait_for_snapshots(2)
        assert world.assert_explained(Condition.FRESH, None, "2026-03-03")
        assert await world.is_true()


async def test_a_preference_that_is_not_found_counts_as_not_set(tmp_path: Path) -> None:
    async with night(
        tmp_path, [replace(SMALL, last_aging="never")], options=HeadquartersOptions(absent_is_404=True)
    ) as world:
        await world.sleep_until(datetime(2026, 3, 3, 9, 30, tzinfo=UTC))
        assert world.assert_explained(Condition.WAITING, None, "never run")
        await world.sleep_until(DUE + timedelta(minutes=5))
        assert world.assert_explained(Condition.FRESH, None, "2026-03-03")
        assert await world.is_true()
