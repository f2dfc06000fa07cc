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

from oddaemon.core.reporting.status_document import format_money
from oddaemon.core.secret import Secret
from oddaemon.core.snapshot.diff import SnapshotChanges, SnapshotDelta
from oddaemon.settings.values.sink_secrets import decode_signing_key
from oddaemon.sinks.payload import DeliveryFailed, Payload
from oddaemon.sinks.webhook import Webhook, WebhookOptions
from tests.certificates import client_tls, server_tls
from tests.sinks.payloads import OFFICE, as_report, night, payload
from tests.sinks.receiver import LOST, SECRET, STALLED, WELL, Answer, Receiver

PATIENT_SECONDS = 60.0
HASTY_SECONDS = 1.0
KEY = decode_signing_key(Secret(SECRET))


def now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def pushing(
    receiver: Receiver, *, seconds: float = PATIENT_SECONDS, rows_max: int = 1000, compressed: bool = True
) -> AsyncIterator[Webhook]:
    async with receiver.listening() as url:
        sink = Webhook(WebhookOptions(url, KEY, rows_max, seconds, compressed), now)
        yield sink
        await sink.aclose()


def truth(number: int) -> list[tuple[int, str]]:
    return [(row.pat_num, format_money(row.bal_total)) for row in night(number)]


async def refusal_of(sink: Webhook, what: Payload | None = None) -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as caught:
        await sink.deliver(what or payload(), "d1")
    told = str(caught.value)
    assert told.endswith((".", "?")), told
    assert "planted" not in told
    assert str(night(1)[0].bal_total) not in told
    return caught.value


@pytest.mark.parametrize("compressed", [True, False])
async def test_the_reference_implementation_verifies_what_is_sent(compressed: bool) -> None:
    receiver = Receiver()
    async with pushing(receiver, compressed=compressed) as sink:
        await sink.deliver(payload(), "d1")
    assert receiver.forged == 0
    assert receiver.totals(OFFICE) == truth(1)
    [request] = receiver.requests
    assert request.headers["webhook-id"] == f"d1-1-{crc32(request.text):08x}"
    assert (request.headers.get("content-encoding") == "gzip") is compressed
    assert request.headers["content-type"] == "application/json"
    said = request.document
    assert (said["type"], said["part"], said["parts"], said["content"]) == ("balances.snapshot", 1, 1, "snapshot")
    assert said["snapshot"]["guarantors"] == len(said["balances"]) == len(night(1))
    assert said["snapshot"]["aging_date"] == "2026-03-01"
    assert said["snapshot"]["totals"]["bal_total"] == format_money(sum(row.bal_total for row in night(1)))


async def test_a_wrong_secret_is_refused_by_the_receiver_and_told_to_us() -> None:
    receiver = Receiver()
    async with receiver.listening() as url:
        sink = Webhook(WebhookOptions(url, b"x" * 32, 1000, PATIENT_SECONDS, compressed=True), now)
        refusal = await refusal_of(sink)
        await sink.aclose()
    assert "HTTP 401" in str(refusal)
    assert receiver.books == {}


async def test_a_delivery_in_parts_is_applied_when_its_last_part_is_there() -> None:
    receiver = Receiver()
    receiver.answers(WELL, Answer(500), WELL)
    async with pushing(receiver, rows_max=7) as sink:
        await refusal_of(sink)
        assert receiver.books == {}
        await sink.deliver(payload(), "d1")
    assert receiver.totals(OFFICE) == truth(1)
    first, second, again = (request.headers["webhook-id"] for request in receiver.requests[:3])
    assert (first, first[:5], second[:5]) == (again, "d1-1-", "d1-2-")
    assert {request.document["parts"] for request in receiver.requests} == {len(receiver.requests) - 2}
    assert max(len(request.document["balances"]) for request in receiver.requests) == 7


@pytest.mark.parametrize(("before", "after"), [(4, 16), (16, 4), (16, 17)])
async def test_an_attempt_that_is_cut_otherwise_loses_no_row_and_has_other_ids(before: int, after: int) -> None:
    receiver = Receiver()
    receiver.answers(WELL, Answer(500), WELL)
    async with receiver.listening() as url:
        for rows_max in (before, after):
            sink = Webhook(WebhookOptions(url, KEY, rows_max, PATIENT_SECONDS, compressed=True), now)
            with suppress(DeliveryFailed):
                await sink.deliver(payload(), "d1")
            await sink.aclose()
    assert receiver.totals(OFFICE) == truth(1)
    texts = {request.headers["webhook-id"]: request.text for request in receiver.requests}
    assert len(texts) == len(set(texts.values())) == len(receiver.requests)


async def test_changes_lead_from_one_snapshot_to_the_next() -> None:
    receiver = Receiver()
    async with pushing(receiver, rows_max=3) as sink:
        await sink.deliver(payload(1), "d1")
        await sink.deliver(payload(2, changes=True), "d2")
        await sink.deliver(payload(3, changes=True), "d3")
    assert receiver.totals(OFFICE) == truth(3)
    said = receiver.requests[-1].document
    assert (said["type"], said["base_snapshot"], said["snapshot"]["id"]) == ("balances.changes", 2, 3)
    changes = [each for request in receiver.requests[-said["parts"] :] for each in request.document["changes"]]
    assert {(each["change"] == "cleared", each["last_seen"]) for each in changes} == {
        (True, "2026-03-02"),
        (False, None),
    }


async def test_what_a_reader_does_not_tell_is_null() -> None:
    receiver = Receiver()
    async with pushing(receiver) as sink:
        await sink.deliver(as_report(payload(1)), "d1")
    said = receiver.requests[-1].document
    assert (said["snapshot"]["totals"]["est_balance"], said["snapshot"]["guarantors"]) == (None, len(night(1)))
    assert {(each["est_balance"], each["clinic_num"]) for each in said["balances"]} == {(None, None)}
    assert receiver.totals(OFFICE) == truth(1)


async def test_an_office_where_nothing_changed_is_acknowledged_too() -> None:
    receiver = Receiver()
    same = payload(1)
    nothing = replace(same, delta=SnapshotDelta(1, same.snapshot.aging_date, SnapshotChanges()))
    async with pushing(receiver) as sink:
        await sink.deliver(same, "d1")
        await sink.deliver(nothing, "d2")
    assert receiver.applied == ["d1", "d2"]
    assert receiver.totals(OFFICE) == truth(1)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(500), "HTTP 500"),
        (Answer(404), "is `url` right?"),
        (Answer(413), "`rows_max`"),
        (Answer(400, body=b"row 12.34 is wrong"), "`gzip = false`"),
        (Answer(301, ("Location: http://example.com/",)), "not followed"),
        (Answer(308, ("Location: https://example.com/",)), "not followed"),
        (LOST, "before it had answered"),
        (STALLED, "has not answered within 1 s"),
        (Answer(200, length=9999, takes=True, trickles=True), "has not answered within 1 s"),
    ],
)
async def test_whatever_is_no_acknowledgement_is_told_and_tried_again(answer: Answer, words: str) -> None:
    receiver = Receiver()
    receiver.answers(answer, WELL)
    is_silent = answer.stalls or answer.trickles
    async with pushing(receiver, seconds=HASTY_SECONDS if is_silent else PATIENT_SECONDS) as sink:
        refusal = await refusal_of(sink)
        assert words in str(refusal)
        assert not refusal.error.final
    async with pushing(receiver) as sink:
        await sink.deliver(payload(), "d1")
    assert receiver.applied == ["d1"]
    assert receiver.totals(OFFICE) == truth(1)


async def test_what_the_receiver_says_is_never_shown() -> None:
    receiver = Receiver()
    receiver.answers(Answer(500, ("X-Why: planted-header",), b"planted-body"))
    async with pushing(receiver) as sink:
        await refusal_of(sink)


async def test_gone_is_final() -> None:
    receiver = Receiver()
    receiver.answers(Answer(410))
    async with pushing(receiver) as sink:
        assert (await refusal_of(sink)).error.final


@pytest.mark.parametrize("status", [429, 503])
async def test_a_receiver_that_asks_for_time_is_heard(status: int) -> None:
    receiver = Receiver()
    receiver.answers(Answer(status, ("Retry-After: 120",)))
    async with pushing(receiver) as sink:
        assert (await refusal_of(sink)).error.retry_after_seconds == 120.0


async def test_an_acknowledgement_that_comes_twice_disturbs_nothing() -> None:
    receiver = Receiver()
    receiver.answers(Answer(200, body=b"ok", times=2), Answer(200, body=b"ok", times=2), WELL)
    async with pushing(receiver) as sink:
        for number in (1, 2, 3):
            await sink.deliver(payload(number), f"d{number}")
    assert receiver.applied == ["d1", "d2", "d3"]
    assert receiver.totals(OFFICE) == truth(3)


async def test_many_deliveries_take_one_connection() -> None:
    receiver = Receiver()
    receiver.answers(Answer(200, body=b"x" * 1000))
    async with pushing(receiver, rows_max=5) as sink:
        for number in range(1, 5):
            await sink.deliver(payload(number), f"d{number}")
    assert receiver.connections == 1


async def test_a_delivery_that_is_cut_short_leaves_the_next_one_alone() -> None:
    receiver = Receiver()
    receiver.answers(STALLED, STALLED, STALLED, WELL)
    async with pushing(receiver) as sink:
        for count in (1, 2, 3):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(sink.deliver, payload(), "d1")
                await receiver.has_had(count)
                tasks.cancel_scope.cancel()
        await sink.deliver(payload(2), "d2")
    assert receiver.totals(OFFICE) == truth(2)


async def test_nobody_there_is_told() -> None:
    receiver = Receiver()
    async with receiver.listening() as url:
        pass
    sink = Webhook(WebhookOptions(url, KEY, 1000, PATIENT_SECONDS, compressed=True), now)
    assert "127.0.0.1 cannot be reached" in str(await refusal_of(sink))


class NobodyThere(httpx.AsyncBaseTransport):
    """No name leads anywhere."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no such name", request=request)


@pytest.mark.parametrize(
    ("url", "host"),
    [("https://xn--a.com/", "xn--a.com"), (f"https://example.com/{'x' * 70_000}", "example.com")],
    ids=["no punycode", "too long"],
)
async def test_an_address_that_is_none_is_refused_when_it_is_used(url: str, host: str) -> None:
    sink = Webhook(WebhookOptions(url, KEY, 1000, PATIENT_SECONDS, compressed=True), now, transport=NobodyThere)
    assert f"{host} cannot be reached" in str(await refusal_of(sink))
    await sink.aclose()


async def test_a_certificate_that_fails_gets_nothing(certificate: Path) -> None:
    receiver = Receiver()
    async with receiver.listening(server_tls(certificate)) as url:
        sink = Webhook(WebhookOptions(url, KEY, 1000, PATIENT_SECONDS, compressed=True), now)
        refusal = await refusal_of(sink)
        await sink.aclose()
    assert "certificate of 127.0.0.1 is not trusted: self-signed certificate" in str(refusal)
    assert receiver.requests == []


async def test_a_certificate_that_is_trusted_is_accepted(certificate: Path) -> None:
    receiver = Receiver()
    trusting = client_tls(certificate)
    async with receiver.listening(server_tls(certificate)) as url:
        sink = Webhook(WebhookOptions(url, KEY, 1000, PATIENT_SECONDS, compressed=True), now, tls=trusting)
        await sink.deliver(payload(), "d1")
        await sink.aclose()
    assert receiver.applied == ["d1"]


async def test_the_same_part_is_the_same_text_at_every_attempt_but_for_its_time() -> None:
    receiver = Receiver()
    receiver.answers(Answer(500), WELL)
    later = iter([now(), now(), now() + timedelta(seconds=60)])
    async with receiver.listening() as url:
        sink = Webhook(WebhookOptions(url, KEY, 1000, PATIENT_SECONDS, compressed=False), lambda: next(later))
        with pytest.raises(DeliveryFailed):
            await sink.deliver(payload(), "d1")
        await sink.deliver(payload(), "d1")
        await sink.aclose()
    first, second = receiver.requests
    assert first.content == second.content
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]


def test_rows_are_told_as_everywhere() -> None:
    from oddaemon.sinks.webhook import render_body  # noqa: PLC0415 - of this test alone

    what = payload(1)
    said: dict[str, Any] = json.loads(render_body(what, "d1", what.build_rows()[:1], 1, 1))
    assert list(said["balances"][0]) == [
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
    assert said["balances"][0]["bal_total"] == format_money(night(1)[0].bal_total)
