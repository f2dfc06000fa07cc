"""A live scrape of the real process, as Prometheus' own checks judge it; and what 500 offices cost one."""

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families

from oddaemon.core.reporting.status_document import OfficeStatus
from oddaemon.telemetry.telemetry import Telemetry
from tests.alerts.families import OFFICE, collect_families
from tests.alerts.promtool import find_series_names, needs_promtool, run_promtool
from tests.cli.commands.test_run import write_paused_config
from tests.cli.processes import running_command, wait_for_output
from tests.stopwatch import measure_cpu_seconds

OFFICES = 500
SERIES_MAX = 9 * OFFICES + 500
"""Eight series an office and one to spare; the fleet's own are a few hundred, whatever the number of offices."""
BYTES_MAX = 600_000
RENDER_SECONDS_MAX = 0.2
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a daemon of its own process can be scraped."""
    directory = tmp_path_factory.mktemp("daemon")
    output = directory / "log"
    with running_command("run", "--config", str(write_paused_config(directory)), output=output) as process:
        log_output = wait_for_output('"daemon_ready"', output, process)
        (ready,) = [json.loads(line) for line in log_output.splitlines() if '"daemon_ready"' in line]
        yield f"http://{ready['listen']}/metrics"


def scrape(address: str, accept: str = "text/plain") -> bytes:
    request = urllib.request.Request(address, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=30) as answer:
        body: bytes = answer.read()
    return body


@pytest.mark.real("starts a real daemon")
@needs_promtool
def test_promtool_finds_nothing_wrong_with_a_live_scrape(address: str) -> None:
    result = run_promtool("check", "metrics", stdin=scrape(address))
    # What the client library says of its own process and interpreter is not ours to name.
    ours = [line for line in result.stdout.splitlines() if line.startswith("oddaemon")]
    assert ours == []
    assert "error while linting" not in result.stdout


@pytest.mark.real("starts a real daemon")
def test_a_live_scrape_brings_exactly_the_families_that_are_known(address: str) -> None:
    found = {family.name for family in text_string_to_metric_families(scrape(address).decode())}
    ours = {name for name in found if name.startswith("oddaemon_")}
    known = {family.name.removesuffix("_total") for family in collect_families().values()}
    absent = ("oddaemon_office_", "oddaemon_fleet_")
    assert not {name for name in known - ours if not name.startswith(absent)}, "no office, no fleet"
    assert "process_start_time_seconds" in found


@pytest.mark.real("starts a real daemon")
def test_both_formats_bring_the_same_samples(address: str) -> None:
    # A series may begin between two scrapes, when a maintenance job has run for the first time.
    before, open_metrics, after = (
        _find_sampled_names(scrape(address, accept).decode()) for accept in ("text/plain", OPENMETRICS, "text/plain")
    )
    assert before <= open_metrics <= after
    assert "oddaemon_offices" in before


def _find_sampled_names(text: str) -> set[str]:
    """The names of our series that have a value."""
    return {line.partition("{")[0].partition(" ")[0] for line in text.splitlines() if line.startswith("oddaemon")}


def _get_series_name(line: str) -> str:
    return line.rpartition(" ")[0]


def test_five_hundred_offices_fit_into_the_budget() -> None:
    telemetry = Telemetry(write=lambda _: None, now=lambda: datetime.now(UTC), version="test")
    offices = tuple(make_office_metrics(number) for number in range(OFFICES))
    telemetry.render(offices)
    seconds = measure_cpu_seconds(lambda: telemetry.render(offices), budget=RENDER_SECONDS_MAX)
    body = telemetry.render(offices).body
    lines = [line for line in body.decode().splitlines() if not line.startswith("#")]
    per_office = [line for line in lines if 'office="' in line]
    assert len(per_office) == 8 * OFFICES
    assert len(lines) <= SERIES_MAX, f"{len(lines)} series"
    assert len(body) <= BYTES_MAX, f"{len(body)} bytes"
    assert seconds <= RENDER_SECONDS_MAX, f"{seconds:.3f} s"


def test_no_label_but_the_office_grows_with_the_fleet() -> None:
    telemetry = Telemetry(write=lambda _: None, now=lambda: datetime.now(UTC), version="test")
    small, large = (
        telemetry.render(tuple(make_office_metrics(number) for number in range(count))).body.decode()
        for count in (5, OFFICES)
    )
    fleet_wide = [
        {_get_series_name(line) for line in text.splitlines() if 'office="' not in line and line.startswith("oddaemon")}
        for text in (small, large)
    ]
    assert fleet_wide[0] == fleet_wide[1]


def test_names_are_ours_in_base_units_and_say_what_they_are() -> None:
    for name, family in collect_families().items():
        assert find_series_names(name) == {name}
        assert family.documentation.endswith("."), name
        assert not name.endswith(("_ms", "_milliseconds", "_minutes", "_hours", "_kb", "_age_seconds")), name
        assert family.kind != "gauge" or not name.endswith("_total"), name


def make_office_metrics(number: int) -> OfficeStatus:
    return replace(OFFICE, id=f"office-in-a-small-town-{number:04}")
