"""Reading commands ask the running daemon, and fall back to the database where it does not answer, saying so."""

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from oddaemon.core.model import Condition, Owner
from oddaemon.engine.offices.readiness import Readiness
from oddaemon.telemetry.events import ConditionChanged, FailureSeen, RequestStarted
from tests.cli.commands.test_run import write_paused_config
from tests.cli.inspected_daemon import UNKNOWN_OFFICE, InspectedDaemon, inspected_daemon, make_request_events
from tests.cli.processes import TIMEOUT_SECONDS, run_command, running_command, wait_for_output
from tests.cli.sample_fleet import SampleFleet, parse_json
from tests.golden import GoldenTexts


@contextmanager
def _canned_response(listener: socket.socket, answer: bytes) -> Iterator[None]:
    def talk() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(answer)

    talking = threading.Thread(target=talk)
    talking.start()
    yield
    talking.join()


@pytest.fixture
def daemon(fleet: SampleFleet) -> Iterator[InspectedDaemon]:
    with inspected_daemon(fleet.config.parent) as inspected:
        yield inspected


def test_the_answer_of_the_daemon_is_shown_without_a_remark(fleet: SampleFleet, daemon: InspectedDaemon) -> None:
    daemon.emit_events(*make_request_events("bright-smiles"), RequestStarted("hill-street", "preferences"))
    result = fleet.run("status", "--json")
    document = parse_json(result)

    assert result.stderr == ""
    assert document["source"] == "daemon"
    daemon_info = document["daemon"]
    assert isinstance(daemon_info, dict)
    assert (
        daemon_info["requests"],
        daemon_info["requests_in_flight"],
        daemon_info["ready"],
        daemon_info["reason"],
    ) == (2, 1, True, "")
    assert [office["id"] for office in document["offices"]] == ["bright-smiles", "coast-reno", "hill-street"]  # type: ignore[attr-defined]  # JSON
    assert fleet.run("status").stderr == ""


def test_daemon_and_database_show_the_same_offices_alike(fleet: SampleFleet) -> None:
    alone = [parse_json(fleet.run("explain", office, "--json")) for office in ("bright-smiles", "hill-street")]
    with inspected_daemon(fleet.config.parent):
        asked = [parse_json(fleet.run("explain", office, "--json")) for office in ("bright-smiles", "hill-street")]
        text = fleet.run("explain", "hill-street").stdout

    for one, other in zip(alone, asked, strict=True):
        assert (one.pop("source"), other.pop("source")) == ("database", "daemon")
        # The socket's daemon has no configuration.
        assert (one.pop("timezone"), other.pop("timezone")) in {("America/Chicago", None), (None, None)}
        assert one == other
    assert text == fleet.run("explain", "hill-street").stdout


def test_the_status_says_that_the_last_reload_was_refused(
    fleet: SampleFleet, daemon: InspectedDaemon, golden: GoldenTexts
) -> None:
    daemon.rejection = "/etc/oddaemon.toml: removes 12 of 20 offices at once"
    shown = fleet.run("status")
    assert shown.exit_code == 0
    assert daemon.rejection in shown.stderr
    golden.check(shown.stderr)


def test_the_status_shows_an_erasure_that_failed_after_its_command_had_ended(
    fleet: SampleFleet, daemon: InspectedDaemon
) -> None:
    daemon.failed_jobs = ["`forget left` failed. The disk is full. Free some space."]
    assert daemon.failed_jobs[0] in fleet.run("status").stderr
    document = parse_json(fleet.run("status", "--json"))
    assert document["daemon"]["failed_jobs"] == daemon.failed_jobs  # type: ignore[index]  # JSON


def test_selections_and_check_work_on_the_answer_of_the_daemon(fleet: SampleFleet, daemon: InspectedDaemon) -> None:
    assert fleet.run("status", "--check").exit_code == 3
    assert fleet.run("status", "--check", "--condition", "fresh").exit_code == 0
    chosen = parse_json(fleet.run("status", "--json", "--label", "group=coast"))
    assert [office["id"] for office in chosen["offices"]] == ["hill-street"]  # type: ignore[attr-defined]  # JSON
    assert chosen["summary"]["total"] == 1  # type: ignore[index]  # JSON
    assert daemon.fleet.requests == 0


def test_it_works_however_broken_the_offices_of_the_configuration_are(
    fleet: SampleFleet, daemon: InspectedDaemon
) -> None:
    fleet.config.write_text(fleet.config.read_text().replace('customer_key_env = "HILL"', "customer_key_env = 7"))

    assert fleet.run("check").exit_code == 78
    assert parse_json(fleet.run("status", "--json"))["source"] == "daemon"
    assert fleet.run("explain", "hill-street").exit_code == 0
    daemon.emit_events()


def test_the_journal_is_shown_as_a_timeline_before_it_is_written(fleet: SampleFleet, daemon: InspectedDaemon) -> None:
    daemon.emit_events(
        ConditionChanged("elm", None, Condition.FRESH, "Of another office.", None),
        *make_request_events("hill-street"),
        FailureSeen("hill-street", "key_rejected", Owner.OFFICE, "the API does not accept the key", 1, None),
        *make_request_events("hill-street"),
        *make_request_events("hill-street"),
    )
    lines = fleet.run("explain", "hill-street").stdout.splitlines()
    assert [line.partition("  ")[2] for line in lines[-3:]] == [
        "1 request; 1 preferences, 0.25 s, 640 bytes.",
        "The API does not accept the key.",
        lines[-1].partition("  ")[2],
    ]
    assert lines[-1].endswith("; 2 preferences, 0.50 s, 1,280 bytes.")

    journal = parse_json(fleet.run("explain", "hill-street", "--json"))["journal"]
    assert [entry["event"] for entry in journal] == ["requests_summarized", "failure_seen", "requests_summarized"]  # type: ignore[attr-defined]  # JSON
    assert fleet.run("explain", "hill-street", "--journal", "1").stdout.splitlines()[-2:] != lines[-2:]
    assert parse_json(fleet.run("explain", "hill-street", "--json", "--journal", "0"))["journal"] == []


def test_an_office_unknown_to_the_daemon_is_read_from_the_database(
    fleet: SampleFleet, daemon: InspectedDaemon, golden: GoldenTexts
) -> None:
    result = fleet.run("explain", UNKNOWN_OFFICE)
    nowhere = fleet.run("explain", "hillstreet")

    assert result.exit_code == 0
    assert f"no office '{UNKNOWN_OFFICE}'" in result.stderr
    assert nowhere.exit_code == 1
    golden.check(nowhere.stderr)
    daemon.emit_events()


def test_a_daemon_that_is_not_ready_says_why(fleet: SampleFleet, daemon: InspectedDaemon) -> None:
    daemon.readiness = Readiness(ready=False, reason="the disk is full")
    daemon_info = parse_json(fleet.run("status", "--json"))["daemon"]
    assert (daemon_info["ready"], daemon_info["reason"]) == (False, daemon.readiness.reason)  # type: ignore[index]  # JSON


@pytest.mark.parametrize("answer", [b"nonsense", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"])
def test_another_program_at_the_socket_is_not_believed(fleet: SampleFleet, answer: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(fleet.config.with_name("state.db.sock")))
        listener.listen()
        with _canned_response(listener, answer):
            result = fleet.run("status", "--json")

    assert parse_json(result)["source"] == "database"
    assert "different version" in result.stderr


def test_a_document_of_another_version_ends_the_command_with_what_to_do(
    fleet: SampleFleet, golden: GoldenTexts
) -> None:
    document = b'{"outcome": "In force.", "warnings": [], "plan": {"new": [], "changed": [], "removed": []}}'
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(fleet.config.with_name("state.db.sock")))
        listener.listen()
        with _canned_response(listener, b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(document), document)):
            result = fleet.run("reload")

    assert (result.exit_code, result.stdout) == (1, "In force.\n")
    golden.check(result.stderr)


def test_a_daemon_that_ends_without_an_answer_is_not_called_another_program(
    fleet: SampleFleet, golden: GoldenTexts
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(fleet.config.with_name("state.db.sock")))
        listener.listen()
        with _canned_response(listener, b""):
            status_result = fleet.run("status", "--json")
        with _canned_response(listener, b""):
            sync_result = fleet.run("office", "sync", "hill-street")

    assert parse_json(status_result)["source"] == "database"
    golden.check(status_result.stderr)
    assert sync_result.exit_code == 1
    assert "see its log" in sync_result.stderr


@pytest.mark.real("starts a real daemon")
def test_a_real_daemon_is_asked_while_it_runs_and_the_database_once_it_is_gone(tmp_path: Path) -> None:
    output, config = tmp_path / "log", write_paused_config(tmp_path)
    arguments = ("explain", "bright-smiles", "--config", str(config))
    with running_command("run", "--config", str(config), output=output) as process:
        wait_for_output('"daemon_ready"', output, process)
        asked = run_command(*arguments, cwd=tmp_path)
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_SECONDS) == 0
    alone = run_command(*arguments, cwd=tmp_path)

    assert (asked.returncode, asked.stderr) == (0, "")
    assert asked.stdout.splitlines()[-2].endswith("  Monitoring started.")
    assert "is not running" in alone.stderr
    assert alone.stdout.splitlines()[-1].endswith("  Monitoring stopped: the daemon is stopping.")
