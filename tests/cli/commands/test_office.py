"""`office accept` against a real control socket."""

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import Result

from oddaemon.core.office.state import OfficeCommand
from tests.cli.fake_control_socket import FakePauseCommands, fake_daemon
from tests.cli.sample_fleet import CONFIGURATION, invoke, parse_json, write_config
from tests.golden import GoldenTexts


@contextmanager
def other_server(path: Path, answer: bytes) -> Iterator[None]:
    """Something else at the socket."""

    def respond() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(answer)

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=respond)
        thread.start()
        yield
        thread.join()


def run_accept(directory: Path, *arguments: str) -> Result:
    return invoke("office", "accept", *arguments, "--config", str(write_config(directory)))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Path]:
    with fake_daemon(tmp_path / "state.db.sock"):
        yield tmp_path


def test_a_held_snapshot_is_accepted_and_reported(running: Path, golden: GoldenTexts) -> None:
    done = run_accept(running, "hill-street")
    assert done.exit_code == 0
    golden.check(done.stdout)
    assert done.stderr == ""


def test_json_is_the_daemon_s_own_document(running: Path) -> None:
    done = run_accept(running, "hill-street", "--json")
    assert parse_json(done) == {
        "office": "hill-street",
        "outcome": "Done: accept.",
    }


def test_where_nothing_is_held_it_says_so_and_fails(running: Path, golden: GoldenTexts) -> None:
    done = run_accept(running, "bright-smiles")
    assert (done.exit_code, done.stdout) == (1, "")
    golden.check(done.stderr)


@pytest.mark.parametrize("command", OfficeCommand)
def test_every_office_command_has_its_cli_command(running: Path, command: OfficeCommand, golden: GoldenTexts) -> None:
    done = invoke("office", command, "hill-street", "--config", str(write_config(running)))
    assert done.exit_code == 0
    golden.check(done.stdout)
    assert done.stderr == ""


def test_of_several_each_is_reported_and_one_rejection_fails_the_command(running: Path, golden: GoldenTexts) -> None:
    done = invoke(
        "office", "sync", "bright-smiles", "hill-street", "bright-smiles", "--config", str(write_config(running))
    )
    assert done.exit_code == 1
    golden.check(done.stdout)
    golden.check(done.stderr)


def test_json_of_several_holds_a_document_each_and_the_refusals(running: Path) -> None:
    done = invoke("office", "pause", "hill-street", "bright-smiles", "--json", "--config", str(write_config(running)))
    assert done.exit_code == 1
    assert parse_json(done) == {
        "offices": [
            {"office": "hill-street", "outcome": "Done: pause."},
            {
                "office": "bright-smiles",
                "error": "Nothing of bright-smiles is held.",
                "advice": "`oddaemon explain bright-smiles` shows more.",
            },
        ]
    }


def test_all_are_those_that_are_not_switched_off(running: Path) -> None:
    done = invoke("office", "sync", "--all", "--json", "--config", str(write_config(running)))
    offices = parse_json(done)["offices"]
    assert [each["office"] for each in offices] == ["bright-smiles", "hill-street", "new-oak"]  # type: ignore[attr-defined]  # JSON


def test_a_label_chooses(running: Path, golden: GoldenTexts) -> None:
    done = invoke("office", "pause", "--label", "group=coast", "--config", str(write_config(running)))
    assert done.exit_code == 0
    golden.check(done.stdout)
    done = invoke("office", "pause", "--label", "group=hills", "--config", str(write_config(running)))
    assert done.exit_code == 1
    golden.check(done.stderr)


def test_a_command_for_all_affects_the_offices_that_it_applies_to(tmp_path: Path, golden: GoldenTexts) -> None:
    config = str(write_config(tmp_path))
    with fake_daemon(tmp_path / "state.db.sock", FakePauseCommands("new-oak")):

        def run_for_all(command: str, *more: str) -> tuple[int, str, str]:
            done = invoke("office", command, *more, "--config", config)
            return done.exit_code, done.stdout, done.stderr

        expected = "new-oak: Done: resume.\nNothing to do for 2 of 3 offices: not paused.\n"
        assert run_for_all("resume", "--all") == (0, expected, "")
        golden.check(run_for_all("resume", "--all"))
        golden.check(run_for_all("pause", "--label", "group=coast"))
        status, expected, refusals = run_for_all("pause", "--all")
        assert (status, refusals) == (0, "")
        golden.check(expected)
        golden.check(run_for_all("pause", "new-oak"))


def test_json_lists_the_offices_without_a_change(tmp_path: Path) -> None:
    with fake_daemon(tmp_path / "state.db.sock", FakePauseCommands("bright-smiles", "new-oak")):
        done = invoke("office", "resume", "--all", "--json", "--config", str(write_config(tmp_path)))
    assert done.exit_code == 0
    assert parse_json(done) == {
        "offices": [
            {"office": "bright-smiles", "outcome": "Done: resume."},
            {"office": "hill-street", "outcome": "hill-street is not paused.", "nothing_to_do": True},
            {"office": "new-oak", "outcome": "Done: resume."},
        ]
    }


@pytest.mark.parametrize("typed", [(), ("elm", "--all"), ("elm", "--label", "a=b"), ("--label", "coast")])
def test_who_is_meant_must_be_plain(running: Path, typed: tuple[str, ...]) -> None:
    assert invoke("office", "pause", *typed, "--config", str(write_config(running))).exit_code == 2


@pytest.mark.parametrize("office", ["hillstreet", "zzz", "a/../b?c#d é"])
def test_an_unknown_office_is_answered_in_the_daemon_s_words(running: Path, office: str, golden: GoldenTexts) -> None:
    done = run_accept(running, office)
    assert done.exit_code == 1
    golden.check(done.stderr)


def test_an_office_that_only_the_configuration_knows_is_taken_up_by_a_reload(
    running: Path, golden: GoldenTexts
) -> None:
    done = run_accept(running, "new-oak")
    golden.check(done.stderr)


def test_a_daemon_that_does_not_run_is_reported(tmp_path: Path, golden: GoldenTexts) -> None:
    path = tmp_path / "state.db.sock"
    done = run_accept(tmp_path, "hill-street")
    assert done.exit_code == 1
    golden.check(done.stderr)
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
    done = run_accept(tmp_path, "hill-street")
    golden.check(done.stderr)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may connect anywhere")
def test_another_user_learns_who_may_send_commands(running: Path, golden: GoldenTexts) -> None:
    (running / "state.db.sock").chmod(0)
    done = run_accept(running, "hill-street")
    assert done.exit_code == 1
    golden.check(done.stderr)


def test_a_configuration_without_a_socket_says_which_setting(tmp_path: Path, golden: GoldenTexts) -> None:
    deep = CONFIGURATION.replace("state.db", f"{'d' * 100}/state.db")
    path = write_config(tmp_path, deep)
    done = invoke("office", "accept", "hill-street", "--config", str(path))
    assert done.exit_code == 1
    golden.check(done.stderr)


def test_a_command_reaches_the_daemon_however_broken_its_offices_are(running: Path, golden: GoldenTexts) -> None:
    path = write_config(running, CONFIGURATION + "[colour]\n[[office]]\n")
    done = invoke("office", "pause", "hill-street", "--config", str(path))
    assert done.exit_code == 0
    golden.check(done.stdout)


def test_without_a_readable_socket_setting_it_fails_as_every_command(tmp_path: Path) -> None:
    path = write_config(tmp_path, CONFIGURATION.replace("[state]", "[state]\ncolour = 1"))
    done = invoke("office", "accept", "hill-street", "--config", str(path))
    assert done.exit_code == 78
    assert "colour" in done.stderr


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n\r\n<html>",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"\xff" * 100,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n{}",
    ],
    ids=["nothing", "another protocol", "a list", "half", "a page", "garbage", "a flood"],
)
def test_another_program_on_the_socket_is_reported(tmp_path: Path, answer: bytes) -> None:
    with other_server(tmp_path / "state.db.sock", answer):
        done = run_accept(tmp_path, "hill-street")
    assert done.exit_code == 1
    assert done.stderr.startswith("oddaemon: ")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_a_refusal_without_words_has_its_status(tmp_path: Path, golden: GoldenTexts) -> None:
    body = json.dumps({"detail": "x"}).encode()
    sent = b"HTTP/1.1 503 Busy\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with other_server(tmp_path / "state.db.sock", sent):
        done = run_accept(tmp_path, "hill-street")
    golden.check(done.stderr)


def test_the_command_group_alone_lists_its_commands() -> None:
    shown = invoke("office", "--help")
    assert shown.exit_code == 0
    assert all(command in shown.stdout for command in OfficeCommand)
