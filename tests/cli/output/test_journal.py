"""An office's journal in sentences, on the reader's clock."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from oddaemon.admin.office_details import build_entry_document
from oddaemon.cli.commands.explain import FORMATTERS, format_entry
from oddaemon.core.model import Condition, Owner, Reader
from oddaemon.engine.journal.compaction import SUMMARY_EVENT, JournalBuffer, get_office_id
from oddaemon.engine.journal.format import _RENDERERS, render_entry
from oddaemon.telemetry import events
from oddaemon.telemetry.events.base import Event
from tests.golden import GoldenTexts

NOW = datetime(2026, 3, 8, 7, 0, tzinfo=UTC)
DAY = date(2026, 3, 8)
ECONNECTOR_FAILURE = events.FailureSeen(
    "elm", "econnector_down", Owner.OFFICE, "the eConnector is not running (HTTP 400)", 1, NOW
)
FAILED_REQUEST = events.RequestFinished("elm", "short_query", "econnector_down", 400, 0.75, 0.0, 50)

EXPECTED_SENTENCES: list[tuple[tuple[Event, ...], str]] = [
    ((events.OfficeStarted("elm"),), "Monitoring started."),
    ((events.OfficeStopped("elm", "the daemon is stopping"),), "Monitoring stopped: the daemon is stopping."),
    (
        (events.ConditionChanged("elm", Condition.WAITING, Condition.LATE, "Aging did not run.", Owner.OFFICE),),
        "waiting → late: Aging did not run.",
    ),
    ((events.ConditionChanged("elm", None, Condition.FRESH, "It is done.", None),), "fresh: It is done."),
    ((events.AgingStatusChanged("elm", "not_configured", None),), "Aging: not configured; last run: never."),
    ((events.AgingStatusChanged("elm", "complete", DAY),), "Aging: complete; last run: 2026-03-08."),
    (
        (FAILED_REQUEST, ECONNECTOR_FAILURE),
        "The eConnector is not running (HTTP 400). Request: short query, 0.75 s. Next attempt at 03:00:00.",
    ),
    ((FAILED_REQUEST,), "A request (short query) failed after 0.75 s: econnector down."),
    (
        (events.FailureSeen("elm", "store", Owner.US, "the disk is full", 1, None),),
        "The disk is full.",
    ),
    (
        (events.ReaderChanged("elm", Reader.STATEMENT, Reader.PAGES, "Refused."),),
        "Reader changed from statement to pages: Refused.",
    ),
    ((events.PullStarted("elm", Reader.STATEMENT, 0),), "Pull started, reader statement."),
    ((events.PullStarted("elm", Reader.PAGES, 1200),), "Pull resumed after 1,200 rows, reader pages."),
    ((events.PullRejected("elm", "one row is missing"),), "Pull rejected: one row is missing."),
    (
        (events.SnapshotHeld("elm", DAY, "No family owes anything.", NOW),),
        "Holding the snapshot of 2026-03-08 until 03:00:00: No family owes anything.",
    ),
    (
        (events.SnapshotPublished("elm", 7, DAY, 4132, 1, 20, 3, Reader.STATEMENT, 1, 2.5, 61.0),),
        (
            "Published snapshot 7 of 2026-03-08: 4,132 guarantors (1 new, 20 changed, 3 cleared)"
            "; 1 request, 2.5 s, 1 min late."
        ),
    ),
    (
        (events.ClockMismatch("elm", -25200.0, -19800.0),),
        "The office's clock is -5.50 h from UTC, but its configured time zone is -7.00 h.",
    ),
    ((events.CommandReceived("pause", "elm", 1000, "Left alone."),), "Command `pause` by user 1000: Left alone."),
    ((events.CommandReceived("sync", "elm", None, "No.", rejected=True),), "Command `sync`, rejected: No."),
    (
        (events.KeyRejectedDuringRotation("elm", "new", NOW),),
        "The new key is not accepted while the key change settles, until 03:00:00.",
    ),
    ((events.KeyRotated("elm"),), "The new key is accepted; the previous key is dropped."),
    (
        (events.WorkerCrashed("elm", "KeyError", 1, "…"),),
        "The worker crashed (KeyError), a bug in oddaemon; 1 restart left.",
    ),
    ((events.BackfillRequested("elm", DAY, "report"),), "Backfill of 2026-03-08 requested, by report."),
    (
        (events.BackfillPublished("elm", DAY, "report", 1, 42, 100.0),),
        "Backfill of 2026-03-08 stored: 1 guarantor; 42 requests, 1 min.",
    ),
    (
        (events.BackfillFailed("elm", DAY, "report", "It is gone.", 1, NOW),),
        "The backfill of 2026-03-08 failed, next attempt at 03:00:00: It is gone.",
    ),
    (
        (events.BackfillFailed("elm", DAY, "report", "It is gone.", 9, None),),
        "The backfill of 2026-03-08 failed, gave up: It is gone.",
    ),
    ((events.BackfillCancelled("elm", DAY, "report"),), "Backfill of 2026-03-08 cancelled."),
    (
        (events.DeliverySucceeded("lake", "elm", "d-7", 7, "changes", 2, 0.25),),
        "Delivered snapshot 7 (changes) to lake: 0.25 s, after 2 failed attempts.",
    ),
    (
        (events.DeliveryAttemptFailed("lake", "elm", "d-7", 7, 1, "The disk is full.", NOW),),
        "Delivery of snapshot 7 to lake failed: The disk is full. Next attempt at 03:00:00.",
    ),
    (
        (events.DeliveryAbandoned("lake", "elm", "d-7", 7, 9, "The disk is full."),),
        "Gave up the delivery of snapshot 7 to lake after 9 attempts: The disk is full.",
    ),
    (
        (events.DeliverySkipped("lake", "elm", "d-7", 7, "By an order."),),
        "Skipped the delivery of snapshot 7 to lake: By an order.",
    ),
    ((events.DeadlineMissed("elm", NOW, 1),), "Missed the deadline 03:00:00 for this night's balances."),
    (
        (events.DeadlineMissed("elm", NOW, 2),),
        "Missed the deadline 03:00:00 for this night's balances, 2 nights in a row.",
    ),
    ((events.DeadlineRecovered("elm", 1),), "On time again after 1 missed night."),
    ((events.OfficeQuarantined("elm"),), "The worker crashed too often, a bug in oddaemon; monitoring stopped."),
]


def render_lines(*happened: Event) -> list[str]:
    buffer = JournalBuffer("elm")
    entries = [entry for event in happened for entry in buffer.add(event, NOW)] + list(buffer.flush())
    return [format_entry(build_entry_document(entry))[1].plain for entry in entries]


@pytest.mark.usefixtures("in_new_york")
@pytest.mark.parametrize(
    ("happened", "expected"), EXPECTED_SENTENCES, ids=[said[:30] for _, said in EXPECTED_SENTENCES]
)
def test_every_entry_is_a_sentence(happened: tuple[Event, ...], expected: str) -> None:
    assert render_lines(*happened) == [expected]


def test_every_sentence_is_one_of_an_event_that_there_is() -> None:
    names = {kind.name for kind in events.EVENT_TYPES}
    assert _RENDERERS.keys() - {SUMMARY_EVENT} <= names
    assert {event.name for happened, _ in EXPECTED_SENTENCES for event in happened} | {
        SUMMARY_EVENT
    } >= _RENDERERS.keys()


@pytest.mark.usefixtures("in_new_york")
def test_compacted_entries_are_shown_with_their_cost(golden: GoldenTexts) -> None:
    ok = events.RequestFinished("elm", "preferences", "ok", 200, 0.5, 0.0, 1000)
    golden.check(render_lines(ok, ok, ok))
    again = events.FailureSeen(
        "elm", ECONNECTOR_FAILURE.kind, ECONNECTOR_FAILURE.owner, ECONNECTOR_FAILURE.message, 2, NOW
    )
    golden.check(render_lines(FAILED_REQUEST, ECONNECTOR_FAILURE, FAILED_REQUEST, again, FAILED_REQUEST, again)[1])


@pytest.mark.usefixtures("in_new_york")
def test_times_are_the_reader_s() -> None:
    buffer = JournalBuffer("elm")
    [entry] = buffer.add(events.OfficeStarted("elm"), NOW)
    at, sentence = format_entry(build_entry_document(entry))
    assert (at.plain, sentence.style) == ("2026-03-08 03:00:00", "dim")


@pytest.mark.parametrize(
    ("event", "expected", "expected_text"),
    [
        ("tooth_fairy_seen", {"coins": 2, "under_pillow": True}, "Tooth fairy seen: coins 2, under pillow True."),
        ("office_started", {}, "Monitoring started."),
        ("aging_status_changed", {"state": "due"}, "Aging status changed: state due."),
        ("nothing", {}, "Nothing."),
    ],
)
def test_entries_of_another_version_are_shown_generically(
    event: str, expected: dict[str, Any], expected_text: str
) -> None:
    assert render_entry(event, expected, FORMATTERS) == expected_text


def test_every_office_event_reaches_the_journal() -> None:
    assert all(get_office_id(event) == "elm" for happened, _ in EXPECTED_SENTENCES for event in happened)
