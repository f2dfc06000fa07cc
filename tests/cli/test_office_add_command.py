"""`office add` and `office list`, with a simulated office that answers and with a terminal at which somebody types."""

import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from oddaemon.cli.app import app
from oddaemon.settings import load
from tests.cli.control_desk import daemon
from tests.cli.sample_fleet import command, json_of
from tests.cli.simulated import ZONE, fault, headquarters, office
from tests.cli.terminal import conversation

OAK = "offices.d/oak.toml"


class Place:
    """A configuration of one office, and the key of another that answers but is not in it."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.path = config.parent / OAK
        found = re.search(r'customer_key = "(\w+)"', self.path.read_text())
        assert found is not None
        self.key = found[1]
        self.path.unlink()

    def add(self, *arguments: str, key: str | None = None) -> Result:
        more = ["office", "add", *arguments, "--config", str(self.config)]
        return CliRunner().invoke(app, more, input=self.key if key is None else key)

    def ids(self) -> list[str]:
        return [each.office.id for each in load(self.config).offices]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with headquarters(tmp_path, [office("elm"), office("oak", clinics=3)]) as config:
        yield Place(config)


@pytest.mark.real("keeps the pace of the API in real time")
def test_an_office_is_examined_and_written_for_its_owner_alone(place: Place) -> None:
    done = place.add(
        *("--id", "oak", "--name", 'Oak "Dental" é', "--timezone", ZONE, "--clinics", "1,2,0", "--fresh-by", "06:30"),
        *("--label", "group=coast", "--label", "since=2026"),
    )
    assert done.exit_code == 0, done.output
    assert "✓ Customer key           It opens the database of “Practice oak”." in done.stdout
    assert f"{place.path} is written. No daemon runs; `oddaemon run` watches it." in done.stdout
    assert stat.S_IMODE(place.path.stat().st_mode) == 0o600
    assert place.key not in done.output
    added = load(place.config).offices[1]
    assert (added.office.name, added.office.clinics) == ('Oak "Dental" é', (1, 2, 0))
    assert added.office.labels == (("group", "coast"), ("since", "2026"))
    assert added.customer_key.reveal() == place.key


def test_whatever_would_be_bad_in_the_whole_is_shown_before_anybody_is_asked_and_nothing_is_written(
    place: Place,
) -> None:
    elm = (place.path.parent / "elm.toml").read_text()
    key = re.search(r'customer_key = "(\w+)"', elm)
    assert key is not None
    done = place.add("--id", "Elm", "--timezone", "Chicago", "--tier", "gold", "--clinics", "1,x", key=key[1])
    assert done.exit_code == 78
    assert done.stdout == ""
    told = done.stderr.splitlines()
    assert len(told) == 6, told
    for words in ("must be a short name", "did you mean `America/Chicago`", "must be one of", "whole number"):
        assert any(words in line for line in told), words
    assert any('the same id as office[0] "elm"' in line for line in told)
    assert any('the same key as office[0] "elm"' in line for line in told)
    assert place.ids() == ["elm"]
    assert not list(place.path.parent.glob(".*"))


@pytest.mark.real("keeps the pace of the API in real time")
def test_an_office_that_needs_somebody_is_not_written_unless_nobody_looks(place: Place) -> None:
    done = place.add("--id", "oak", key="aKeyThatNobodyHas")
    assert (done.exit_code, place.ids()) == (1, ["elm"])
    assert "✗ Customer key" in done.stdout
    assert "→ you: Was the key typed right?" in done.stdout
    assert "To send to the office: Hello!" in done.stdout
    assert "any more" not in done.stdout
    assert done.stderr.endswith("mend the first ✗, or write it all the same with --no-probe\n")
    assert place.add("--id", "oak", "--no-probe", key="aKeyThatNobodyHas").exit_code == 0
    assert place.ids() == ["elm", "oak"]


def test_a_file_that_is_there_is_never_written_over(place: Place) -> None:
    place.path.write_text("# mine\n")
    done = place.add("--id", "oak", "--no-probe")
    assert done.exit_code == 1
    assert "exists already and stays as it is" in done.stderr
    assert place.path.read_text() == "# mine\n"
    assert not list(place.path.parent.glob(".*"))


def test_what_a_killed_command_left_behind_is_neither_read_nor_kept(place: Place) -> None:
    left = place.path.parent / ".oddaemon-0123"
    left.write_text('[[office]]\nid = "ghost"\n')
    assert place.ids() == ["elm"]
    assert place.add("--id", "oak", "--no-probe").exit_code == 0
    assert not left.exists()


def test_the_key_may_come_from_a_file_from_the_environment_or_from_standard_input(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text(f"{place.key}\n")
    monkeypatch.setenv("OAK_KEY", place.key)
    for source in (["--key-file", str(file)], ["--key-env", "OAK_KEY"], ["--key-file", "-"], []):
        assert place.add("--id", "oak", "--no-probe", *source).exit_code == 0
        assert load(place.config).offices[1].customer_key.reveal() == place.key
        place.path.unlink()
    assert place.add("--id", "oak", "--key-file", str(file), "--key-env", "OAK_KEY").exit_code == 2
    assert "holds no NO_SUCH" in place.add("--id", "oak", "--key-env", "NO_SUCH").stderr
    assert "cannot be read" in place.add("--id", "oak", "--key-file", str(tmp_path)).stderr
    assert place.add("--no-probe").exit_code == 2
    assert "the key is empty" in place.add("--id", "oak", "--no-probe", key="").stderr


def test_a_daemon_that_runs_is_said_to_take_it_up(place: Place) -> None:
    with daemon(place.config.parent / "oddaemon.db.sock"):
        done = place.add("--id", "oak", "--no-probe")
    assert "The running daemon takes it up by itself within about 1 s" in done.stdout
    with place.config.open("a") as file:
        file.write("\n[daemon]\nwatch = false\n")
    place.path.unlink()
    with daemon(place.config.parent / "oddaemon.db.sock"):
        done = place.add("--id", "oak", "--no-probe")
    assert "`oddaemon reload` has the running daemon take it up." in done.stdout


def test_without_a_directory_of_offices_it_says_what_to_write(tmp_path: Path) -> None:
    config = tmp_path / "oddaemon.toml"
    config.write_text('[api]\ndeveloper_key = "Qm7xT2kLp9RvWc4Z"\n')
    config.chmod(0o600)
    done = command("office", "add", "--id", "oak", "--config", str(config))
    assert done.exit_code == 78
    assert 'add [offices] with directory = "offices.d"' in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root lends a directory to a group")
def test_in_a_directory_that_root_lends_to_a_group_that_group_may_read(place: Place) -> None:
    place.path.parent.chmod(0o2750)
    assert place.add("--id", "oak", "--no-probe").exit_code == 0
    assert stat.S_IMODE(place.path.stat().st_mode) == 0o640


def questions(place: Place, zone: str, *more: tuple[str, str]) -> list[tuple[str, str]]:
    return [
        ("Short name", "oak"),
        ("Full name [oak]", "Oak Dental"),
        ("Tier of the key", ""),
        ("Time zone", zone),
        ("Fresh by", ""),
        ("Clinics", ""),
        ("Labels", "group=coast"),
        ("Customer key (not shown): ", place.key),
        *more,
    ]


@pytest.mark.real("keeps the pace of the API in real time")
def test_at_a_terminal_what_matters_is_asked_the_key_is_not_shown_and_the_zone_is_suggested(place: Place) -> None:
    added = ["office", "add", "--config", str(place.config)]
    status, screen = conversation(added, questions(place, "", ("have the clock measured", "")), place.config.parent)
    assert status == 0, screen
    assert place.key not in screen
    assert f"[{ZONE}]" in screen
    assert "1 step" not in screen
    found = load(place.config).offices[1]
    assert (found.office.name, str(found.office.zone)) == ("Oak Dental", ZONE)
    assert found.office.labels == (("group", "coast"),)


def test_at_a_terminal_a_wrong_answer_is_asked_for_again_at_once_with_what_is_wrong(place: Place) -> None:
    found = re.search(r'customer_key = "(\w+)"', (place.path.parent / "elm.toml").read_text())
    assert found is not None
    said = [
        ("Short name", "ELM"),
        ("must be a short name", "elm"),
        ("there is an office of this id already, in", "oak"),
        ("Full name [oak]", ""),
        ("Tier of the key", "gold"),
        ("must be one of `read_all`, `standard`, `enterprise`", "read_all"),
        ("Time zone", ""),
        ("needs a timezone", "Los Angeles"),
        ("did you mean `America/Los_Angeles`?", ZONE),
        ("must be a time of day; write it as 07:00, or never", "9am"),
        ("must be a time of day; write it as 07:00, or never", "never"),
        ("Clinics", "08:30"),
        ("must be a whole number; write clinics as 1;2", "1;2"),
        ("Labels", "group"),
        ("must have a value; write labels as key=value;key=value", "group=coast;region=west"),
        ("Customer key (not shown): ", "with a blank"),
        ("the key contains white space; nothing but the key may stand there\r\nCustomer key (not shown): ", found[1]),
        ("remove one of them\r\nCustomer key (not shown): ", place.key),
    ]
    added = ["office", "add", "--no-probe", "--fresh-by", "noon", "--config", str(place.config)]
    status, screen = conversation(added, said, place.config.parent)
    assert status == 0, screen
    assert place.key not in screen
    office = load(place.config).offices[1]
    assert (office.tier, office.office.fresh_by, office.office.clinics) == ("read_all", None, (1, 2))
    assert office.office.labels == (("group", "coast"), ("region", "west"))


@pytest.mark.real("keeps the pace of the API in real time")
def test_at_a_terminal_the_suggested_zone_may_be_declined(place: Place) -> None:
    added = ["office", "add", "--config", str(place.config)]
    status, screen = conversation(added, questions(place, "", ("have the clock measured", "-")), place.config.parent)
    assert status == 0, screen
    assert load(place.config).offices[1].office.zone is None


@pytest.mark.real("keeps the pace of the API in real time")
def test_at_a_terminal_an_office_that_needs_somebody_is_written_only_if_that_is_wanted(tmp_path: Path) -> None:
    with headquarters(tmp_path, [office("elm"), office("oak")], [fault("econnector_down", "oak")]) as config:
        place = Place(config)
        added = ["office", "add", "--config", str(config)]
        for answer, known in (("n", ["elm"]), ("y", ["elm", "oak"])):
            asked = questions(place, ZONE, ("Write it all the same?", answer))
            status, screen = conversation(added, asked, tmp_path)
            assert (status, place.ids()) == (int(answer == "n"), known), screen


def listed(config: Path, *more: str) -> Any:
    return command("office", "list", "--config", str(config), *more)


def test_offices_are_listed_as_they_are_configured_and_without_keys(place: Place) -> None:
    place.add("--id", "oak", "--label", "group=coast", "--no-probe", "--tier", "enterprise", "--fresh-by", "")
    shown = listed(place.config)
    assert shown.stdout.splitlines() == [
        "OFFICE  NAME  ON   TIER        ZONE                 FRESH BY  LABELS",
        "elm     elm   yes  standard    America/Los_Angeles  07:00",
        "oak     oak   yes  enterprise  measured             -         group=coast",
        "2 offices.",
    ]
    found = json_of(listed(place.config, "--json"))["offices"]
    assert isinstance(found, list)
    assert (found[1]["id"], found[1]["tier"], found[1]["timezone"]) == ("oak", "enterprise", None)
    assert found[1]["labels"] == {"group": "coast"}
    assert place.key not in json.dumps(found)


def test_an_empty_list_says_how_offices_come(tmp_path: Path) -> None:
    config = tmp_path / "oddaemon.toml"
    config.write_text('[api]\ndeveloper_key = "Qm7xT2kLp9RvWc4Z"\n')
    config.chmod(0o600)
    assert "`oddaemon office add`" in listed(config).stdout
