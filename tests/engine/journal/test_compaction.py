"""A journal holds news: what is asked again and again, and fails as it failed before, is one entry."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from oddaemon.core.model import Owner
from oddaemon.engine.journal.compaction import SUMMARY_SPAN_MAX, TEXT_CHARACTERS_MAX, JournalBuffer, get_office_id
from oddaemon.telemetry.events import (
    AgingStatusChanged,
    CommandIgnored,
    CommandReceived,
    DaemonDraining,
    DeliveryAttemptFailed,
    FailureSeen,
    PageStored,
    RequestFinished,
    RequestStarted,
    WorkerCrashed,
)
from oddaemon.telemetry.events.base import Event

NOW = datetime(2026, 3, 8, 7, 0, tzinfo=UTC)
AGING_CHANGE = AgingStatusChanged("elm", "due", None)


def make_request(outcome: str = "ok", status: int | None = 200, seconds: float = 0.5) -> RequestFinished:
    return RequestFinished("elm", "preferences", outcome, status, seconds, 0.0, 100)


def make_failure(attempt: int, message: str = "Not running.", kind: str = "econnector_down") -> FailureSeen:
    return FailureSeen("elm", kind, Owner.OFFICE, message, attempt, NOW)


def compact(*events: Event, every: timedelta = timedelta(minutes=1)) -> list[tuple[str, dict[str, Any]]]:
    """The entries that these become, one after another."""
    buffer = JournalBuffer("elm")
    at = iter(NOW + number * every for number in range(len(events)))
    entries = [entry for event in events for entry in buffer.add(event, next(at))]
    return [(entry.event, dict(entry.fields)) for entry in (*entries, *buffer.flush())]


def test_requests_without_news_are_one_entry() -> None:
    assert compact(make_request(), make_request(seconds=1.25), make_request()) == [
        (
            "requests_summarized",
            {
                "since": "2026-03-08T07:00:00.000Z",
                "requests": 3,
                "by_kind": {"preferences": 3},
                "failed": {},
                "seconds": 2.25,
                "slowest_seconds": 1.25,
                "bytes": 300,
            },
        )
    ]


def test_news_stands_between_what_was_asked_before_and_after() -> None:
    assert [
        event for event, _ in compact(make_request(), make_request(), AGING_CHANGE, make_request(), AGING_CHANGE)
    ] == [
        "requests_summarized",
        "aging_status_changed",
        "requests_summarized",
        "aging_status_changed",
    ]


def test_what_the_log_reports_for_all_offices_is_as_grave_in_the_journal_of_each() -> None:
    down = FailureSeen("elm", "econnector_down", Owner.OFFICE, "Not running.", 1, NOW, is_shared=True)
    [entry] = JournalBuffer("elm").add(down, NOW)
    assert (down.log_level().name, entry.level) == ("DEBUG", "warning")


def test_a_failure_is_recorded_with_its_request() -> None:
    ((event, fields),) = compact(make_request("econnector_down", 400), make_failure(1))
    assert event == "failure_seen"
    assert fields["message"] == "Not running."
    assert fields["request"] == {
        "kind": "preferences",
        "outcome": "econnector_down",
        "status": 400,
        "seconds": 0.5,
        "wait_seconds": 0.0,
        "bytes": 100,
    }
    assert "office" not in fields


def test_a_persistent_failure_is_recorded_once_and_then_counted() -> None:
    down = make_request("econnector_down", 400)
    first, rest = compact(
        down, make_failure(1), make_request(), down, make_failure(2), make_request(), down, make_failure(3)
    )
    assert first[0] == "failure_seen"
    assert (rest[0], rest[1]["requests"], rest[1]["by_kind"], rest[1]["failed"]) == (
        "requests_summarized",
        4,
        {"preferences": 2},
        {"econnector_down": 2},
    )


def test_a_different_failure_or_one_after_a_success_is_recorded_again() -> None:
    down = make_request("econnector_down", 400)
    entries = compact(
        down, make_failure(1), down, make_failure(2, "Two of them."), down, make_failure(1, "Two of them.")
    )
    assert [fields["message"] for _, fields in entries] == ["Not running.", "Two of them.", "Two of them."]


def test_a_persistently_failing_sink_is_recorded_once_and_then_counted() -> None:
    refusals = [DeliveryAttemptFailed("lake", "elm", "d-7", 7, attempt, "It is full.", NOW) for attempt in (1, 2, 3)]
    assert [(event, fields.get("failed")) for event, fields in compact(*refusals)] == [
        ("delivery_attempt_failed", None),
        ("requests_summarized", {"delivery_attempt_failed": 2}),
    ]


def test_a_persistently_full_database_is_recorded_once() -> None:
    full = make_failure(1, "the disk is full", "store")
    assert [(event, fields.get("failed")) for event, fields in compact(full, full, full)] == [
        ("failure_seen", None),
        ("requests_summarized", {"store": 2}),
    ]


def test_a_cancelled_request_is_recorded_as_such() -> None:
    ((event, fields), *rest) = compact(make_request("cancelled", None), make_request())
    assert (event, fields["outcome"], fields["status"]) == ("request_finished", "cancelled", None)
    assert [event for event, _ in rest] == ["requests_summarized"]
    assert [event for event, _ in compact(make_request("cancelled", None))] == ["request_finished"]


def test_a_day_of_an_idle_office_is_a_handful_of_entries_whatever_it_is_asked() -> None:
    probes = [make_request() for _ in range(24 * 60)]
    entries = compact(*probes)
    assert len(entries) == timedelta(days=1) / SUMMARY_SPAN_MAX
    assert sum(fields["requests"] for _, fields in entries) == len(probes)


def test_what_happens_to_the_daemon_or_is_no_news_is_in_no_journal() -> None:
    def offices() -> Iterator[str | None]:
        yield get_office_id(DaemonDraining("SIGTERM"))
        yield get_office_id(RequestStarted("elm", "preferences"))
        yield get_office_id(PageStored("elm", 100, 4000))
        yield get_office_id(CommandIgnored("resume", "elm", 1000, "elm is not paused."))
        yield get_office_id(CommandReceived("forget", "elm", 1000, "Started `forget elm`."))

    assert set(offices()) == {None}
    assert get_office_id(AGING_CHANGE) == "elm"
    assert get_office_id(CommandReceived("forget", "elm", 1000, "elm is configured.", rejected=True)) == "elm"


def test_long_texts_are_cut() -> None:
    ((_, fields),) = compact(WorkerCrashed("elm", "KeyError", 2, "x" * 50_000))
    assert len(fields["traceback"]) == TEXT_CHARACTERS_MAX + 1
