"""`reload`, `check --plan` and `drain` against a real control socket."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.fake_control_socket import FakeCommands, fake_daemon
from tests.cli.sample_fleet import CONFIGURATION, SampleFleet, invoke, parse_json, write_config
from tests.golden import GoldenTexts

SENTENCE = "1 new, 2 changed, 1 removed, 7 unchanged; [http] takes effect only after a restart."
LINES = [
    "  new      ash",
    "  changed  elm: clinics, customer_key",
    "  changed  fir: labels (its worker keeps running)",
    "  removed  oak, its data is kept",
]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Path]:
    with fake_daemon(tmp_path / "state.db.sock"):
        yield write_config(tmp_path)


@pytest.fixture
def refusing(tmp_path: Path) -> Iterator[Path]:
    with fake_daemon(tmp_path / "state.db.sock", FakeCommands(good=False)):
        yield write_config(tmp_path)


def test_a_reload_prints_the_changes(running: Path, golden: GoldenTexts) -> None:
    done = invoke("reload", "--config", str(running))
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [f"Applied: {SENTENCE}", *LINES]
    golden.check(done.stderr)


@pytest.mark.parametrize("accept", [True, False])
def test_removals_are_accepted_only_when_the_operator_says_so(tmp_path: Path, accept: bool) -> None:
    commands = FakeCommands()
    with fake_daemon(tmp_path / "state.db.sock", commands):
        options = ["--accept-removals"] if accept else []
        assert invoke("reload", *options, "--config", str(write_config(tmp_path))).exit_code == 0
    assert commands.accepted_removals is accept


def test_a_plan_prints_the_pending_changes(running: Path, golden: GoldenTexts) -> None:
    done = invoke("check", "--plan", "--config", str(running))
    assert done.exit_code == 0
    golden.check(done.stdout)


@pytest.mark.parametrize("typed", [("reload",), ("check", "--plan")])
def test_json_is_the_daemon_s_own_document(running: Path, typed: tuple[str, ...]) -> None:
    document = parse_json(invoke(*typed, "--json", "--config", str(running)))
    assert document["plan"] == {
        "new": ["ash"],
        "changed": [
            {"office": "elm", "settings": ["clinics", "customer_key"], "restarts_worker": True},
            {"office": "fir", "settings": ["labels"], "restarts_worker": False},
        ],
        "removed": ["oak"],
        "unchanged": 7,
        "restart_required": ["[http]"],
        "sinks": [],
    }


@pytest.mark.parametrize("typed", [("reload",), ("check", "--plan")])
def test_every_problem_of_a_bad_configuration_is_printed_and_the_status_is_78(
    refusing: Path, typed: tuple[str, ...], golden: GoldenTexts
) -> None:
    done = invoke(*typed, "--config", str(refusing))
    assert (done.exit_code, done.stdout) == (78, "")
    golden.check(done.stderr)
    assert len(parse_json(invoke(*typed, "--json", "--config", str(refusing)))["problems"]) == 2  # type: ignore[arg-type]  # JSON


def test_without_a_daemon_a_reload_fails_and_says_so(tmp_path: Path, golden: GoldenTexts) -> None:
    done = invoke("reload", "--config", str(write_config(tmp_path)))
    assert (done.exit_code, done.stdout) == (1, "")
    golden.check(done.stderr)


def test_without_a_daemon_the_plan_is_by_what_the_database_knows(fleet: SampleFleet, golden: GoldenTexts) -> None:
    text = CONFIGURATION.replace('id = "hill-street"', 'id = "dale-street"')
    path = write_config(fleet.config.parent, text)
    done = invoke("check", "--plan", "--config", str(path))
    assert done.exit_code == 0
    output_lines = done.stdout.splitlines()
    assert output_lines[0].startswith(f"{path} is valid")
    golden.check(output_lines[-5])
    golden.check(output_lines[-4:])
    document = parse_json(invoke("check", "--plan", "--json", "--config", str(path)))
    assert document["plan"]["new"] == ["dale-street", "new-oak"]  # type: ignore[index]  # JSON
    golden.check(str(document["note"]))


def test_before_the_first_start_everything_is_new(tmp_path: Path, golden: GoldenTexts) -> None:
    done = invoke("check", "--plan", "--config", str(write_config(tmp_path)))
    golden.check(done.stdout)
    assert not (tmp_path / "state.db").exists()


def test_without_a_daemon_a_bad_configuration_has_no_plan(tmp_path: Path) -> None:
    done = invoke("check", "--plan", "--config", str(write_config(tmp_path, CONFIGURATION + "[colour]\n")))
    assert (done.exit_code, done.stdout) == (78, "")


def test_drain_prints_what_happens_now(running: Path) -> None:
    assert invoke("drain", "--config", str(running)).stdout == "It stops.\n"
    assert parse_json(invoke("drain", "--json", "--config", str(running))) == {"outcome": "It stops."}
