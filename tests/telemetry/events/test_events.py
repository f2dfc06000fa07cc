import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from oddaemon.core.model import Condition, Owner, Reader
from oddaemon.telemetry import events
from oddaemon.telemetry.events.base import Event, Level
from oddaemon.telemetry.telemetry import Telemetry

NOW = datetime(2026, 3, 8, 7, 0, 0, 250_000, tzinfo=UTC)
DAY = date(2026, 3, 8)
FINISHED = events.RequestFinished("mesa", "short_query", "timeout", None, 65.0, 0.5, 12)
PUBLISHED = events.SnapshotPublished("mesa", 7, DAY, 4132, 1, 20, 3, Reader.STATEMENT, 1, 2.5, 60.0)
CRASHED = events.WorkerCrashed("mesa", "KeyError", 2, "  File …\nKeyError")

EMITTED_EVENTS: list[tuple[Event, str, dict[str, float]]] = [
    (events.DaemonStarted("0.1.0", 25, "/var/lib/oddaemon/state.sqlite"), "info", {}),
    (events.DaemonReady("127.0.0.1:9464"), "info", {"ready": 1}),
    (events.DaemonDraining("SIGTERM"), "info", {"ready": 0}),
    (events.DaemonStopped(12.5), "info", {"ready": 0}),
    (events.EngineStalled("Office mesa should have woken 95 s ago."), "error", {}),
    (events.EngineRecovered(12.5), "info", {}),
    (events.StoreOpened(created=True), "info", {"store_healthy": 1}),
    (events.StoreMadePrivate("/var/lib/oddaemon.db", "0644"), "warning", {}),
    (events.StoreLogLost("/var/lib/oddaemon.db", "Put it back."), "error", {}),
    (events.StoreMeasured(4152), "debug", {"store_wal_bytes": 4152}),
    (
        events.StoreFailed("The disk is full.", "Free some space.", transient=True),
        "error",
        {"store_healthy": 0, "ready": 0},
    ),
    (events.StoreRecovered(12.5, ready=True), "info", {"store_healthy": 1, "ready": 1}),
    (events.StoreRecovered(12.5, ready=False), "info", {"store_healthy": 1}),
    (events.StoreSlow(2.5, "See what else keeps it busy."), "warning", {}),
    (
        events.ConfigurationLoaded(25),
        "info",
        {
            "config_last_reload_successful": 1,
            "config_last_reload_success_timestamp_seconds": NOW.timestamp(),
        },
    ),
    (
        events.ConfigurationLoaded(25, ("Office mesa holds its key inline.",)),
        "warning",
        {
            "config_last_reload_successful": 1,
            "config_last_reload_success_timestamp_seconds": NOW.timestamp(),
        },
    ),
    (events.ConfigurationRejected(("Unknown key.",)), "error", {"config_last_reload_successful": 0}),
    (events.CommandReceived("pause", "mesa", 1000, "It is left alone from now on."), "info", {}),
    (events.CommandIgnored("pause", "mesa", 1000, "mesa is paused already."), "info", {}),
    (events.CommandReceived("drain", "", None, "It drains already.", rejected=True), "warning", {}),
    (events.JobFinished("vacuum", 6.5, "14.7 MB before, 9.1 MB now."), "info", {}),
    (events.JobFailed("forget mesa", 0.5, "The disk is full. Free some space.", None), "error", {}),
    (events.ConfigurationWatchFailed("No watches are left."), "warning", {}),
    (events.OfficeStarted("mesa"), "info", {}),
    (events.OfficeStopped("mesa", "It left the configuration."), "info", {}),
    (events.OfficeStarted("mesa", is_shared=True), "debug", {}),
    (events.OfficeStopped("mesa", "the daemon is stopping", is_shared=True), "debug", {}),
    (events.OfficeErased("mesa", 4132), "info", {}),
    (events.ConditionChanged("mesa", None, Condition.WAITING, "Not contacted yet.", None), "debug", {}),
    (events.ConditionChanged("mesa", Condition.LATE, Condition.WAITING, "Aging is due at 02:00.", None), "info", {}),
    (
        events.ConditionChanged("mesa", Condition.FRESH, Condition.UNREACHABLE, "Down.", Owner.VENDOR, is_shared=True),
        "debug",
        {},
    ),
    (
        events.ConditionChanged("mesa", Condition.FRESH, Condition.BLOCKED, "Key off.", Owner.OFFICE),
        "warning",
        {},
    ),
    (events.RequestStarted("mesa", "preferences"), "debug", {"requests_in_flight": 1}),
    (
        FINISHED,
        "debug",
        {
            "requests_in_flight": -1,
            "requests_total{kind=short_query,outcome=timeout}": 1,
            "request_duration_seconds_count{kind=short_query}": 1,
            "request_duration_seconds_sum{kind=short_query}": 65.0,
            "rate_limiter_wait_seconds_count": 1,
            "rate_limiter_wait_seconds_sum": 0.5,
            "response_bytes_total": 12,
        },
    ),
    (
        events.FailureSeen("mesa", "econnector_down", Owner.OFFICE, "Not running.", 1, NOW),
        "warning",
        {"failures_total{kind=econnector_down,owner=office}": 1},
    ),
    (
        events.FailureSeen("mesa", "econnector_down", Owner.OFFICE, "Not running.", 2, None),
        "info",
        {"failures_total{kind=econnector_down,owner=office}": 1},
    ),
    (
        events.FailureSeen("mesa", "headquarters_down", Owner.VENDOR, "Down.", 1, None, is_shared=True),
        "debug",
        {"failures_total{kind=headquarters_down,owner=vendor}": 1},
    ),
    (events.AgingStatusChanged("mesa", "complete", DAY), "info", {}),
    (events.ReaderChanged("mesa", Reader.STATEMENT, Reader.PAGES, "Its server refuses the statement."), "info", {}),
    (events.PullStarted("mesa", Reader.PAGES, 300), "info", {}),
    (events.PageStored("mesa", 400, 4132), "debug", {}),
    (events.PullRejected("mesa", "One row is missing."), "warning", {"pulls_rejected_total": 1}),
    (events.SnapshotHeld("mesa", DAY, "No family owes anything.", NOW), "warning", {"snapshots_held_total": 1}),
    (events.KeyRejectedDuringRotation("mesa", "new", NOW), "info", {}),
    (events.KeyRotated("mesa"), "info", {}),
    (events.SftpListening("0.0.0.0:2222", "SHA256:abc"), "info", {}),
    (events.BackfillRequested("mesa", DAY, "report"), "info", {}),
    (events.BackfillCrashed("mesa", DAY, "report", "KeyError", "KeyError"), "error", {}),
    (
        events.BackfillPublished("mesa", DAY, "report", 4132, 84, 420.0),
        "info",
        {"backfills_total{outcome=published,via=report}": 1},
    ),
    (events.BackfillFailed("mesa", DAY, "report", "No answer.", 1, NOW), "info", {}),
    (
        events.BackfillFailed("mesa", DAY, "report", "No key.", 2, None),
        "error",
        {"backfills_total{outcome=failed,via=report}": 1},
    ),
    (
        events.BackfillCancelled("mesa", DAY, "report"),
        "info",
        {"backfills_total{outcome=cancelled,via=report}": 1},
    ),
    (events.HeadquartersDown("api.example.com"), "error", {"headquarters_down": 1}),
    (events.HeadquartersRecovered("api.example.com", 900.0), "info", {"headquarters_down": -1}),
    (events.HeadquartersUnused("api.example.com", 900.0), "info", {"headquarters_down": -1}),
    (
        PUBLISHED,
        "info",
        {
            "snapshots_published_total{reader=statement}": 1,
            "snapshots_late_total": 1,
            "pull_duration_seconds_count{reader=statement}": 1,
            "pull_duration_seconds_sum{reader=statement}": 2.5,
        },
    ),
    (
        events.SinkStarted("lake", "files"),
        "info",
        {f"deliveries_total{{outcome={outcome},sink=lake}}": 0 for outcome in ("done", "failed", "dead", "skipped")},
    ),
    (events.SinkStopped("lake", "removed or reconfigured"), "info", {}),
    (
        events.DeliverySucceeded("lake", "mesa", "d1", 7, "snapshot", 2, 0.5),
        "info",
        {"deliveries_total{outcome=done,sink=lake}": 1},
    ),
    (
        events.DeliveryAttemptFailed("lake", "mesa", "d1", 7, 1, "The disk is full.", NOW),
        "warning",
        {"deliveries_total{outcome=failed,sink=lake}": 1},
    ),
    (
        events.DeliveryAttemptFailed("lake", "mesa", "d1", 7, 2, "The disk is full.", NOW),
        "info",
        {"deliveries_total{outcome=failed,sink=lake}": 1},
    ),
    (
        events.DeliveryAbandoned("lake", "mesa", "d1", 7, 40, "The disk is full."),
        "error",
        {"deliveries_total{outcome=dead,sink=lake}": 1},
    ),
    (
        events.DeliverySkipped("lake", "mesa", "d1", 7, "Skipped by a command."),
        "warning",
        {"deliveries_total{outcome=skipped,sink=lake}": 1},
    ),
    (
        events.OutboxSize("lake", 3, NOW),
        "debug",
        {
            "deliveries_pending{sink=lake}": 3,
            "delivery_oldest_pending_timestamp_seconds{sink=lake}": NOW.timestamp(),
        },
    ),
    (events.OutboxSize("lake", 0, None), "debug", {"deliveries_pending{sink=lake}": 0}),
    (events.CourierCrashed("lake", "KeyError", 2, "KeyError"), "error", {}),
    (CRASHED, "error", {"worker_restarts_total": 1}),
    (events.WorkerCrashed("mesa", "KeyError", 0, "KeyError"), "error", {}),
    (events.OfficeQuarantined("mesa"), "error", {}),
    (events.OfficeQuarantined("mesa", is_shared=True), "info", {}),
    (events.WorkerCrashed("mesa", "KeyError", 0, "", is_shared=True), "info", {}),
    (events.OfficesCrashedAlike("KeyError", "core/x.py:1", 3, ("elm", "fir", "oak"), "KeyError"), "error", {}),
    (events.PeerErrorUnforeseen("sink lake", "LookupError", "LookupError"), "error", {}),
    (
        events.BackgroundTaskCrashed("journal", "KeyError", 0, "KeyError"),
        "error",
        {"background_task_crashes_total{task=journal}": 1},
    ),
    (events.ClockMismatch("mesa", -25200.0, -21600.0), "warning", {}),
    (
        events.MaintenancePlanned("prune", NOW, None),
        "debug",
        {"maintenance_last_success_timestamp_seconds{task=prune}": 0},
    ),
    (
        events.MaintenancePlanned("prune", NOW, NOW),
        "debug",
        {"maintenance_last_success_timestamp_seconds{task=prune}": NOW.timestamp()},
    ),
    (
        events.MaintenanceFinished("prune", 0.25, "12 snapshots are gone.", NOW),
        "info",
        {
            "maintenance_last_success_timestamp_seconds{task=prune}": NOW.timestamp(),
            "maintenance_last_run_successful{task=prune}": 1,
        },
    ),
    (
        events.MaintenanceFailed("backup", 0.25, "The disk is full. Free some space.", None),
        "error",
        {"maintenance_last_run_successful{task=backup}": 0},
    ),
    (events.MaintenanceHandedOver(), "debug", {}),
    (events.MaintenanceSkipped("digest", NOW, "Its time had passed."), "info", {}),
    (
        events.FleetDigest(25, 24, 24, 90_000, {"fresh": 24, "late": 1}, ({"office": "mesa", "condition": "late"},)),
        "info",
        {},
    ),
    (events.DeadlineMissed("mesa", NOW, 1), "warning", {}),
    (events.DeadlineRecovered("mesa", 2), "info", {}),
    (
        events.NightComplete(DAY, 229, 2, 1, 3),
        "info",
        {"nights_total{outcome=complete}": 1, "night_last_complete_timestamp_seconds": NOW.timestamp()},
    ),
    (events.NightMissed(DAY, 228, 1, ("mesa",), 1, 3), "error", {"nights_total{outcome=missed}": 1}),
    (
        events.NightRecovered(DAY, 229, 3),
        "info",
        {"nights_total{outcome=recovered}": 1, "night_last_complete_timestamp_seconds": NOW.timestamp()},
    ),
    (
        events.ApiHostUnusable("api.example.com", "tls", "its certificate is refused"),
        "error",
        {"api_host_unusable": 1.0},
    ),
    (events.ApiHostUsable("api.example.com", 12.0), "info", {"api_host_unusable": -1.0}),
    (events.HeartbeatPingSent("complete", 1), "info", {"heartbeat_pings_total{outcome=sent}": 1}),
    (
        events.HeartbeatPingFailed("missed", 5, "no answer within 10 s"),
        "warning",
        {"heartbeat_pings_total{outcome=failed}": 1},
    ),
    (events.MemberJoined(7, "a", 2), "info", {}),
    (events.MemberWorking(7), "info", {}),
    (events.MembershipLost(7, "The connection is gone."), "warning", {}),
    (events.MemberGone(6, "b"), "warning", {}),
    (events.LeasesTaken("office", 1, ("elm",)), "info", {}),
    (events.LeasesGivenBack("office", 1, ("elm",)), "info", {}),
    (events.HostClockSkewed(3600.0), "warning", {}),
    (events.FleetSettingsDiffer(("b lacks elm.",)), "warning", {}),
    (events.FleetSettingsAgree(), "info", {}),
    (events.LibraryMessage("httpx", Level.WARNING, "Retrying.", None), "warning", {}),
    (events.JournalEntriesLost(3), "warning", {"journal_entries_lost_total": 3}),
    (events.LogLinesLost(7), "warning", {"log_lines_lost_total": 7}),
]


def read_metrics(telemetry: Telemetry) -> dict[str, float]:
    found = {}
    for family in text_string_to_metric_families(telemetry.render(()).body.decode()):
        for sample in family.samples:
            if not sample.name.endswith("_bucket"):
                labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
                found[sample.name.removeprefix("oddaemon_") + (f"{{{labels}}}" if labels else "")] = sample.value
    return found


def emit_event(event: Event, **options: Any) -> tuple[list[str], dict[str, float]]:
    lines: list[str] = []
    telemetry = Telemetry(write=lines.append, now=lambda: NOW, version="0.1.0", level=Level.DEBUG, **options)
    before = read_metrics(telemetry)
    telemetry.emit(event)
    return lines, {name: value for name, value in read_metrics(telemetry).items() if value != before.get(name)}


def test_every_event_there_is_happens_in_these_tests() -> None:
    assert {type(event) for event, _, _ in EMITTED_EVENTS} == set(events.EVENT_TYPES)


@pytest.mark.parametrize(
    ("event", "level", "changed_metrics"), EMITTED_EVENTS, ids=lambda value: getattr(value, "name", "")
)
def test_an_event_is_one_json_line_of_its_level_and_name(
    event: Event, level: str, changed_metrics: dict[str, float]
) -> None:
    del changed_metrics
    lines, _ = emit_event(event)
    [line] = lines
    document = json.loads(line)
    assert list(document)[:3] == ["timestamp", "level", "event"]
    assert (document["level"], document["event"]) == (level, event.name)
    assert "\n" not in line


@pytest.mark.parametrize(
    ("event", "level", "changed_metrics"), EMITTED_EVENTS, ids=lambda value: getattr(value, "name", "")
)
def test_an_event_moves_its_metrics_and_no_other(event: Event, level: str, changed_metrics: dict[str, float]) -> None:
    del level
    _, changed = emit_event(event)
    # What was 0 before without a label did not move.
    initial = {name: value for name, value in changed_metrics.items() if value or "{" in name}
    assert changed == {f"events_total{{event={event.name}}}": 1, **initial}


def test_names_are_the_classes_in_snake_case() -> None:
    for event in events.EVENT_TYPES:
        assert event.name.replace("_", "") == event.__name__.lower()


@pytest.mark.parametrize("last", [events.DaemonDraining("SIGTERM"), events.DaemonStopped(1.0)])
def test_a_daemon_that_drains_is_not_ready(last: Event) -> None:
    telemetry = Telemetry(write=lambda _: None, now=lambda: NOW, version="0.1.0")
    telemetry.emit(events.DaemonReady("127.0.0.1:9464"))
    assert read_metrics(telemetry)["ready"] == 1
    telemetry.emit(last)
    assert read_metrics(telemetry)["ready"] == 0


def test_a_bad_reload_shows_and_leaves_the_time_of_the_last_good_one() -> None:
    telemetry = Telemetry(write=lambda _: None, now=lambda: NOW, version="0.1.0")
    telemetry.emit(events.ConfigurationLoaded(1))
    telemetry.emit(events.ConfigurationRejected(("Unknown key.",)))
    assert read_metrics(telemetry)["config_last_reload_successful"] == 0
    assert read_metrics(telemetry)["config_last_reload_success_timestamp_seconds"] == NOW.timestamp()


def test_a_snapshot_in_time_is_not_counted_as_late() -> None:
    in_time = events.SnapshotPublished("mesa", 7, DAY, 1, 0, 0, 0, Reader.PAGES, 3, 2.5, None)
    assert "snapshots_late_total" not in emit_event(in_time)[1]
