from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from oddaemon.core.model import Condition, Owner, Status
from oddaemon.core.reporting.status_document import OfficeStatus
from oddaemon.telemetry.telemetry import Telemetry
from tests.core.builders import make_published_snapshot
from tests.stopwatch import measure_cpu_seconds

NOW = datetime(2026, 3, 8, 12, 0, tzinfo=UTC)

MESA = OfficeStatus(
    "mesa",
    "Mesa",
    status=Status(
        Condition.FRESH,
        NOW,
        "All true.",
        next_action_at=NOW + timedelta(hours=1),
    ),
    snapshot=make_published_snapshot(date(2026, 3, 8), NOW - timedelta(hours=4), 4132),
    requests=51,
    failures=2,
    fresh_deadline=NOW + timedelta(hours=19),
)
NEW = OfficeStatus("new", "New", Status(Condition.WAITING, NOW, "Never seen."))
SLOW = OfficeStatus("slow", "Slow", Status(Condition.AGING, NOW, "Runs.", late_at=NOW - timedelta(minutes=1)))


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry(write=lambda _: None, now=lambda: NOW, version="0.1.0")


def read_samples(telemetry: Telemetry, *offices: OfficeStatus) -> Mapping[tuple[str, ...], float]:
    return {
        (sample.name.removeprefix("oddaemon_"), *(value for _, value in sorted(sample.labels.items(), reverse=True))): (
            sample.value
        )
        for family in text_string_to_metric_families(telemetry.render(offices).body.decode())
        for sample in family.samples
    }


def test_an_office_has_at_most_eight_families(telemetry: Telemetry) -> None:
    series = {key[0]: value for key, value in read_samples(telemetry, MESA).items() if key[0].startswith("office_")}
    assert series == {
        "office_condition": 1,
        "office_aging_date_timestamp_seconds": datetime(2026, 3, 8, tzinfo=UTC).timestamp(),
        "office_snapshot_published_timestamp_seconds": (NOW - timedelta(hours=4)).timestamp(),
        "office_guarantors": 4132,
        "office_requests_total": 51,
        "office_failures_total": 2,
        "office_next_action_timestamp_seconds": (NOW + timedelta(hours=1)).timestamp(),
        "office_fresh_deadline_timestamp_seconds": (NOW + timedelta(hours=19)).timestamp(),
    }


def test_what_is_not_known_has_no_series(telemetry: Telemetry) -> None:
    series = {key[0] for key in read_samples(telemetry, NEW) if key[0].startswith("office_")}
    assert series == {"office_condition", "office_requests_total", "office_failures_total"}


def test_only_the_current_condition_is_exported_and_the_clock_makes_it_late(telemetry: Telemetry) -> None:
    series = {key[1:] for key in read_samples(telemetry, MESA, NEW, SLOW) if key[0] == "office_condition"}
    assert series == {("", "mesa", "fresh"), ("", "new", "waiting"), ("", "slow", "late")}


def test_a_condition_says_who_must_act(telemetry: Telemetry) -> None:
    blocked = OfficeStatus("mesa", "Mesa", Status(Condition.BLOCKED, NOW, "Key off.", Owner.OFFICE))
    series = {key[1:] for key in read_samples(telemetry, blocked) if key[0] == "office_condition"}
    assert series == {("office", "mesa", "blocked")}


def test_the_fleet_is_counted_by_every_condition(telemetry: Telemetry) -> None:
    series = {key[1]: value for key, value in read_samples(telemetry, MESA, NEW, SLOW).items() if key[0] == "offices"}
    assert series == {condition.value: 0 for condition in Condition} | {"fresh": 1, "waiting": 1, "late": 1}


def test_an_office_that_left_leaves_no_series(telemetry: Telemetry) -> None:
    assert any("mesa" in key for key in read_samples(telemetry, MESA, NEW))
    assert not any("mesa" in key for key in read_samples(telemetry, NEW))


def test_the_version_is_a_label(telemetry: Telemetry) -> None:
    assert read_samples(telemetry)["build_info", "0.1.0"] == 1


def test_two_telemetries_share_nothing(telemetry: Telemetry) -> None:
    other = Telemetry(write=lambda _: None, now=lambda: NOW, version="0.2.0")
    assert ("build_info", "0.2.0") in read_samples(other)
    assert ("build_info", "0.2.0") not in read_samples(telemetry)


def test_openmetrics_is_spoken_to_who_asks(telemetry: Telemetry) -> None:
    scrape = telemetry.render((MESA, NEW, SLOW), "application/openmetrics-text; version=1.0.0,text/plain;q=0.5")
    assert scrape.content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert scrape.body.endswith(b"# EOF\n")
    families = parse_openmetrics(scrape.body.decode())  # type: ignore[no-untyped-call]  # the library ships no type for it
    assert "oddaemon_office_condition" in {family.name for family in families}


@pytest.mark.parametrize("accept", ["", "*/*", "text/plain;version=what", "text/html, ;=;"])
def test_every_other_client_gets_plain_text(telemetry: Telemetry, accept: str) -> None:
    scrape = telemetry.render((MESA,), accept)
    assert scrape.content_type.startswith("text/plain")
    assert list(text_string_to_metric_families(scrape.body.decode()))


def test_two_thousand_offices_render_in_less_than_a_second_of_work(telemetry: Telemetry) -> None:
    offices = [replace(MESA, id=f"office-{number}") for number in range(2000)]
    assert measure_cpu_seconds(lambda: telemetry.render(offices), budget=1) <= 1
    assert telemetry.render(offices).body.count(b'office="office-') == 16_000


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text; version=1.0.0"])
def test_the_text_is_that_of_the_library(telemetry: Telemetry, accept: str) -> None:
    odd = replace(MESA, id='a"b\\c\nd', requests=12_345_678)
    lines = telemetry.render((odd, NEW, SLOW), accept).body.decode().splitlines()
    own = [line for line in lines if "oddaemon_office" in line]
    registry = CollectorRegistry()
    counter = Counter("oddaemon_office_requests", "Requests sent to the office.", ["office"], registry=registry)
    for office in (odd, NEW, SLOW):
        counter.labels(office.id).inc(office.requests)
    rendered = (generate_openmetrics if accept else generate_latest)(registry).decode().splitlines()
    expected = [line for line in rendered if "_created" not in line and line != "# EOF"]
    assert expected
    assert set(expected) <= set(own)
    assert (lines[-1] == "# EOF") is bool(accept)
    assert lines.count("# EOF") == bool(accept)
