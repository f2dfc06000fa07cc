import csv
import hashlib
import io
import json
import sqlite3
import stat
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from oddaemon.core.model import Reader
from tests.cli.sample_history import NIGHTS, OTHER, THIRD, History, make_history, store_backfill, store_night
from tests.golden import GoldenTexts

YEAR_END = date(2025, 12, 31)


@pytest.fixture
def history(tmp_path: Path) -> History:
    return make_history(tmp_path)


def parse_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


# --- any past day -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("day", NIGHTS)
def test_any_past_day_reads_as_it_was(history: History, day: date) -> None:
    document = json.loads(history.run("balances", "bright-smiles", "--as-of", str(day), "--format", "json"))
    assert document["snapshot"]["aging_date"] == str(day)
    assert [row["pat_num"] for row in document["balances"]] == [row.pat_num for row in NIGHTS[day]]
    assert [int(Decimal(row["bal_total"]).scaleb(2)) for row in document["balances"]] == [
        row.bal_total for row in NIGHTS[day]
    ]


def test_a_snapshot_s_id_means_it_too(history: History) -> None:
    by_id = history.run("balances", "bright-smiles", "--as-of", "2")
    assert by_id == history.run("balances", "bright-smiles", "--as-of", "2026-03-03")


@pytest.mark.parametrize(
    ("wanted", "nearest"),
    [
        ("2026-03-04", "2026-03-03 and 2026-03-05."),
        ("2020-01-01", "2026-03-02."),
        ("9999-01-01", "2026-03-05."),
        ("99", "3."),
    ],
)
def test_a_day_without_a_snapshot_names_the_nearest(
    history: History, wanted: str, nearest: str, golden: GoldenTexts
) -> None:
    stderr = history.run_failing("balances", "bright-smiles", "--as-of", wanted)
    assert nearest in stderr
    golden.check(stderr)
    assert (f"`oddaemon backfill bright-smiles --as-of {wanted}`" in stderr) == (wanted[0] == "2")


@pytest.mark.parametrize("wanted", ["yesterday", "2026-3-4", "2026-02-30", "-1", ""])
def test_what_is_no_date_is_a_usage_error(history: History, wanted: str, golden: GoldenTexts) -> None:
    golden.check(history.run_failing("balances", "bright-smiles", f"--as-of={wanted}", status=2))


def test_a_backfilled_day_is_marked_as_such(history: History) -> None:
    store_backfill(history, YEAR_END, OTHER)
    document = json.loads(history.run("balances", "bright-smiles", "--as-of", str(YEAR_END), "-f", "json"))
    assert (document["snapshot"]["id"], document["snapshot"]["via"]) == (None, "report")
    assert document["snapshot"]["source"] == "backfilled"
    assert [row["bal_total"] for row in document["balances"]] == ["3.00"]


def test_the_latest_balances_are_a_night_s_even_after_a_later_day_was_backfilled(history: History) -> None:
    store_backfill(history, date(2026, 3, 7), OTHER)
    document = json.loads(history.run("balances", "bright-smiles", "-f", "json"))
    assert (document["snapshot"]["id"], document["snapshot"]["source"]) == (3, "night")


def test_an_office_that_left_can_be_read_as_long_as_its_data_is_kept(history: History) -> None:
    assert "3.00" in history.run("balances", "left")


# --- changes ----------------------------------------------------------------------------------------------------------


def test_changes_since_the_night_before_are_the_default(history: History) -> None:
    document = json.loads(history.run("changes", "bright-smiles", "--format", "json"))
    assert (document["from"]["aging_date"], document["to"]["aging_date"]) == ("2026-03-03", "2026-03-05")
    cleared, changed = document["changes"]
    assert (cleared["change"], cleared["pat_num"], cleared["last_seen"]) == ("cleared", 12, "2026-03-03")
    assert (cleared["was_bal_31_60"], cleared["bal_31_60"]) == ("5.00", None)
    assert (changed["change"], changed["pat_num"], changed["last_seen"]) == ("changed", 14, None)
    assert (changed["was_bal_total"], changed["bal_total"]) == ("25.00", "20.00")


def test_changes_between_any_two_days_have_every_kind(history: History) -> None:
    rows = parse_csv(history.run("changes", "bright-smiles", "--from", "2026-03-02", "--to", "2026-03-05", "-f", "csv"))
    assert [(row["pat_num"], row["change"], row["last_seen"]) for row in rows] == [
        ("11", "changed", ""),
        ("12", "cleared", "2026-03-03"),
        ("13", "cleared", "2026-03-02"),
        ("14", "new", ""),
    ]


def test_the_table_shows_old_and_new(history: History) -> None:
    lines = history.run("changes", "bright-smiles").splitlines()
    assert lines[0].split() == (
        [
            "CHANGE",
            "PAT_NUM",
            "EST_BALANCE",
            "BAL_0_30",
            "BAL_31_60",
            "BAL_61_90",
            "BAL_OVER_90",
            "INS_EST",
            "BAL_TOTAL",
            "LAST_SEEN",
        ]
    )
    assert "5.00 → -" in lines[1]
    assert "25.00 → 20.00" in lines[2]


@pytest.mark.parametrize(("first", "day"), [("3", "2026-03-05"), ("1", "2026-03-02")])
def test_from_must_be_earlier_than_to(history: History, first: str, day: str, golden: GoldenTexts) -> None:
    stderr = history.run_failing("changes", "bright-smiles", "--from", first, "--to", "1")
    assert day in stderr
    golden.check(stderr)


def test_the_first_snapshot_has_nothing_before_it(history: History, golden: GoldenTexts) -> None:
    golden.check(history.run_failing("changes", "hill-street"))


def test_a_day_that_was_backfilled_compares_with_a_night(history: History) -> None:
    store_backfill(history, YEAR_END, OTHER)
    asked = ("changes", "bright-smiles", "--from", "2025-12-31", "--to", "2026-03-03", "-f", "json")
    document = json.loads(history.run(*asked))
    assert (document["from"]["id"], document["from"]["source"], document["from"]["via"]) == (
        None,
        "backfilled",
        "report",
    )
    assert (document["to"]["id"], document["to"]["source"]) == (2, "night")
    assert [(row["pat_num"], row["change"], row["was_bal_total"], row["bal_total"]) for row in document["changes"]] == [
        (11, "changed", "3.00", "100.00"),
        (12, "new", None, "5.00"),
        (14, "new", None, "25.00"),
    ]


def test_a_night_compares_with_a_day_that_was_backfilled_later(history: History) -> None:
    store_backfill(history, date(2026, 3, 4), OTHER)
    rows = parse_csv(history.run("changes", "bright-smiles", "--from", "2026-03-02", "--to", "2026-03-04", "-f", "csv"))
    assert [(row["pat_num"], row["change"], row["last_seen"]) for row in rows] == [
        ("11", "changed", ""),
        ("12", "cleared", "2026-03-03"),
        ("13", "cleared", "2026-03-02"),
    ]


def test_days_are_compared_in_their_order(history: History, golden: GoldenTexts) -> None:
    store_backfill(history, YEAR_END, OTHER)
    stderr = history.run_failing("changes", "bright-smiles", "--from", "2026-03-02", "--to", "2025-12-31")
    golden.check(stderr)
    first = history.run_failing("changes", "bright-smiles", "--to", "2025-12-31")
    golden.check(first)


# --- history ----------------------------------------------------------------------------------------------------------


def test_every_night_has_totals_changes_and_roll_rates(history: History) -> None:
    first, second, third = parse_csv(history.run("history", "bright-smiles", "--format", "csv"))
    assert [first[name] for name in ("aging_date", "guarantors", "bal_total", "new", "roll_rate_31_60")] == [
        "2026-03-02",
        "3",
        "105.00",
        "3",
        "",
    ]
    assert [second[name] for name in ("new", "changed", "cleared", "charged", "settled")] == [
        "1",
        "1",
        "1",
        "25.00",
        "0.00",
    ]
    assert (second["rolled_31_60"], second["roll_rate_31_60"], second["roll_rate_61_90"]) == ("60.00", "0.6", "0.0")
    assert (third["settled"], third["rolled_31_60"]) == ("10.00", "0.00")


def test_the_first_night_of_a_range_still_has_its_changes(history: History) -> None:
    (third,) = parse_csv(history.run("history", "bright-smiles", "--from", "2026-03-05", "--format", "csv"))
    assert third == parse_csv(history.run("history", "bright-smiles", "--format", "csv"))[2]


def test_the_table_of_nights_fits_people(history: History) -> None:
    lines = history.run("history", "bright-smiles").splitlines()
    assert len(lines) == 4
    assert "60.00%" in lines[2]


def test_days_that_were_backfilled_stand_among_the_nights_and_say_so(history: History) -> None:
    nights = parse_csv(history.run("history", "bright-smiles", "--format", "csv"))
    store_backfill(history, YEAR_END, OTHER)
    year_end, *rows = parse_csv(history.run("history", "bright-smiles", "--format", "csv"))
    assert (year_end["aging_date"], year_end["snapshot"], year_end["source"]) == ("2025-12-31", "", "backfilled")
    assert (year_end["bal_total"], year_end["new"], year_end["charged"]) == ("3.00", "", "")
    assert [row["source"] for row in rows] == ["night"] * 3
    assert rows[1:] == nights[1:]
    assert (rows[0]["new"], rows[0]["changed"], rows[0]["cleared"], rows[0]["charged"]) == ("2", "1", "0", "102.00")
    table = history.run("history", "bright-smiles").splitlines()
    assert [line.split()[-1] for line in table] == ["SOURCE", "backfilled", "night", "night", "night"]
    ranged = history.run("history", "bright-smiles", "--from", "2025-12-31", "--to", "2026-03-02", "--format", "csv")
    assert parse_csv(ranged) == [year_end, rows[0]]


# --- the fleet --------------------------------------------------------------------------------------------------------


def test_the_fleet_has_a_row_for_each_office_each_label_and_all(history: History, golden: GoldenTexts) -> None:
    result = history.fleet.run("balances", "--fleet", "--format", "csv")
    golden.check(result.stderr)
    rows = [(row["scope"], row["name"], row["offices"], row["bal_total"]) for row in parse_csv(result.stdout)]
    assert rows == [
        ("office", "bright-smiles", "1", "120.00"),
        ("office", "hill-street", "1", "3.00"),
        ("label", "group=coast", "1", "3.00"),
        ("fleet", "", "2", "123.00"),
    ]


def test_the_fleet_of_a_past_day_counts_the_offices_that_have_it(history: History) -> None:
    result = history.fleet.run("balances", "--fleet", "--as-of", "2026-03-02", "--format", "json")
    assert json.loads(result.stdout)["totals"][-1]["bal_total"] == "105.00"
    assert "hill-street" in result.stderr
    assert "of 2020-01-01" in history.run_failing("balances", "--fleet", "--as-of", "2020-01-01")


@pytest.mark.parametrize("arguments", [(), ("bright-smiles", "--fleet")])
def test_an_office_or_the_fleet_but_not_both(history: History, arguments: tuple[str, ...], golden: GoldenTexts) -> None:
    golden.check(history.run_failing("balances", *arguments, status=2))


# --- columns that a reader lacks --------------------------------------------------------------------------------------


REPORTED = tuple(each._replace(clinic_num=0, est_balance=0) for each in THIRD)
TONIGHT = date(2026, 3, 6)


@pytest.fixture
def reported(history: History) -> History:
    """The same, and a night that was read by the vendor's report."""
    store_night(history, TONIGHT, REPORTED, Reader.REPORT)
    return history


def test_columns_missing_from_the_report_are_null_and_not_zero(reported: History) -> None:
    document = json.loads(reported.run("balances", "bright-smiles", "-f", "json"))
    lines = reported.run("balances", "bright-smiles", "-f", "ndjson").splitlines()
    for rows in (document["balances"], [json.loads(line) for line in lines]):
        assert [(row["clinic_num"], row["est_balance"]) for row in rows] == [(None, None)] * 2
        assert [row["bal_total"] for row in rows] == ["100.00", "20.00"]
    row, _ = parse_csv(reported.run("balances", "bright-smiles", "-f", "csv"))
    assert (row["clinic_num"], row["est_balance"], row["bal_total"]) == ("", "", "100.00")
    table = reported.run("balances", "bright-smiles").splitlines()
    assert [line.split()[1:3] for line in table[1:3]] == [["-", "-"]] * 2
    assert table[-1].split()[:3] == ["total", "2", "-"]


def test_a_parquet_file_has_nulls_and_its_manifest_says_so(reported: History) -> None:
    path = reported.directory / "today.parquet"
    reported.run("balances", "bright-smiles", "-f", "parquet", "-o", str(path))
    table = parquet.read_table(path)
    assert table.column("est_balance").null_count == table.column("clinic_num").null_count == 2
    manifest = json.loads((reported.directory / "today.parquet.manifest.json").read_text())
    assert (manifest["control_totals"]["est_balance"], manifest["control_totals"]["bal_total"]) == (None, "120.00")


def test_a_report_by_clinic_has_the_clinics(history: History) -> None:
    store_night(history, TONIGHT, tuple(each._replace(est_balance=0) for each in THIRD), Reader.REPORT)
    rows = parse_csv(history.run("balances", "bright-smiles", "-f", "csv"))
    assert [(row["clinic_num"], row["est_balance"]) for row in rows] == [("0", ""), ("3", "")]


def test_a_reader_with_fewer_columns_changes_no_family(reported: History) -> None:
    assert json.loads(reported.run("changes", "bright-smiles", "-f", "json"))["changes"] == []
    last = parse_csv(reported.run("history", "bright-smiles", "-f", "csv"))[-1]
    assert (last["est_balance"], last["changed"], last["charged"]) == ("", "0", "0.00")


def test_a_change_has_the_columns_that_both_snapshots_have(reported: History) -> None:
    asked = ("changes", "bright-smiles", "--from", "2026-03-03", "--to", "2026-03-06")
    _, row = json.loads(reported.run(*asked, "-f", "json"))["changes"]
    assert (row["was_est_balance"], row["est_balance"]) == ("25.00", None)
    assert (row["was_bal_total"], row["bal_total"]) == ("25.00", "20.00")
    line = reported.run(*asked).splitlines()[2]
    assert line.split()[2:4] == ["-", "25.00"]


def test_a_fleet_has_no_sum_of_a_column_missing_in_one_office(reported: History) -> None:
    result = reported.fleet.run("balances", "--fleet", "--format", "csv")
    own = {row["name"]: row["est_balance"] for row in parse_csv(result.stdout)}
    assert own == {"bright-smiles": "", "hill-street": "3.00", "group=coast": "3.00", "": ""}


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["csv", "json", "ndjson", "parquet"])
@pytest.mark.parametrize("command", [("balances", "bright-smiles"), ("changes", "bright-smiles"), ("history", "left")])
def test_every_command_writes_every_format_with_its_manifest(
    history: History, command: tuple[str, ...], form: str
) -> None:
    path = history.directory / f"rows.{form}"
    assert history.run(*command, "--format", form, "--output", str(path)) == ""
    manifest: dict[str, Any] = json.loads((history.directory / f"rows.{form}.manifest.json").read_text())
    assert manifest["office"] == command[1]
    assert manifest["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert manifest["rows"] == {"balances": 2, "changes": 2, "history": 1}[command[0]]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    if form != "parquet":
        assert path.read_text() == history.run(*command, "--format", form)


def test_a_manifest_of_balances_has_the_office_s_own_control_totals(history: History) -> None:
    path = history.directory / "today.parquet"
    history.run("balances", "bright-smiles", "-f", "parquet", "-o", str(path))
    manifest = json.loads((history.directory / "today.parquet.manifest.json").read_text())
    assert manifest["snapshot"]["aging_date"] == "2026-03-05"
    assert manifest["control_totals"]["guarantors"] == manifest["rows"] == 2
    assert manifest["control_totals"]["bal_total"] == manifest["totals"]["bal_total"] == "120.00"
    amounts: list[Any] = parquet.read_table(path).column("bal_total").to_pylist()
    assert sum(amounts) == Decimal("120.00")


def test_balances_that_are_not_what_was_published_are_not_exported(history: History, golden: GoldenTexts) -> None:
    with closing(sqlite3.connect(history.directory / "state.db")) as connection:
        connection.execute("UPDATE balance SET ins_est = 1 WHERE office = 1 AND valid_to IS NULL AND pat_num = 14")
        connection.commit()
    path = history.directory / "today.csv"
    golden.check(history.run_failing("balances", "bright-smiles", "-f", "csv", "-o", str(path)))
    assert not path.exists()


def test_a_table_in_a_file_is_a_table(history: History) -> None:
    path = history.directory / "today.txt"
    history.run("balances", "bright-smiles", "-o", str(path))
    assert path.read_text() == history.run("balances", "bright-smiles")
    assert not (history.directory / "today.txt.manifest.json").exists()
