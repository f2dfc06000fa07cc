from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from oddaemon.cli.args.office_filter import OfficeFilter
from oddaemon.cli.output.fleet_table import format_idle_warning, format_summary, make_fleet_table
from oddaemon.core.model import Condition, Status
from oddaemon.core.reporting.status_document import OfficeDocument, OfficeStatus, make_office_document
from tests.cli.sample_fleet import SampleFleet, invoke, make_fresh_state, make_paused_state, parse_json, write_config
from tests.golden import GoldenTexts

BRIGHT = "Bright Smiles [Family] Dentistry"
FRESH = "Aging of 2026-03-02 is complete."
BLOCKED = "The API does not accept the key (HTTP 401): API key is disabled. Ask the office whether it disabled it."


def test_json_has_the_shape_of_the_contract(fleet: SampleFleet) -> None:
    document = parse_json(fleet.run("status", "--json"))

    offices = document["offices"]
    assert isinstance(offices, list)
    assert [office["id"] for office in offices] == ["bright-smiles", "coast-reno", "hill-street", "new-oak"]
    bright = offices[0]
    assert bright["condition"] == "fresh"
    assert bright["aging_date"] == "2026-03-02"
    assert bright["requests_last_pull"] == 1
    assert bright["snapshot"] == {
        "id": 1,
        "aging_date": "2026-03-02",
        "published_at": bright["since"],
        "guarantors": 3,
        "bal_total": "382.45",
        "verified": True,
    }
    summary = document["summary"]
    assert isinstance(summary, dict)
    assert summary["total"] == 4
    assert summary["conditions"]["blocked"] == 1
    assert (document["source"], document["daemon"]) == ("database", None)


def test_without_a_daemon_one_line_says_that_the_database_was_read(fleet: SampleFleet, golden: GoldenTexts) -> None:
    output = fleet.run("status").stderr
    golden.check(output)
    assert fleet.run("explain", "bright-smiles").stderr == output


def test_check_fails_while_any_office_is_not_fresh(fleet: SampleFleet) -> None:
    assert fleet.run("status", "--check").exit_code == 3
    assert fleet.run("status", "--check", "--json").exit_code == 3


def test_check_overlooks_paused_offices_but_not_an_empty_selection(fleet: SampleFleet) -> None:
    good = ("--condition", "fresh", "--condition", "paused")
    assert fleet.run("status", "--check", *good).exit_code == 0
    assert fleet.run("status", "--check", "--condition", "paused").exit_code == 3
    assert fleet.run("status", "--check", "--label", "group=absent").exit_code == 3


def test_offices_are_selected_by_condition_and_label(fleet: SampleFleet) -> None:
    def list_shown_ids(*options: str) -> list[str]:
        offices = parse_json(fleet.run("status", "--json", *options))["offices"]
        assert isinstance(offices, list)
        return [office["id"] for office in offices]

    assert list_shown_ids("--condition", "fresh") == ["bright-smiles"]
    assert list_shown_ids("--label", "group=coast") == ["hill-street"]
    assert list_shown_ids("--label", "group=coast", "--condition", "fresh") == []


def test_without_a_database_it_says_what_to_do(tmp_path: Path) -> None:
    result = invoke("status", "--config", str(write_config(tmp_path)))

    assert result.exit_code == 1
    assert f"{tmp_path}/state.db" in result.stderr
    assert "`oddaemon run`" in result.stderr


def test_a_bad_configuration_ends_it_with_every_problem(tmp_path: Path) -> None:
    result = invoke("status", "--config", str(write_config(tmp_path, "[api]\n[colour]\n[sound]\n")))

    assert result.exit_code == 78
    assert "colour" in result.stderr
    assert "sound" in result.stderr


def make_document(office_id: str, status: Status, now: datetime) -> OfficeDocument:
    return make_office_document(OfficeStatus(office_id, office_id, status), now)


def test_waiting_past_the_deadline_is_shown_as_late(fleet: SampleFleet) -> None:
    late_at = fleet.now - timedelta(minutes=3)
    status = replace(make_fresh_state(fleet.now).standing, condition=Condition.WAITING, late_at=late_at)
    row = make_fleet_table([make_document("elm", status, fleet.now)], fleet.now).rows[0]

    assert [str(cell) for cell in row[:3]] == ["elm", "late", "3 min"]


def test_a_fleet_without_a_running_daemon_is_remarked(fleet: SampleFleet, golden: GoldenTexts) -> None:
    due = make_document("elm", make_fresh_state(fleet.now).standing, fleet.now)
    paused = make_document("oak", make_paused_state(fleet.now).standing, fleet.now)

    assert format_idle_warning([due], fleet.now) == ""
    assert format_idle_warning([paused], fleet.now) == ""
    later = fleet.now + timedelta(minutes=42, seconds=31)
    golden.check(format_idle_warning([due, paused], later))


def test_the_summary_counts_from_the_worst() -> None:
    assert format_summary(["fresh", "blocked", "fresh"]) == "3 offices: 1 blocked, 2 fresh"
    assert format_summary(["fresh"]) == "1 office: 1 fresh"
    assert format_summary([]) == "0 offices"


def test_a_label_may_hold_an_equals_sign() -> None:
    assert OfficeFilter.from_options([], ["formula=a=b"]).labels == {("formula", "a=b")}


def test_a_file_has_no_fleet(fleet: SampleFleet, golden: GoldenTexts) -> None:
    result = fleet.run("fleet")
    assert result.exit_code == 1
    golden.check(result.stderr.replace(str(fleet.config.parent), ""))
