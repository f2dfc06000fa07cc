import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from oddaemon.core.model import Condition, Owner, Reader
from oddaemon.telemetry import events
from oddaemon.telemetry.events.base import Event, Level
from oddaemon.telemetry.logging.formatter import LogFormat
from oddaemon.telemetry.telemetry import Telemetry

NOW = datetime(2026, 3, 8, 7, 0, 0, 250_000, tzinfo=UTC)
STAMP = '{"timestamp": "2026-03-08T07:00:00.250Z", '
KEY = 'VzkmZEaU"\\ WOj/nQ=é2z'


def write_lines(*happened: Event, hidden: tuple[str, ...] = (), **options: Any) -> list[str]:
    lines: list[str] = []
    telemetry = Telemetry(write=lines.append, now=lambda: NOW, version="0.1.0", **options)
    telemetry.add_secrets(hidden)
    for event in happened:
        telemetry.emit(event)
    return lines


def test_the_line_of_a_published_snapshot() -> None:
    event = events.SnapshotPublished("mesa", 7, date(2026, 3, 8), 4132, 1, 20, 3, Reader.STATEMENT, 1, 1 / 3, None)
    assert write_lines(event) == [
        (
            STAMP + '"level": "info", "event": "snapshot_published", "office": "mesa", '
            '"snapshot_id": 7, "aging_date": "2026-03-08", "guarantors": 4132, "new": 1, "changed": 20, "cleared": 3, '
            '"reader": "statement", "requests": 1, "seconds": 0.333333, "late_by_seconds": null}'
        )
    ]


def test_the_line_of_a_failure() -> None:
    event = events.FailureSeen("mesa", "econnector_down", Owner.OFFICE, "Their eConnector is down.", 1, NOW)
    assert write_lines(event) == [
        (
            STAMP + '"level": "warning", "event": "failure_seen", "office": "mesa", '
            '"kind": "econnector_down", "owner": "office", "message": "Their eConnector is down.", "attempt": 1, '
            '"retry_at": "2026-03-08T07:00:00.250Z", "is_shared": false}'
        )
    ]


def test_the_line_of_a_changed_condition() -> None:
    event = events.ConditionChanged("mesa", Condition.LATE, Condition.WAITING, "Aging is due at 02:00.", None)
    assert write_lines(event) == [
        (
            STAMP + '"level": "info", "event": "condition_changed", "office": "mesa", '
            '"before": "late", "after": "waiting", "reason": "Aging is due at 02:00.", "owner": null, '
            '"is_shared": false}'
        )
    ]


def test_lines_below_the_level_are_not_written_and_still_counted() -> None:
    lines: list[str] = []
    telemetry = Telemetry(write=lines.append, now=lambda: NOW, version="0.1.0", level=Level.WARNING)
    telemetry.emit(events.OfficeStarted("mesa"))
    telemetry.emit(events.OfficeQuarantined("mesa"))
    assert [json.loads(line)["event"] for line in lines] == ["office_quarantined"]
    assert b'oddaemon_events_total{event="office_started"} 1.0' in telemetry.render(()).body


@pytest.mark.parametrize("log_format", [LogFormat.JSON, LogFormat.CONSOLE])
@pytest.mark.parametrize(
    "event",
    [
        events.OfficeStopped("mesa", f"Its key {KEY} was replaced."),
        events.ConfigurationRejected(("Fine.", f"customer_key = {KEY!r}", json.dumps({"key": KEY}))),
        events.WorkerCrashed("mesa", "KeyError", 0, f"  File …\nKeyError: {KEY}"),
        events.LibraryMessage("httpx", Level.WARNING, "GET /x%20?key=VzkmZEaU%22%5C%20WOj%2FnQ%3D%C3%A92z", None),
    ],
    ids=lambda event: getattr(event, "name", None),
)
def test_a_registered_secret_is_blotted_out_wherever_it_stands(event: Event, log_format: LogFormat) -> None:
    [line] = write_lines(event, hidden=("other-secret", KEY), log_format=log_format)
    assert "***" in line
    assert "VzkmZEaU" not in line
    assert "WOj" not in line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql+psycopg://me:hunter2@db/odd", "postgresql+psycopg://***@db/odd"),
        ("GET https://api.example/v1/x?token=hunter2&b=1 failed", "GET https://api.example/v1/x?*** failed"),
        ("Authorization: ODFHIR NFF6i0KrXrxDkZHt/VzkmZEaUWOjnQX2z", "Authorization: ODFHIR ***"),
        ("sqlite:////var/lib/oddaemon/state.sqlite", "sqlite:////var/lib/oddaemon/state.sqlite"),
        ("https://api.example/v1/x", "https://api.example/v1/x"),
    ],
)
def test_unregistered_secrets_are_recognized_by_their_position(text: str, shown: str) -> None:
    [line] = write_lines(events.LibraryMessage("httpx", Level.WARNING, text, None))
    assert json.loads(line)["message"] == shown


def test_of_two_secrets_with_the_same_beginning_the_longer_one_is_found() -> None:
    [line] = write_lines(events.OfficeStopped("mesa", "secret-long and secret"), hidden=("secret", "secret-long"))
    assert json.loads(line)["reason"] == "*** and ***"


def test_an_empty_secret_hides_nothing() -> None:
    [line] = write_lines(events.OfficeStopped("mesa", "Paused."), hidden=("", "a"))
    assert json.loads(line)["reason"] == "Paused."


def test_a_line_stays_one_line_whatever_the_other_side_says() -> None:
    message = "a\r\nb\u2028\x1b[31m\x00 {} %s"
    [line] = write_lines(events.FailureSeen("mesa", "sql_error", Owner.VENDOR, message, 1, None))
    assert "\n" not in line
    assert "\x1b" not in line
    assert json.loads(line)["message"] == message


def test_the_console_shows_the_same_event_in_words() -> None:
    [line] = write_lines(events.OfficeStopped("mesa", "It left."), log_format=LogFormat.CONSOLE)
    assert "office_stopped" in line
    assert "It left." in line
    assert not line.startswith("{")


def test_lost_lines_are_reported_once_as_soon_as_they_are_known() -> None:
    lines: list[str] = []
    lost = 0
    telemetry = Telemetry(write=lines.append, now=lambda: NOW, version="0.1.0", count_lost=lambda: lost)
    telemetry.emit(events.OfficeStarted("a"))
    lost = 3
    telemetry.emit(events.OfficeStarted("b"))
    telemetry.emit(events.OfficeStarted("c"))
    log_events = [json.loads(line) for line in lines]
    assert [line["event"] for line in log_events] == [
        "office_started",
        "office_started",
        "log_lines_lost",
        "office_started",
    ]
    assert log_events[2]["lines"] == 3
    assert b"oddaemon_log_lines_lost_total 3.0" in telemetry.render(()).body
