"""The Python API: its own examples run, and what it gives is what the commands give."""

import doctest
import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from oddaemon import api
from oddaemon.api import ChangeKind, DaySource, OddaemonError, OfficeUnknown, SnapshotMissing, open_database
from oddaemon.core.model import Reader
from tests.cli.sample_history import NIGHTS, OTHER, THIRD, History, make_history, store_backfill, store_night
from tests.golden import GoldenTexts


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> History:
    history = make_history(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "state.db").rename("oddaemon.db")
    (tmp_path / "state.db").symlink_to("oddaemon.db")
    return history


@pytest.mark.usefixtures("history")
def test_its_examples_are_true() -> None:
    with open_database("oddaemon.db") as fleet:
        assert len(fleet.offices()) == 3
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner()
    assert api.__doc__ is not None
    output: list[str] = []
    runner.run(parser.get_doctest(api.__doc__, {}, "oddaemon.api", None, 0), out=output.append)
    assert runner.summarize(verbose=False).attempted > 3
    assert output == []


def test_balances_are_those_of_the_command_to_the_cent(history: History) -> None:
    with open_database("oddaemon.db") as fleet:
        for day in NIGHTS:
            exported = json.loads(history.run("balances", "bright-smiles", "--as-of", str(day), "-f", "json"))[
                "balances"
            ]
            given = [
                {
                    name: value if isinstance(value := getattr(each, name), int) else str(value)
                    for name in api.Balance.__dataclass_fields__
                }
                for each in fleet.balances("bright-smiles", day)
            ]
            assert given == exported


@pytest.mark.usefixtures("history")
def test_changes_between_any_two_days() -> None:
    with open_database("oddaemon.db") as fleet:
        changes = list(fleet.changes("bright-smiles", since=date(2026, 3, 2), until=3))
        assert [(each.pat_num, each.kind) for each in changes] == [
            (11, ChangeKind.CHANGED),
            (12, ChangeKind.CLEARED),
            (13, ChangeKind.CLEARED),
            (14, ChangeKind.NEW),
        ]
        assert changes[0].after is not None
        assert changes[0].after.bal_31_60 == Decimal("60.00")
        assert changes[2].last_seen == date(2026, 3, 2)
        with pytest.raises(SnapshotMissing):
            fleet.changes("bright-smiles", since=3, until=1)
        with pytest.raises(SnapshotMissing):
            fleet.changes("hill-street")


@pytest.mark.usefixtures("history")
def test_history_has_the_roll_rates() -> None:
    with open_database("oddaemon.db") as fleet:
        first, second, _ = fleet.history("bright-smiles")
        assert (first.charged, first.roll_rate_31_60) == (None, None)
        assert (second.rolled_31_60, second.roll_rate_31_60) == (Decimal("60.00"), 0.6)
        assert (
            second.snapshot == fleet.snapshot("bright-smiles", date(2026, 3, 3)) == fleet.snapshots("bright-smiles")[1]
        )


def test_days_that_were_backfilled_are_there_too(history: History) -> None:
    day = date(2025, 12, 31)
    store_backfill(history, day, OTHER)
    with open_database("oddaemon.db") as fleet:
        year_end, first, *_ = fleet.history("bright-smiles")
        shown = year_end.snapshot
        assert shown == fleet.snapshot("bright-smiles", day)
        assert (shown.id, shown.source, shown.aging_date, shown.new) == (None, DaySource.BACKFILLED, day, None)
        assert (first.snapshot.source, first.charged, first.snapshot.new) == (DaySource.NIGHT, Decimal("102.00"), 3)
        assert [each.bal_total for each in fleet.balances("bright-smiles", day)] == [Decimal("3.00")]
        changes = fleet.changes("bright-smiles", since=day, until=2)
        assert [(each.pat_num, each.kind) for each in changes] == [
            (11, ChangeKind.CHANGED),
            (12, ChangeKind.NEW),
            (14, ChangeKind.NEW),
        ]
        assert len(fleet.snapshots("bright-smiles")) == 3
        with pytest.raises(SnapshotMissing):
            fleet.changes("bright-smiles", since=2, until=day)


def test_columns_missing_from_a_reader_are_none(history: History) -> None:
    store_night(
        history, date(2026, 3, 6), tuple(each._replace(clinic_num=0, est_balance=0) for each in THIRD), Reader.REPORT
    )
    with open_database("oddaemon.db") as fleet:
        assert fleet.snapshot("bright-smiles").est_balance is None
        values = [(each.clinic_num, each.est_balance, each.bal_total) for each in fleet.balances("bright-smiles")]
        assert values == [(None, None, Decimal("100.00")), (None, None, Decimal("20.00"))]
        assert list(fleet.changes("bright-smiles")) == []
        (_, change) = fleet.changes("bright-smiles", since=2)
        assert change.before is not None
        assert change.after is not None
        assert (change.before.est_balance, change.after.est_balance) == (Decimal("25.00"), None)


@pytest.mark.usefixtures("history")
def test_what_is_not_there_says_so_at_once(golden: GoldenTexts) -> None:
    with open_database("oddaemon.db") as fleet:
        with pytest.raises(OfficeUnknown, match="no office 'nowhere'"):
            fleet.balances("nowhere")
        with pytest.raises(SnapshotMissing) as caught:
            fleet.balances("bright-smiles", date(2026, 3, 4))
        golden.check(caught.value)
    with pytest.raises(OddaemonError) as missing, open_database("elsewhere.db"):
        pass
    golden.check(missing.value)


@pytest.mark.usefixtures("history")
def test_what_is_shown_by_accident_is_no_patient_data() -> None:
    with open_database("oddaemon.db") as fleet:
        for shown in (*fleet.balances("bright-smiles"), *fleet.changes("bright-smiles")):
            assert not any(character.isdigit() for character in repr(shown).replace("2026, 3, 3", ""))


def test_a_directory_is_reported_as_a_directory(tmp_path: Path, golden: GoldenTexts) -> None:
    with pytest.raises(OddaemonError) as caught, open_database(tmp_path):
        pass
    golden.check(caught.value)


@pytest.mark.usefixtures("history")
def test_what_is_read_after_the_block_says_what_to_do(golden: GoldenTexts) -> None:
    with open_database("state.db") as fleet:
        changes, balances = fleet.changes("bright-smiles"), fleet.balances("bright-smiles")
    for read in (lambda: list(changes), lambda: list(balances), fleet.offices):
        with pytest.raises(OddaemonError) as caught:
            read()
        golden.check(caught.value)
