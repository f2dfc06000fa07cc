"""The shipped rules: what promtool says of them, and what each alert must say."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import pytest
import yaml

from oddaemon.telemetry.telemetry import Telemetry
from tests.alerts.families import collect_families
from tests.alerts.promtool import (
    RULES,
    TESTS,
    find_series_names,
    load_alerts,
    load_expressions,
    needs_promtool,
    run_promtool,
)

pytestmark = pytest.mark.real("needs promtool")

SEVERITIES = {"none", "ticket", "page"}
OWNERS = {"us", "office", "vendor"}
FOREIGN_SERIES = {"up", "process_start_time_seconds"}
"""Series that Prometheus itself or the client library makes."""


@needs_promtool
def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    result = run_promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert result.returncode == 0, result.stdout
    assert f"{len(load_expressions())} rules found" in result.stdout


@needs_promtool
@pytest.mark.parametrize("path", sorted(TESTS.glob("*.yml")), ids=lambda path: path.stem)
def test_the_rules_pass_their_own_unit_tests(path: Any) -> None:
    result = run_promtool("test", "rules", path)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("name", load_alerts())
def test_an_alert_says_what_who_and_where_to_read_on(name: str) -> None:
    rule = cast(Mapping[str, Mapping[str, str]], load_alerts()[name])
    assert name.startswith("Oddaemon")
    assert rule["labels"]["severity"] in SEVERITIES
    annotations = rule["annotations"]
    assert annotations.keys() == {"summary", "description", "runbook_url"}
    assert annotations["summary"].endswith("."), "a sentence"
    assert "\n" not in annotations["summary"]
    # Who must act: known beforehand, or a label of the series that fires it.
    if "owner" in rule["labels"]:
        assert rule["labels"]["owner"] in OWNERS
        assert "must act" in annotations["description"]
    else:
        assert re.search(r"\bowner\b|We must act", annotations["description"])
    assert annotations["runbook_url"] == f"http://localhost:9464/runbook#{name.lower()}"


def test_every_alert_is_named_in_a_unit_test_or_fired_by_a_fault() -> None:
    tests_text = "".join(path.read_text() for path in TESTS.glob("*.yml"))
    named = set(re.findall(r"Oddaemon\w+", tests_text))
    assert named <= load_alerts().keys()
    assert len(named) >= len(load_alerts()) // 2


def test_every_metric_that_a_rule_names_exists() -> None:
    known = collect_families()
    samples = {sample for family in known.values() for sample in family.samples} | FOREIGN_SERIES
    for expression in load_expressions():
        assert find_series_names(expression) <= samples, expression


def test_every_label_that_a_rule_asks_for_is_one_of_its_metric() -> None:
    known = {sample: family for family in collect_families().values() for sample in family.samples}
    for expression in load_expressions():
        for name, matchers in re.findall(r"\b(oddaemon_\w+)\{([^}]*)\}", expression):
            for label in re.findall(r"(\w+)\s*[=!]", matchers):
                assert label in known[name].labels, f"{name} has no label {label}"


@pytest.mark.parametrize("event", re.findall(r'event="(\w+)"', RULES.read_text()))
def test_every_event_that_a_rule_counts_is_counted_from_nothing(event: str) -> None:
    telemetry = Telemetry(write=lambda _: None, now=lambda: datetime.now(UTC), version="test")
    assert f'oddaemon_events_total{{event="{event}"}} 0.0' in telemetry.render(()).body.decode()


def test_the_rules_are_one_document_that_a_strict_reader_reads() -> None:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    names = [rule.get("alert") or rule["record"] for group in groups for rule in group["rules"]]
    assert len(names) == len(set(names))
