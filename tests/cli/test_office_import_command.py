"""`office import`: all offices of a CSV or none, whatever is wrong with it and whoever kills it."""

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
from tests.cli.sample_fleet import command

HEADER = "id,name,customer_key,timezone,tier,fresh_by,clinics,labels,enabled,min_interval_seconds"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "oddaemon.toml"
    path.write_text('[api]\ndeveloper_key = "Qm7xT2kLp9RvWc4Z"\n[offices]\ndirectory = "offices.d"\n')
    path.chmod(0o600)
    (tmp_path / "offices.d").mkdir()
    return path


def key(office_id: str) -> str:
    return derive_customer_key(1, office_id)


def sheet(config: Path, *lines: str, header: str = HEADER) -> Path:
    path = config.parent / "coast.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    path.chmod(0o600)
    return path


def imported(config: Path, csv: Path, *more: str) -> Result:
    return command("office", "import", str(csv), *more, "--config", str(config))


def ids(config: Path) -> list[str]:
    return [each.office.id for each in load(config).offices]


def test_hundreds_of_offices_come_in_one_directory_with_a_file_each_for_their_owner_alone(config: Path) -> None:
    names = [f"office-{number:03}" for number in range(300)]
    rows = [f'{name},"Dental, {name}",{key(name)},America/Chicago,standard,,,group=coast,,' for name in names]
    done = imported(config, sheet(config, *rows))
    group = config.parent / "offices.d" / "coast"
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == (
        f"300 offices added as {group}/, one file each. No daemon runs; `oddaemon run` watches them.\n"
        "`oddaemon check --live` examines them all.\n"
    )
    assert ids(config) == names
    assert stat.S_IMODE(group.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in group.iterdir()} == {0o600}
    assert load(config).offices[7].customer_key.reveal() == key("office-007")
    assert list(group.parent.iterdir()) == [group]


def test_every_cell_becomes_the_setting_that_it_names(config: Path) -> None:
    (config.parent / "oak.key").write_text(key("oak"))
    (config.parent / "oak.key").chmod(0o600)
    rows = [
        f"elm,Elm é,{key('elm')},,America/Chicago,enterprise,never,1; 2;0,group=coast; region=west,no,2.5",
        ",,,,,,,,,,",
        "oak,,,oak.key,,,06:30,,,YES,",
    ]
    header = HEADER.replace("customer_key", "Customer Key,customer_key_file")
    done = imported(config, sheet(config, *rows, header=f"\ufeff{header}"), "--into", "west")
    assert done.exit_code == 0, done.output
    elm, oak = load(config).offices
    assert (elm.office.name, elm.tier, elm.office.fresh_by, elm.office.clinics) == (
        "Elm é",
        "enterprise",
        None,
        (1, 2, 0),
    )
    assert (elm.office.labels, elm.office.enabled) == ((("group", "coast"), ("region", "west")), False)
    assert elm.min_interval_seconds == 2.5
    assert (oak.office.enabled, oak.customer_key.reveal()) == (True, key("oak"))
    assert oak.source.parent.name == "west"


def test_every_problem_of_every_line_is_listed_and_nothing_is_written(config: Path) -> None:
    csv = sheet(
        config,
        f"elm,Elm,{key('elm')},America/Chicgo,standrd,7,1;x,group,maybe,soon",
        "short,row",
        f"elm,Elm again,{key('elm')},,,,,,,",
        f'"two\nlines",,{key("two")},,,,,,,',
        f"Bad Id,,{key('bad')}/{key('bad')},,,,,tier=gold,,",
    )
    done = imported(config, csv)
    told = done.stderr.splitlines()
    assert (done.exit_code, done.stdout) == (78, "")
    lines = [int(line.removeprefix(f"{csv}:").split(":")[0]) for line in told[:-1]]
    assert lines == sorted(lines)
    assert set(lines) == {2, 3, 4, 5, 7}
    assert lines.count(2) == 7
    assert told[-1] == f"{len(told) - 1} problems; nothing is written."
    for words in (
        "did you mean `America/Chicago`?",
        "did you mean `standard`?",
        "2 cells below 10 columns",
        f'the same id as office[0] "elm" in {csv}:2',
        "the key contains a slash",
        "`tier` is a setting, not a label",
    ):
        assert any(words in line for line in told), words
    assert not any(key(name) in done.output for name in ("elm", "two", "bad"))
    assert list((config.parent / "offices.d").iterdir()) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"id,customer_key\n", "holds no office"),
        (b"id;customer_key\nelm;x\n", "separated by semicolons; separate them by commas"),
        (b"id\tcustomer_key\nelm\tx\n", "separated by tabs; separate them by commas"),
        (b"name\nElm\n", "no column `id`"),
        (b"id,id,customer_key,clincs\n", "did you mean `clinics`?"),
        (b'id,customer_key\n"elm,x\n', "is no CSV from here on"),
        (b"id,customer_key\n\xff\xfe,x\n", "not UTF-8"),
        (b"id,customer_key\nelm,\0\n", "coast.csv:2"),
        (b"elm,Zk4wN6tBc8MrHj2P\n", "unknown column `…`"),
        (b"id,customer_kye\nelm,a b\n", "the key contains white space"),
        (b"idd;x,customer_key\nelm,x\n", "no column `id`"),
    ],
)
def test_what_is_no_csv_of_offices_is_told_as_what_it_is(config: Path, content: bytes, words: str) -> None:
    csv = config.parent / "coast.csv"
    csv.write_bytes(content)
    done = imported(config, csv)
    assert done.exit_code == 78
    assert words in done.stderr
    assert "Zk4wN6tBc8MrHj2P" not in done.output


def test_a_header_with_a_problem_hides_none_of_the_rows_and_names_the_columns_that_there_are(config: Path) -> None:
    csv = sheet(
        config,
        f"elm,{key('elm')},America/Chicgo,7am,group,whatever",
        f"oak,{key('oak')},,,,",
        f"Bad Id,{key('bad')},,,,",
        header="id,customer_key,timezone,fresh-bye,labels,bogus",
    )
    done = imported(config, csv)
    told = [line.removeprefix(f"{csv}:") for line in done.stderr.splitlines()]
    assert told[:2] == [
        (
            "1: unknown column `fresh-bye`; did you mean `fresh_by`? the columns are id, name, customer_key,"
            " customer_key_file, customer_key_env, timezone, tier, min_interval_seconds, base_url, clinics, include,"
            " fresh_by, reader, enabled, labels"
        ),
        "1: unknown column `bogus`",
    ]
    assert [line.split(":")[0] for line in told[2:-1]] == ["2", "2", "2", "4"]
    assert told[-1] == "6 problems; nothing is written."


def test_problems_of_cells_are_told_to_somebody_who_writes_cells(config: Path) -> None:
    done = imported(config, sheet(config, f"elm,Elm,{key('elm')},,read_all,7am,1;x,group,maybe,soon"))
    for words in (
        "labels.group: must have a value; write labels as key=value;key=value",
        'fresh_by = "7am": must be a time of day; write it as 07:00, or never',
        'clinics[1] = "x": must be a whole number; write clinics as 1;2',
        'enabled = "maybe": must be yes or no',
        'min_interval_seconds = "soon": must be a number; such as 2.5',
        "needs a timezone: without queries the office's clock cannot be measured; such as America/Chicago",
    ):
        assert words in done.stderr, words
    assert "quotes" not in done.stderr
    done = imported(
        config, sheet(config, f"elm,Elm,{key('elm')},,,,,tier=gold,,", f"oak,,{key('oak')},Xyz,read_all,,,,,")
    )
    assert "`tier` is a setting, not a label; call the label otherwise" in done.stderr
    assert "[office" not in done.stderr


def test_a_dry_run_writes_nothing(config: Path) -> None:
    done = imported(config, sheet(config, f"elm,Elm,{key('elm')},,,,,,,"), "--dry-run")
    assert done.exit_code == 0
    assert done.stdout == f"1 office would be added as {config.parent}/offices.d/coast/; nothing is written.\n"
    assert list((config.parent / "offices.d").iterdir()) == []


def test_a_directory_that_is_there_is_never_written_into(config: Path) -> None:
    csv = sheet(config, f"elm,Elm,{key('elm')},,,,,,,")
    (config.parent / "offices.d" / "coast").mkdir()
    done = imported(config, csv)
    assert done.exit_code == 1
    assert "exists already and stays as it is; name another directory with --into" in done.stderr
    assert imported(config, csv, "--into", "west").exit_code == 0
    again = imported(config, csv, "--into", "north")
    assert again.exit_code == 78
    assert "the same id as" in again.stderr
    assert ids(config) == ["elm"]


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "..", "a.d"])
def test_a_name_that_would_not_be_read_is_refused(config: Path, name: str) -> None:
    assert imported(config, sheet(config, f"elm,,{key('elm')},,,,,,,"), "--into", name).exit_code == 2


def test_a_csv_that_others_may_read_is_mentioned(config: Path) -> None:
    csv = sheet(config, f"elm,Elm,{key('elm')},,,,,,,")
    csv.chmod(0o644)
    done = imported(config, csv)
    assert done.exit_code == 0
    assert done.stderr.startswith(f"warning: {csv}:2: office[0]")
    assert done.stderr.count("other users may read") == 1


def test_a_csv_that_is_not_there_is_told_as_that(config: Path) -> None:
    done = imported(config, config.parent / "no.csv")
    assert (done.exit_code, done.stderr) == (
        1,
        f"oddaemon: {config.parent}/no.csv cannot be read: No such file or directory\n",
    )


KILLED = textwrap.dedent(
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


def _killed_at(directory: Path, at: int) -> subprocess.CompletedProcess[str]:
    command_line: Sequence[str] = [sys.executable, "-c", KILLED, str(directory), str(at)]
    return subprocess.run(command_line, capture_output=True, text=True, check=False, timeout=240)


@pytest.mark.real("kills real processes")
def test_a_kill_at_any_step_leaves_none_of_the_offices_or_all(config: Path) -> None:
    directory = config.parent / "offices.d"
    seen, at = set(), 0
    while True:
        at += 1
        done = _killed_at(directory, at)
        assert done.returncode in {0, -signal.SIGKILL}, done.stderr
        found = ids(config)
        assert found in ([], ["ash", "elm", "oak"])
        seen.add((done.returncode, len(found)))
        if found:
            for path in (directory / "coast").iterdir():
                path.unlink()
            (directory / "coast").rmdir()
        if done.returncode == 0:
            break
    # Before the renaming nothing is there; a kill behind it finds all of them; and at last nobody is killed.
    assert seen == {(-signal.SIGKILL, 0), (-signal.SIGKILL, 3), (0, 3)}
    assert at > 20
    assert not list(directory.glob(f"{STAGING_PREFIX}*"))


def test_what_a_kill_left_is_taken_away_by_the_next_import(config: Path) -> None:
    directory = config.parent / "offices.d"
    assert _killed_at(directory, 12).returncode == -signal.SIGKILL
    assert [path.name.startswith(STAGING_PREFIX) for path in directory.iterdir()] == [True]
    assert imported(config, sheet(config, f"elm,,{key('elm')},,,,,,,")).exit_code == 0
    assert [path.name for path in directory.iterdir()] == ["coast"]


def test_a_disk_on_which_nothing_can_be_written_changes_nothing(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    done = imported(config, sheet(config, f"elm,,{key('elm')},,,,,,,"))
    assert done.exit_code == 1
    assert "cannot be written: No space left on device; nothing has changed" in done.stderr
    assert list((config.parent / "offices.d").iterdir()) == []
