"""`office import`: all offices of a CSV or none, with any problem in it and any kill."""

import os
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import Result

from oddaemon.cli.onboarding.office_files import STAGING_PREFIX
from oddaemon.settings import load
from oddaemon.simulator.plan.plan_file import derive_customer_key
from tests.cli.sample_fleet import invoke
from tests.golden import GoldenTexts

HEADER = "id,name,customer_key,timezone,tier,fresh_by,clinics,labels,enabled,min_interval_seconds"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "oddaemon.toml"
    path.write_text('[api]\ndeveloper_key = "Qm7xT2kLp9RvWc4Z"\n[offices]\ndirectory = "offices.d"\n')
    path.chmod(0o600)
    (tmp_path / "offices.d").mkdir()
    return path


def make_key(office_id: str) -> str:
    return derive_customer_key(1, office_id)


def write_csv(config: Path, *lines: str, header: str = HEADER) -> Path:
    path = config.parent / "coast.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    path.chmod(0o600)
    return path


def run_import(config: Path, csv: Path, *more: str) -> Result:
    return invoke("office", "import", str(csv), *more, "--config", str(config))


def list_office_ids(config: Path) -> list[str]:
    return list(load(config).offices)


def test_hundreds_of_offices_become_private_files_in_one_directory(config: Path, golden: GoldenTexts) -> None:
    names = [f"office-{number:03}" for number in range(300)]
    rows = [f'{name},"Dental, {name}",{make_key(name)},America/Chicago,standard,,,group=coast,,' for name in names]
    done = run_import(config, write_csv(config, *rows))
    group = config.parent / "offices.d" / "coast"
    assert (done.exit_code, done.stderr) == (0, "")
    golden.check(done.stdout)
    assert list_office_ids(config) == names
    assert stat.S_IMODE(group.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in group.iterdir()} == {0o600}
    assert load(config).offices["office-007"].credentials.customer_key.reveal() == make_key("office-007")
    assert list(group.parent.iterdir()) == [group]


def test_every_cell_becomes_the_setting_that_it_names(config: Path) -> None:
    (config.parent / "oak.key").write_text(make_key("oak"))
    (config.parent / "oak.key").chmod(0o600)
    rows = [
        f"elm,Elm é,{make_key('elm')},,America/Chicago,enterprise,never,1; 2;0,group=coast; region=west,no,2.5",
        ",,,,,,,,,,",
        "oak,,,oak.key,,,06:30,,,YES,",
    ]
    header = HEADER.replace("customer_key", "Customer Key,customer_key_file")
    done = run_import(config, write_csv(config, *rows, header=f"\ufeff{header}"), "--into", "west")
    assert done.exit_code == 0, done.output
    elm, oak = load(config).offices.values()
    assert (elm.spec.name, elm.tier, elm.spec.fresh_by, elm.spec.clinics) == (
        "Elm é",
        "enterprise",
        None,
        (1, 2, 0),
    )
    assert (elm.spec.labels, elm.spec.enabled) == ((("group", "coast"), ("region", "west")), False)
    assert elm.credentials.min_interval_seconds == 2.5
    assert (oak.spec.enabled, oak.credentials.customer_key.reveal()) == (True, make_key("oak"))
    assert oak.source.parent.name == "west"


def test_every_problem_of_every_line_is_listed_and_nothing_is_written(config: Path, golden: GoldenTexts) -> None:
    csv = write_csv(
        config,
        f"elm,Elm,{make_key('elm')},America/Chicgo,standrd,7,1;x,group,maybe,soon",
        "short,row",
        f"elm,Elm again,{make_key('elm')},,,,,,,",
        f'"two\nlines",,{make_key("two")},,,,,,,',
        f"Bad Id,,{make_key('bad')}/{make_key('bad')},,,,,tier=gold,,",
    )
    done = run_import(config, csv)
    error_lines = done.stderr.splitlines()
    assert (done.exit_code, done.stdout) == (78, "")
    lines = [int(line.removeprefix(f"{csv}:").split(":")[0]) for line in error_lines[:-1]]
    assert lines == sorted(lines)
    assert set(lines) == {2, 3, 4, 5, 7}
    assert lines.count(2) == 7
    golden.check(error_lines[-1])
    for text in (
        "did you mean `America/Chicago`?",
        "did you mean `standard`?",
        "2 cells for 10 columns",
        f'is also the id of office[0] "elm" in {csv}:2',
        "the key contains a slash",
        "`tier` is a setting and not a label",
    ):
        assert any(text in line for line in error_lines), text
    assert not any(make_key(name) in done.output for name in ("elm", "two", "bad"))
    assert list((config.parent / "offices.d").iterdir()) == []


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"id,customer_key\n", "has no offices"),
        (b"id;customer_key\nelm;x\n", "separated by semicolons; separate them by commas"),
        (b"id\tcustomer_key\nelm\tx\n", "separated by tabs; separate them by commas"),
        (b"name\nElm\n", "no column `id`"),
        (b"id,id,customer_key,clincs\n", "did you mean `clinics`?"),
        (b'id,customer_key\n"elm,x\n', "not valid CSV from here on"),
        (b"id,customer_key\n\xff\xfe,x\n", "not UTF-8"),
        (b"id,customer_key\nelm,\0\n", "coast.csv:2"),
        (b"elm,Zk4wN6tBc8MrHj2P\n", "unknown column `…`"),
        (b"id,customer_kye\nelm,a b\n", "the key contains white space"),
        (b"idd;x,customer_key\nelm,x\n", "no column `id`"),
    ],
)
def test_an_invalid_csv_is_reported_with_its_problem(config: Path, content: bytes, text: str) -> None:
    csv = config.parent / "coast.csv"
    csv.write_bytes(content)
    done = run_import(config, csv)
    assert done.exit_code == 78
    assert text in done.stderr
    assert "Zk4wN6tBc8MrHj2P" not in done.output


def test_a_bad_header_hides_no_row_and_names_the_known_columns(config: Path, golden: GoldenTexts) -> None:
    csv = write_csv(
        config,
        f"elm,{make_key('elm')},America/Chicgo,7am,group,whatever",
        f"oak,{make_key('oak')},,,,",
        f"Bad Id,{make_key('bad')},,,,",
        header="id,customer_key,timezone,fresh-bye,labels,bogus",
    )
    done = run_import(config, csv)
    error_lines = [line.removeprefix(f"{csv}:") for line in done.stderr.splitlines()]
    golden.check(error_lines[:2])
    assert [line.split(":")[0] for line in error_lines[2:-1]] == ["2", "2", "2", "4"]
    golden.check(error_lines[-1])


def test_problems_of_cells_are_described_in_terms_of_cells(config: Path, golden: GoldenTexts) -> None:
    done = run_import(config, write_csv(config, f"elm,Elm,{make_key('elm')},,read_all,7am,1;x,group,maybe,soon"))
    for text in (
        "labels.group: must have a value; write labels as key=value;key=value",
        'fresh_by = "7am": must be a time of day; write it as 07:00, or never',
        'clinics[1] = "x": must be a whole number; write clinics as 1;2',
        'enabled = "maybe": must be yes or no',
        'min_interval_seconds = "soon": must be a number; such as 2.5',
        "requires `timezone`: without queries, oddaemon cannot measure the office's clock; such as America/Chicago",
    ):
        assert text in done.stderr, text
    assert "quotes" not in done.stderr
    done = run_import(
        config,
        write_csv(config, f"elm,Elm,{make_key('elm')},,,,,tier=gold,,", f"oak,,{make_key('oak')},Xyz,read_all,,,,,"),
    )
    golden.check(done.stderr)
    assert "[office" not in done.stderr


def test_a_dry_run_writes_nothing(config: Path, golden: GoldenTexts) -> None:
    done = run_import(config, write_csv(config, f"elm,Elm,{make_key('elm')},,,,,,,"), "--dry-run")
    assert done.exit_code == 0
    golden.check(done.stdout)
    assert list((config.parent / "offices.d").iterdir()) == []


def test_a_directory_that_is_there_is_never_written_into(config: Path, golden: GoldenTexts) -> None:
    csv = write_csv(config, f"elm,Elm,{make_key('elm')},,,,,,,")
    (config.parent / "offices.d" / "coast").mkdir()
    done = run_import(config, csv)
    assert done.exit_code == 1
    golden.check(done.stderr)
    assert run_import(config, csv, "--into", "west").exit_code == 0
    again = run_import(config, csv, "--into", "north")
    assert again.exit_code == 78
    golden.check(again.stderr)
    assert list_office_ids(config) == ["elm"]


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "..", "a.d"])
def test_a_name_that_would_not_be_read_is_refused(config: Path, name: str) -> None:
    assert run_import(config, write_csv(config, f"elm,,{make_key('elm')},,,,,,,"), "--into", name).exit_code == 2


def test_a_csv_that_others_may_read_is_mentioned(config: Path, golden: GoldenTexts) -> None:
    csv = write_csv(config, f"elm,Elm,{make_key('elm')},,,,,,,")
    csv.chmod(0o644)
    done = run_import(config, csv)
    assert done.exit_code == 0
    golden.check(done.stderr)
    assert done.stderr.count("other users") == 1


def test_a_missing_csv_is_reported(config: Path, golden: GoldenTexts) -> None:
    done = run_import(config, config.parent / "no.csv")
    assert done.exit_code == 1
    golden.check(done.stderr)


KILLED_IMPORT_SCRIPT = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    from oddaemon.cli.onboarding import office_files
    from oddaemon.settings import Secret, render_office_toml

    directory, at = Path(sys.argv[1]), int(sys.argv[2])
    steps = 0

    def step(*_ignored):
        global steps
        steps += 1
        if steps == at:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(done):
        def call(*arguments, **options):
            step()
            return done(*arguments, **options)
        return call

    for name in ("fsync", "open", "close", "fchmod"):
        setattr(os, name, counted(getattr(os, name)))
    Path.rename, Path.mkdir = counted(Path.rename), counted(Path.mkdir)
    texts = {f"{n}.toml": render_office_toml({"id": n, "customer_key": Secret("k" + n)}) for n in ("ash", "elm", "oak")}
    with office_files.lock_directory(directory):
        office_files.write_group(directory / "coast", texts, step)
    print(steps)
    """
)


def _run_killed_at(directory: Path, at: int) -> subprocess.CompletedProcess[str]:
    command_line: Sequence[str] = [sys.executable, "-c", KILLED_IMPORT_SCRIPT, str(directory), str(at)]
    return subprocess.run(command_line, capture_output=True, text=True, check=False, timeout=240)


@pytest.mark.real("kills real processes")
def test_a_kill_at_any_step_leaves_none_of_the_offices_or_all(config: Path) -> None:
    directory = config.parent / "offices.d"
    states, at = set(), 0
    while True:
        at += 1
        done = _run_killed_at(directory, at)
        assert done.returncode in {0, -signal.SIGKILL}, done.stderr
        found = list_office_ids(config)
        assert found in ([], ["ash", "elm", "oak"])
        states.add((done.returncode, len(found)))
        if found:
            for path in (directory / "coast").iterdir():
                path.unlink()
            (directory / "coast").rmdir()
        if done.returncode == 0:
            break
    # Before the renaming nothing is there; a kill behind it finds all of them; and at last there is no kill.
    assert states == {(-signal.SIGKILL, 0), (-signal.SIGKILL, 3), (0, 3)}
    assert at > 20
    assert not list(directory.glob(f"{STAGING_PREFIX}*"))


def test_what_a_kill_left_is_taken_away_by_the_next_import(config: Path) -> None:
    directory = config.parent / "offices.d"
    assert _run_killed_at(directory, 12).returncode == -signal.SIGKILL
    assert [path.name.startswith(STAGING_PREFIX) for path in directory.iterdir()] == [True]
    assert run_import(config, write_csv(config, f"elm,,{make_key('elm')},,,,,,,")).exit_code == 0
    assert [path.name for path in directory.iterdir()] == ["coast"]


def test_a_disk_on_which_nothing_can_be_written_changes_nothing(
    config: Path, monkeypatch: pytest.MonkeyPatch, golden: GoldenTexts
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    done = run_import(config, write_csv(config, f"elm,,{make_key('elm')},,,,,,,"))
    assert done.exit_code == 1
    golden.check(done.stderr)
    assert list((config.parent / "offices.d").iterdir()) == []


def test_the_empty_columns_that_a_spreadsheet_adds_at_the_end_are_dropped(config: Path) -> None:
    rows = [f"elm,{make_key('elm')},,,", f"oak,{make_key('oak')}", f"ash,{make_key('ash')},,,,,"]
    done = run_import(config, write_csv(config, *rows, header="id,customer_key,,,"))
    assert (done.exit_code, done.stderr) == (0, "")
    assert sorted(list_office_ids(config)) == ["ash", "elm", "oak"]


def test_a_cell_in_a_column_without_a_name_is_a_problem(config: Path) -> None:
    done = run_import(config, write_csv(config, f"elm,{make_key('elm')},,x", header="id,customer_key,,"))
    assert done.exit_code != 0
    assert "4 cells for 2 columns" in done.stderr


def test_the_empty_cells_at_the_end_of_a_row_are_not_counted(config: Path) -> None:
    done = run_import(config, write_csv(config, f"elm,{make_key('elm')},x,,,", header="id,customer_key,,,"))
    assert "3 cells for 2 columns" in done.stderr


@pytest.mark.parametrize("written", ["'{}", '"=""{}"""', '="{}"', "  {}  "])
def test_a_key_in_the_marks_of_a_spreadsheet_is_repaired(config: Path, written: str) -> None:
    done = run_import(config, write_csv(config, f"elm,{written.format(make_key('elm'))}", header="id,customer_key"))
    assert (done.exit_code, done.stderr) == (0, "")
    assert next(iter(load(config).offices.values())).credentials.customer_key.reveal() == make_key("elm")


def test_a_key_that_a_spreadsheet_made_a_number_is_refused_by_its_line(config: Path, golden: GoldenTexts) -> None:
    done = run_import(config, write_csv(config, "elm,1.11122E+15", header="id,customer_key"))
    assert done.exit_code != 0
    golden.check(done.stderr)
    assert "coast.csv:2" in done.stderr
