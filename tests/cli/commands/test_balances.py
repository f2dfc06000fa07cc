import csv
import io
import stat
from decimal import Decimal
from pathlib import Path

import pytest

from tests.cli.sample_fleet import SampleFleet, parse_json
from tests.golden import GoldenTexts


def test_the_table_has_every_guarantor_and_a_line_of_totals(fleet: SampleFleet, golden: GoldenTexts) -> None:
    result = fleet.run("balances", "bright-smiles")

    assert result.exit_code == 0
    golden.check(result.stdout)


def test_json_is_the_contract_s_and_ordered_by_pat_num(fleet: SampleFleet) -> None:
    document = parse_json(fleet.run("balances", "bright-smiles", "--format", "json"))

    assert document.keys() == {"office", "snapshot", "balances"}
    assert document["office"] == "bright-smiles"
    snapshot, balances = document["snapshot"], document["balances"]
    assert isinstance(snapshot, dict)
    assert isinstance(balances, list)
    assert (snapshot["guarantors"], snapshot["bal_total"], snapshot["aging_date"]) == (3, "382.45", "2026-03-02")
    assert [balance["pat_num"] for balance in balances] == [11, 205, 9007199254740993]
    assert balances[2] == {
        "pat_num": 9007199254740993,
        "clinic_num": 0,
        "est_balance": "-0.05",
        "bal_0_30": "0.00",
        "bal_31_60": "0.00",
        "bal_61_90": "0.00",
        "bal_over_90": "0.00",
        "ins_est": "0.00",
        "bal_total": "-0.05",
    }


def test_csv_adds_up_to_the_snapshot(fleet: SampleFleet) -> None:
    rows = list(csv.DictReader(io.StringIO(fleet.run("balances", "bright-smiles", "--format", "csv").stdout)))

    assert [row["pat_num"] for row in rows] == ["11", "205", "9007199254740993"]
    assert sum(Decimal(row["bal_total"]) for row in rows) == Decimal("382.45")


def test_an_output_file_is_for_its_owner_alone_and_replaces_what_was_there(fleet: SampleFleet, tmp_path: Path) -> None:
    target = tmp_path / "today.csv"
    target.write_text("yesterday's, and much longer than today's " * 100)
    target.chmod(0o644)

    result = fleet.run("balances", "bright-smiles", "--format", "csv", "--output", str(target))

    assert (result.exit_code, result.stdout) == (0, "")
    assert target.read_text() == fleet.run("balances", "bright-smiles", "--format", "csv").stdout
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert not list(tmp_path.glob(".today*"))


def test_an_impossible_place_is_a_message(fleet: SampleFleet, tmp_path: Path, golden: GoldenTexts) -> None:
    result = fleet.run("balances", "bright-smiles", "--output", str(tmp_path / "nowhere" / "today.csv"))

    assert result.exit_code == 1
    golden.check(result.stderr)


def test_an_office_without_a_snapshot_says_why(fleet: SampleFleet, golden: GoldenTexts) -> None:
    result = fleet.run("balances", "hill-street")

    assert (result.exit_code, result.stdout) == (1, "")
    golden.check(result.stderr)


@pytest.mark.parametrize(
    ("name", "first"),
    [("t.csv", b"pat_num,"), ("t.JSON", b"{"), ("t.ndjson", b'{"pat_num"'), ("t.parquet", b"PAR1"), ("t", b"  ")],
)
def test_the_suffix_of_the_file_says_the_format(fleet: SampleFleet, tmp_path: Path, name: str, first: bytes) -> None:
    target = tmp_path / name

    assert fleet.run("balances", "bright-smiles", "--output", str(target)).exit_code == 0

    assert target.read_bytes().startswith(first)


def test_no_manifest_is_left_beside_a_table(fleet: SampleFleet, tmp_path: Path) -> None:
    target = tmp_path / "today.csv"
    fleet.run("balances", "bright-smiles", "--output", str(target))
    assert (tmp_path / "today.csv.manifest.json").exists()

    fleet.run("balances", "bright-smiles", "--format", "table", "--output", str(target))

    assert target.read_text() == fleet.run("balances", "bright-smiles").stdout
    assert list(tmp_path.glob("today*")) == [target]
