import errno
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zlib import crc32

import anyio
import httpx
import pytest

from oddaemon.core.reporting.formatting import format_money
from oddaemon.core.secret import Secret
from oddaemon.core.snapshot.diff import SnapshotChanges, SnapshotDelta
from oddaemon.core.snapshot.payload import Payload
from oddaemon.http_client.proxy import Proxy
from oddaemon.settings.values.sink_secrets import decode_signing_key
from oddaemon.simulator.transport.proxy import ConnectProxy
from oddaemon.sinks.payload import DeliveryFailed, build_rows
from oddaemon.sinks.webhook import Webhook, WebhookOptions
from tests.certificates import make_client_context, make_server_context
from tests.golden import GoldenTexts
from tests.sinks.payloads import OFFICE, convert_to_report, make_night_balances, make_payload
from tests.sinks.webhook_receiver import ACCEPTED, LOST_ACK, SECRET, STALLED, ScriptedResponse, WebhookReceiver

LONG_TIMEOUT_SECONDS = 60.0
SHORT_TIMEOUT_SECONDS = 1.0
KEY = decode_signing_key(Secret(SECRET))


def get_now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def webhook_sink(
    receiver: WebhookReceiver, *, seconds: float = LONG_TIMEOUT_SECONDS, rows_max: int = 1000, compressed: bool = True
) -> AsyncIterator[Webhook]:
    async with receiver.listening() as url:
        sink = Webhook(WebhookOptions(url, KEY, rows_max, seconds, compressed), get_now)
        yield sink
        await sink.aclose()


def get_true_totals(number: int) -> list[tuple[int, str]]:
    return [(row.pat_num, format_money(row.bal_total)) for row in make_night_balances(number)]


async def get_delivery_error(sink: Webhook, what: Payload | None = None) -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as caught:
        await sink.deliver(what or make_payload(), "d1")
    message = str(caught.value)
    assert message.endswith((".", "?")), message
    assert "planted" not in message
    assert str(make_night_balances(1)[0].bal_total) not in message
    return caught.value


@pytest.mark.parametrize("compressed", [True, False])
async def test_the_reference_implementation_verifies_what_is_sent(compressed: bool) -> None:
    receiver = WebhookReceiver()
    async with webhook_sink(receiver, compressed=compressed) as sink:
        await sink.deliver(make_payload(), "d1")
    assert receiver.forged == 0
    assert receiver.list_totals(OFFICE) == get_true_totals(1)
    [request] = receiver.requests
    assert request.headers["webhook-id"] == f"d1-1-{crc32(request.body):08x}"
    assert (request.headers.get("content-encoding") == "gzip") is compressed
    assert request.headers["content-type"] == "application/json"
    document = request.document
    assert (document["type"], document["part"], document["parts"], document["content"]) == (
        "balances.snapshot",
        1,
        1,
        "snapshot",
    )
    assert document["snapshot"]["guarantors"] == len(document["balances"]) == len(make_night_balances(1))
    assert document["snapshot"]["aging_date"] == "2026-03-01"
    assert document["snapshot"]["totals"]["bal_total"] == format_money(
        sum(row.bal_total for row in make_night_balances(1))
    )


async def test_a_wrong_secret_is_rejected_by_the_receiver_and_reported() -> None:
    receiver = WebhookReceiver()
    async with receiver.listening() as url:
        sink = Webhook(WebhookOptions(url, b"x" * 32, 1000, LONG_TIMEOUT_SECONDS, compressed=True), get_now)
        refusal = await get_delivery_error(sink)
        await sink.aclose()
    assert "HTTP 401" in str(refusal)
    assert receiver.books == {}


async def test_a_delivery_in_parts_is_applied_when_its_last_part_is_there() -> None:
    receiver = WebhookReceiver()
    receiver.script_responses(ACCEPTED, ScriptedResponse(500), ACCEPTED)
    async with webhook_sink(receiver, rows_max=7) as sink:
        await get_delivery_error(sink)
        assert receiver.books == {}
        await sink.deliver(make_payload(), "d1")
    assert receiver.list_totals(OFFICE) == get_true_totals(1)
    first, second, again = (request.headers["webhook-id"] for request in receiver.requests[:3])
    assert (first, first[:5], second[:5]) == (again, "d1-1-", "d1-2-")
    assert {request.document["parts"] for request in receiver.requests} == {len(receiver.requests) - 2}
    assert max(len(request.document["balances"]) for request in receiver.requests) == 7


@pytest.mark.parametrize(("before", "after"), [(4, 16), (16, 4), (16, 17)])
async def test_an_attempt_that_is_cut_otherwise_loses_no_row_and_has_other_ids(before: int, after: int) -> None:
    receiver = WebhookReceiver()
    receiver.script_responses(ACCEPTED, ScriptedResponse(500), ACCEPTED)
    async with receiver.listening() as url:
        for rows_max in (before, after):
            sink = Webhook(WebhookOptions(url, KEY, rows_max, LONG_TIMEOUT_SECONDS, compressed=True), get_now)
            with suppress(DeliveryFailed):
                await sink.deliver(make_payload(), "d1")
            await sink.aclose()
    assert receiver.list_totals(OFFICE) == get_true_totals(1)
    texts = {request.headers["webhook-id"]: request.body for request in receiver.requests}
    assert len(texts) == len(set(texts.values())) == len(receiver.requests)


async def test_changes_lead_from_one_snapshot_to_the_next() -> None:
    receiver = WebhookReceiver()
    async with webhook_sink(receiver, rows_max=3) as sink:
        await sink.deliver(make_payload(1), "d1")
        await sink.deliver(make_payload(2, changes=True), "d2")
        await sink.deliver(make_payload(3, changes=True), "d3")
    assert receiver.list_totals(OFFICE) == get_true_totals(3)
    document = receiver.requests[-1].document
    assert (document["type"], document["base_snapshot"], document["snapshot"]["id"]) == ("balances.changes", 2, 3)
    changes = [each for request in receiver.requests[-document["parts"] :] for each in request.document["changes"]]
    assert {(each["change"] == "cleared", each["last_seen"]) for each in changes} == {
        (True, "2026-03-02"),
        (False, None),
    }


async def test_columns_missing_from_a_reader_are_null() -> None:
    receiver = WebhookReceiver()
    async with webhook_sink(receiver) as sink:
        await sink.deliver(convert_to_report(make_payload(1)), "d1")
    document = receiver.requests[-1].document
    assert (document["snapshot"]["totals"]["est_balance"], document["snapshot"]["guarantors"]) == (
        None,
        len(make_night_balances(1)),
    )
    assert {(each["est_balance"], each["clinic_num"]) for each in document["balances"]} == {(None, None)}
    assert receiver.list_totals(OFFICE) == get_true_totals(1)


async def test_an_office_where_nothing_changed_is_acknowledged_too() -> None:
    receiver = WebhookReceiver()
    same = make_payload(1)
    nothing = replace(same, delta=SnapshotDelta(1, same.snapshot.aging_date, SnapshotChanges()))
    async with webhook_sink(receiver) as sink:
        await sink.deliver(same, "d1")
        await sink.deliver(nothing, "d2")
    assert receiver.applied == ["d1", "d2"]
    assert receiver.list_totals(OFFICE) == get_true_totals(1)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (ScriptedResponse(500), "HTTP 500"),
        (ScriptedResponse(404), "Check `url`"),
        (ScriptedResponse(413), "`rows_max`"),
        (ScriptedResponse(400, body=b"row 12.34 is wrong"), "`gzip = false`"),
        (ScriptedResponse(301, ("Location: http://example.com/",)), "not followed"),
        (ScriptedResponse(308, ("Location: https://example.com/",)), "not followed"),
        (LOST_ACK, "was lost before it responded"),
        (STALLED, "did not respond within 1 s"),
        (ScriptedResponse(200, length=9999, accepts=True, trickles=True), "did not respond within 1 s"),
    ],
)
async def test_every_response_but_an_acknowledgement_is_reported_and_tried_again(
    answer: ScriptedResponse, text: str
) -> None:
    receiver = WebhookReceiver()
    receiver.script_responses(answer, ACCEPTED)
    is_silent = answer.hangs or answer.trickles
    async with webhook_sink(receiver, seconds=SHORT_TIMEOUT_SECONDS if is_silent else LONG_TIMEOUT_SECONDS) as sink:
        refusal = await get_delivery_error(sink)
        assert text in str(refusal)
        assert not refusal.error.final
    async with webhook_sink(receiver) as sink:
        await sink.deliver(make_payload(), "d1")
    assert receiver.applied == ["d1"]
    assert receiver.list_totals(OFFICE) == get_true_totals(1)


async def test_what_the_receiver_says_is_never_shown() -> None:
    receiver = WebhookReceiver()
    receiver.script_responses(ScriptedResponse(500, ("X-Why: planted-header",), b"planted-body"))
    async with webhook_sink(receiver) as sink:
        await get_delivery_error(sink)


async def test_gone_is_final() -> None:
    receiver = WebhookReceiver()
    receiver.script_responses(ScriptedResponse(410))
    async with webhook_sink(receiver) as sink:
        assert (await get_delivery_error(sink)).error.final


@pytest.mark.parametrize("status", [429, 503])
async def test_a_receiver_that_asks_for_time_is_heard(status: int) -> None:
    receiver = WebhookReceiver()
    receiver.script_responses(ScriptedResponse(status, ("Retry-After: 120",)))
    async with webhook_sink(receiver) as sink:
        assert (await get_delivery_error(sink)).error.retry_after_seconds == 120.0


async def test_an_acknowledgement_that_comes_twice_disturbs_nothing() -> None:
    receiver = WebhookReceiver()
    receiver.script_responses(
        ScriptedResponse(200, body=b"ok", times=2), ScriptedResponse(200, body=b"ok", times=2), ACCEPTED
    )
    async with webhook_sink(receiver) as sink:
        for number in (1, 2, 3):
            await sink.deliver(make_payload(number), f"d{number}")
    assert receiver.applied == ["d1", "d2", "d3"]
    assert receiver.list_totals(OFFICE) == get_true_totals(3)


async def test_many_deliveries_take_one_connection() -> None:
    receiver = WebhookReceiver()
    receiver.script_responses(ScriptedResponse(200, body=b"x" * 1000))
    async with webhook_sink(receiver, rows_max=5) as sink:
        for number in range(1, 5):
            await sink.deliver(make_payload(number), f"d{number}")
    assert receiver.connections == 1


async def test_a_delivery_that_is_cut_short_leaves_the_next_one_alone() -> None:
    receiver = WebhookReceiver()
    receiver.script_responses(STALLED, STALLED, STALLED, ACCEPTED)
    async with webhook_sink(receiver) as sink:
        for count in (1, 2, 3):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(sink.deliver, make_payload(), "d1")
                await receiver.wait_for_requests(count)
                tasks.cancel_scope.cancel()
        await sink.deliver(make_payload(2), "d2")
    assert receiver.list_totals(OFFICE) == get_true_totals(2)


async def test_an_unreachable_receiver_is_reported() -> None:
    receiver = WebhookReceiver()
    async with receiver.listening() as url:
        pass
    sink = Webhook(WebhookOptions(url, KEY, 1000, LONG_TIMEOUT_SECONDS, compressed=True), get_now)
    assert "127.0.0.1 cannot be reached" in str(await get_delivery_error(sink))


class UnreachableTransport(httpx.AsyncBaseTransport):
    """No name leads anywhere."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no such name", request=request)


@pytest.mark.parametrize(
    ("url", "host"),
    [("https://xn--a.com/", "xn--a.com"), (f"https://example.com/{'x' * 70_000}", "example.com")],
    ids=["no punycode", "too long"],
)
async def test_an_address_that_is_none_is_refused_when_it_is_used(url: str, host: str) -> None:
    sink = Webhook(
        WebhookOptions(url, KEY, 1000, LONG_TIMEOUT_SECONDS, compressed=True), get_now, transport=UnreachableTransport
    )
    assert f"{host} cannot be reached" in str(await get_delivery_error(sink))
    await sink.aclose()


async def test_a_machine_without_a_route_blames_no_receiver() -> None:
    class RoutelessTransport(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError("x", request=request) from OSError(errno.ENETUNREACH, "Network is unreachable")

    options = WebhookOptions("https://example.com/", KEY, 1000, LONG_TIMEOUT_SECONDS, compressed=True)
    sink = Webhook(options, get_now, transport=RoutelessTransport)
    assert str(await get_delivery_error(sink)).startswith("This machine has no route to example.com.")
    await sink.aclose()


async def test_a_certificate_that_fails_gets_nothing(certificate: Path, golden: GoldenTexts) -> None:
    receiver = WebhookReceiver()
    async with receiver.listening(make_server_context(certificate)) as url:
        sink = Webhook(WebhookOptions(url, KEY, 1000, LONG_TIMEOUT_SECONDS, compressed=True), get_now)
        refusal = await get_delivery_error(sink)
        await sink.aclose()
    golden.check(str(refusal))
    assert receiver.requests == []


async def test_a_certificate_that_is_trusted_is_accepted(certificate: Path) -> None:
    receiver = WebhookReceiver()
    trusting = make_client_context(certificate)
    async with receiver.listening(make_server_context(certificate)) as url:
        sink = Webhook(WebhookOptions(url, KEY, 1000, LONG_TIMEOUT_SECONDS, compressed=True), get_now, tls=trusting)
        await sink.deliver(make_payload(), "d1")
        await sink.aclose()
    assert receiver.applied == ["d1"]


async def test_a_delivery_goes_through_the_proxy_and_its_refusal_is_not_the_receivers(certificate: Path) -> None:
    receiver, proxy = WebhookReceiver(), ConnectProxy()
    trusting = make_client_context(certificate)
    async with receiver.listening(make_server_context(certificate)) as url, proxy.listening() as port:
        way_out = Proxy(Secret(f"http://daemon:planted-password@127.0.0.1:{port}"))
        options = WebhookOptions(url, KEY, 1000, LONG_TIMEOUT_SECONDS, compressed=True, proxy=way_out)
        sink = Webhook(options, get_now, tls=trusting)
        await sink.deliver(make_payload(), "d1")
        await sink.aclose()
        assert len(proxy.tunnels) == 1
        proxy.refusal = 407
        error = await get_delivery_error(sink)
    assert receiver.applied == ["d1"]
    assert str(error).startswith("The proxy opens no connection to 127.0.0.1: ")
    assert ("HTTP 407" in str(error), "planted" in str(error)) == (True, False)


async def test_the_same_part_is_the_same_text_at_every_attempt_but_for_its_time() -> None:
    receiver = WebhookReceiver()
    receiver.script_responses(ScriptedResponse(500), ACCEPTED)
    later = iter([get_now(), get_now(), get_now() + timedelta(seconds=60)])
    async with receiver.listening() as url:
        sink = Webhook(WebhookOptions(url, KEY, 1000, LONG_TIMEOUT_SECONDS, compressed=False), lambda: next(later))
        with pytest.raises(DeliveryFailed):
            await sink.deliver(make_payload(), "d1")
        await sink.deliver(make_payload(), "d1")
        await sink.aclose()
    first, second = receiver.requests
    assert first.content == second.content
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]


def test_rows_have_the_field_names_of_the_contract() -> None:
    from oddaemon.sinks.webhook import render_body  # noqa: PLC0415 - of this test alone

    what = make_payload(1)
    document: dict[str, Any] = json.loads(render_body(what, "d1", build_rows(what)[:1], 1, 1))
    assert list(document["balances"][0]) == [
        "pat_num",
        "clinic_num",
        "est_balance",
        "bal_0_30",
        "bal_31_60",
        "bal_61_90",
        "bal_over_90",
        "ins_est",
        "bal_total",
    ]
    assert document["balances"][0]["bal_total"] == format_money(make_night_balances(1)[0].bal_total)
