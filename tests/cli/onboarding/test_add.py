"""`office add` and `office list`, with a simulated office, and on a terminal with typed answers."""

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
from tests.cli.fake_control_socket import fake_daemon
from tests.cli.sample_fleet import invoke, parse_json
from tests.cli.simulated_headquarters import ZONE, make_fault, make_office, simulated_headquarters
from tests.cli.terminal import run_in_terminal
from tests.golden import GoldenTexts

OAK = "offices.d/oak.toml"


class AddSetup:
    """A configuration of one office, and the key of another that answers but is not in it."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.path = config.parent / OAK
        found = re.search(r'customer_key = "(\w+)"', self.path.read_text())
        assert found is not None
        self.key = found[1]
        self.path.unlink()

    def run_add(self, *arguments: str, key: str | None = None) -> Result:
        more = ["office", "add", *arguments, "--config", str(self.config)]
        return CliRunner().invoke(app, more, input=self.key if key is None else key)

    def list_office_ids(self) -> list[str]:
        return list(load(self.config).offices)


@pytest.fixture
def add_setup(tmp_path: Path) -> Iterator[AddSetup]:
    with simulated_headquarters(tmp_path, [make_office("elm"), make_office("oak", clinics=3)]) as config:
        yield AddSetup(config)


@pytest.mark.real("keeps the pace of the API in real time")
def test_an_office_is_checked_and_written_for_its_owner_alone(add_setup: AddSetup) -> None:
    done = add_setup.run_add(
        *("--id", "oak", "--name", 'Oak "Dental" é', "--timezone", ZONE, "--clinics", "1,2,0", "--fresh-by", "06:30"),
        *("--label", "group=coast", "--label", "since=2026"),
    )
    assert done.exit_code == 0, done.output
    assert "✓ Customer key " in done.stdout
    assert f"Wrote {add_setup.path}." in done.stdout
    assert stat.S_IMODE(add_setup.path.stat().st_mode) == 0o600
    assert add_setup.key not in done.output
    added = load(add_setup.config).offices["oak"]
    assert (added.spec.name, added.spec.clinics) == ('Oak "Dental" é', (1, 2, 0))
    assert added.spec.labels == (("group", "coast"), ("since", "2026"))
    assert added.credentials.customer_key.reveal() == add_setup.key


def test_configuration_problems_are_shown_before_any_prompt_and_nothing_is_written(
    add_setup: AddSetup,
) -> None:
    elm = (add_setup.path.parent / "elm.toml").read_text()
    key = re.search(r'customer_key = "(\w+)"', elm)
    assert key is not None
    done = add_setup.run_add("--id", "Elm", "--timezone", "Chicago", "--tier", "gold", "--clinics", "1,x", key=key[1])
    assert done.exit_code == 78
    assert done.stdout == ""
    error_lines = done.stderr.splitlines()
    assert len(error_lines) == 6, error_lines
    facts = (
        *("must be a short name", "did you mean `America/Chicago`", "must be one of", "whole number"),
        *('is also the id of office[0] "elm"', 'is also the key of office[0] "elm"'),
    )
    for text in facts:
        assert any(text in line for line in error_lines), text
    assert add_setup.list_office_ids() == ["elm"]
    assert not list(add_setup.path.parent.glob(".*"))


@pytest.mark.real("keeps the pace of the API in real time")
def test_a_failed_office_is_not_written_unless_forced(add_setup: AddSetup, golden: GoldenTexts) -> None:
    done = add_setup.run_add("--id", "oak", key="aKeyThatNobodyHas")
    assert (done.exit_code, add_setup.list_office_ids()) == (1, ["elm"])
    assert "✗ Customer key" in done.stdout
    assert "→ you: Compare `customer_key`" in done.stdout
    golden.check(done.stdout)
    assert "any more" not in done.stdout
    assert "--no-probe" in done.stderr
    assert add_setup.run_add("--id", "oak", "--no-probe", key="aKeyThatNobodyHas").exit_code == 0
    assert add_setup.list_office_ids() == ["elm", "oak"]


def test_a_file_that_is_there_is_never_written_over(add_setup: AddSetup, golden: GoldenTexts) -> None:
    add_setup.path.write_text("# mine\n")
    done = add_setup.run_add("--id", "oak", "--no-probe")
    assert done.exit_code == 1
    golden.check(done.stderr)
    assert add_setup.path.read_text() == "# mine\n"
    assert not list(add_setup.path.parent.glob(".*"))


def test_what_a_killed_command_left_behind_is_neither_read_nor_kept(add_setup: AddSetup) -> None:
    left = add_setup.path.parent / ".oddaemon-0123"
    left.write_text('[[office]]\nid = "ghost"\n')
    assert add_setup.list_office_ids() == ["elm"]
    assert add_setup.run_add("--id", "oak", "--no-probe").exit_code == 0
    assert not left.exists()


def test_the_key_may_come_from_a_file_from_the_environment_or_from_standard_input(
    add_setup: AddSetup, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, golden: GoldenTexts
) -> None:
    file = tmp_path / "key"
    file.write_text(f"{add_setup.key}\n")
    monkeypatch.setenv("OAK_KEY", add_setup.key)
    for source in (["--key-file", str(file)], ["--key-env", "OAK_KEY"], ["--key-file", "-"], []):
        assert add_setup.run_add("--id", "oak", "--no-probe", *source).exit_code == 0
        assert load(add_setup.config).offices["oak"].credentials.customer_key.reveal() == add_setup.key
        add_setup.path.unlink()
    assert add_setup.run_add("--id", "oak", "--key-file", str(file), "--key-env", "OAK_KEY").exit_code == 2
    golden.check(add_setup.run_add("--id", "oak", "--key-env", "NO_SUCH").stderr)
    assert "cannot read" in add_setup.run_add("--id", "oak", "--key-file", str(tmp_path)).stderr
    assert add_setup.run_add("--no-probe").exit_code == 2
    golden.check(add_setup.run_add("--id", "oak", "--no-probe", key="").stderr)


def test_a_daemon_that_runs_is_said_to_take_it_up(add_setup: AddSetup, golden: GoldenTexts) -> None:
    with fake_daemon(add_setup.config.parent / "oddaemon.db.sock"):
        done = add_setup.run_add("--id", "oak", "--no-probe")
    golden.check(done.stdout)
    with add_setup.config.open("a") as file:
        file.write("\n[daemon]\nwatch = false\n")
    add_setup.path.unlink()
    with fake_daemon(add_setup.config.parent / "oddaemon.db.sock"):
        done = add_setup.run_add("--id", "oak", "--no-probe")
    golden.check(done.stdout)


def test_without_a_directory_of_offices_it_says_what_to_write(tmp_path: Path, golden: GoldenTexts) -> None:
    config = tmp_path / "oddaemon.toml"
    config.write_text('[api]\ndeveloper_key = "Qm7xT2kLp9RvWc4Z"\n')
    config.chmod(0o600)
    done = invoke("office", "add", "--id", "oak", "--config", str(config))
    assert done.exit_code == 78
    golden.check(done.stderr)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root lends a directory to a group")
def test_in_a_directory_that_root_lends_to_a_group_that_group_may_read(add_setup: AddSetup) -> None:
    add_setup.path.parent.chmod(0o2750)
    assert add_setup.run_add("--id", "oak", "--no-probe").exit_code == 0
    assert stat.S_IMODE(add_setup.path.stat().st_mode) == 0o640


def make_dialogue(add_setup: AddSetup, zone: str, *more: tuple[str, str]) -> list[tuple[str, str]]:
    return [
        ("Short name", "oak"),
        ("Full name [oak]", "Oak Dental"),
        ("Tier of the key", ""),
        ("Time zone", zone),
        ("Deadline", ""),
        ("ClinicNums", ""),
        ("Labels", "group=coast"),
        ("Customer key (not shown): ", add_setup.key),
        *more,
    ]


@pytest.mark.real("keeps the pace of the API in real time")
def test_at_a_terminal_the_key_is_hidden_and_the_zone_suggested(add_setup: AddSetup) -> None:
    added = ["office", "add", "--config", str(add_setup.config)]
    status, screen = run_in_terminal(
        added, make_dialogue(add_setup, "", ("to measure the clock", "")), add_setup.config.parent
    )
    assert status == 0, screen
    assert add_setup.key not in screen
    assert f"[{ZONE}]" in screen
    assert "No check failed." in screen
    found = load(add_setup.config).offices["oak"]
    assert (found.spec.name, str(found.spec.zone)) == ("Oak Dental", ZONE)
    assert found.spec.labels == (("group", "coast"),)


def test_at_a_terminal_a_wrong_answer_is_asked_for_again_at_once_with_what_is_wrong(add_setup: AddSetup) -> None:
    found = re.search(r'customer_key = "(\w+)"', (add_setup.path.parent / "elm.toml").read_text())
    assert found is not None
    dialogue = [
        ("Short name", "ELM"),
        ("must be a short name", "elm"),
        ("an office with this id is configured in", "oak"),
        ("Full name [oak]", ""),
        ("Tier of the key", "gold"),
        ("must be one of `read_all`, `standard`, `enterprise`", "read_all"),
        ("Time zone", ""),
        ("requires `timezone`", "Los Angeles"),
        ("did you mean `America/Los_Angeles`?", ZONE),
        ("must be a time of day; write it as 07:00, or never", "9am"),
        ("must be a time of day; write it as 07:00, or never", "never"),
        ("ClinicNums", "08:30"),
        ("must be a whole number; write clinics as 1;2", "1;2"),
        ("Labels", "group"),
        ("must have a value; write labels as key=value;key=value", "group=coast;region=west"),
        ("Customer key (not shown): ", "with a blank"),
        ("the key contains white space; remove everything but the key\r\nCustomer key (not shown): ", found[1]),
        ("remove one of the two\r\nCustomer key (not shown): ", add_setup.key),
    ]
    added = ["office", "add", "--no-probe", "--fresh-by", "noon", "--config", str(add_setup.config)]
    status, screen = run_in_terminal(added, dialogue, add_setup.config.parent)
    assert status == 0, screen
    assert add_setup.key not in screen
    office = load(add_setup.config).offices["oak"]
    assert (office.tier, office.spec.fresh_by, office.spec.clinics) == ("read_all", None, (1, 2))
    assert office.spec.labels == (("group", "coast"), ("region", "west"))


@pytest.mark.real("keeps the pace of the API in real time")
def test_at_a_terminal_the_suggested_zone_may_be_declined(add_setup: AddSetup) -> None:
    added = ["office", "add", "--config", str(add_setup.config)]
    status, screen = run_in_terminal(
        added, make_dialogue(add_setup, "", ("to measure the clock", "-")), add_setup.config.parent
    )
    assert status == 0, screen
    assert load(add_setup.config).offices["oak"].spec.zone is None


@pytest.mark.real("keeps the pace of the API in real time")
def test_at_a_terminal_a_failed_office_is_written_only_on_confirmation(tmp_path: Path) -> None:
    with simulated_headquarters(
        tmp_path, [make_office("elm"), make_office("oak")], [make_fault("econnector_down", "oak")]
    ) as config:
        place = AddSetup(config)
        added = ["office", "add", "--config", str(config)]
        for answer, known in (("n", ["elm"]), ("y", ["elm", "oak"])):
            asked = make_dialogue(place, ZONE, ("Write it anyway?", answer))
            status, screen = run_in_terminal(added, asked, tmp_path)
            assert (status, place.list_office_ids()) == (int(answer == "n"), known), screen


def run_list(config: Path, *more: str) -> Any:
    return invoke("office", "list", "--config", str(config), *more)


def test_offices_are_listed_as_they_are_configured_and_without_keys(add_setup: AddSetup, golden: GoldenTexts) -> None:
    add_setup.run_add("--id", "oak", "--label", "group=coast", "--no-probe", "--tier", "enterprise", "--fresh-by", "")
    shown = run_list(add_setup.config)
    golden.check(shown.stdout)
    found = parse_json(run_list(add_setup.config, "--json"))["offices"]
    assert isinstance(found, list)
    assert (found[1]["id"], found[1]["tier"], found[1]["timezone"]) == ("oak", "enterprise", None)
    assert found[1]["labels"] == {"group": "coast"}
    assert add_setup.key not in json.dumps(found)


def test_an_empty_list_says_how_offices_come(tmp_path: Path) -> None:
    config = tmp_path / "oddaemon.toml"
    config.write_text('[api]\ndeveloper_key = "Qm7xT2kLp9RvWc4Z"\n')
    config.chmod(0o600)
    assert "`oddaemon office add`" in run_list(config).stdout
