"""The runbook has a section for every alert, and describes every metric as the code does."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import cast

import pytest
import typer
from typer.main import get_group

from oddaemon.cli.app import app
from oddaemon.cli.lazy_command import load_commands
from oddaemon.core.model import Condition
from oddaemon.telemetry import events
from oddaemon.telemetry.events.base import Level
from oddaemon.telemetry.logging.formatter import EventLogger, LogFormat
from oddaemon.telemetry.logging.redaction import Redactor
from tests.alerts.families import collect_families
from tests.alerts.promtool import load_alerts
from tests.alerts.runbook import RUNBOOK, render_events_table, render_metrics_table, replace_tables, split_sections

TEXT = RUNBOOK.read_text()
SECTIONS = split_sections(TEXT)
COMMANDS = sorted(set(re.findall(r"(?:`|^ {4})oddaemon ([a-z][^`#\n]*)", TEXT, re.MULTILINE)))


def list_topics(section: str) -> list[str]:
    """What each of its points is about."""
    return re.findall(r"\* \*\*(.+?):\*\*", section)


@pytest.mark.parametrize("alert", load_alerts())
def test_an_alert_has_its_section_where_its_link_points(alert: str) -> None:
    annotations = cast(Mapping[str, str], load_alerts()[alert]["annotations"])
    anchor = annotations["runbook_url"].partition("#")[2]
    assert list_topics(SECTIONS[anchor]) == ["Means", "Confirm", "Who must act", "Do", "Escalate"]


@pytest.mark.parametrize("condition", Condition)
def test_a_condition_has_its_section(condition: Condition) -> None:
    topics = list_topics(SECTIONS[condition.value])
    assert topics[0] == "Means"
    assert "Who must act" in topics
    assert {"Do", "Next"} & {*topics} or condition is Condition.PAUSED


def test_no_section_is_about_an_alert_that_is_none() -> None:
    anchors = {anchor for anchor in SECTIONS if re.match("oddaemon(?!_)", anchor)}
    assert anchors == {name.lower() for name in load_alerts()}


def test_every_link_within_leads_somewhere() -> None:
    links = re.findall(r"\]\(#([^)]*)\)", TEXT)
    assert links
    assert set(links) <= SECTIONS.keys()


def test_every_metric_and_event_is_described_as_in_the_code() -> None:
    assert replace_tables(TEXT) == TEXT, "write it again: python -m tests.alerts.runbook --write"
    assert render_metrics_table().count("\n") == len(collect_families()) + 1
    assert render_events_table().count("\n") == len(events.EVENT_TYPES) + 1


@pytest.mark.parametrize("level", Level)
def test_the_journal_search_matches_lines_of_that_level(level: Level) -> None:
    lines: list[str] = []
    log = EventLogger(lines.append, lambda: datetime(2026, 3, 2, tzinfo=UTC), Redactor(), LogFormat.JSON, Level.DEBUG)
    log.write_line(level, "something", {"office": "elm"})
    (pattern,) = re.findall(r"journalctl -u oddaemon --since .* -g '(.*)'", TEXT)
    assert bool(re.search(pattern, lines[0])) == (level >= Level.WARNING)


def test_every_metric_that_is_named_exists() -> None:
    samples = {sample for family in collect_families().values() for sample in family.samples}
    assert set(re.findall(r"\boddaemon_\w+", TEXT)) <= samples | collect_families().keys()


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_that_is_named_exists(line: str) -> None:
    command: object = load_commands(get_group(app))
    arguments = line.split()
    while isinstance(command, typer.core.TyperGroup):
        assert arguments, f"{line} says not which"
        found = command.get_command(typer.Context(command), arguments.pop(0))
        assert found is not None, line
        command = found
