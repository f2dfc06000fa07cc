import signal
import socket
import stat
from pathlib import Path

import pytest

from tests.cli.processes import TIMEOUT_SECONDS, run_command, running_command, wait_for_output
from tests.cli.sample_fleet import CONFIGURATION, write_config
from tests.golden import GoldenTexts

PAUSED_CONFIGURATION = CONFIGURATION.replace("[[office]]", "[[office]]\nenabled = false").replace(
    'customer_key_env = "RENO"\nenabled = false', 'customer_key_env = "RENO"'
)
"""Every office disabled: this daemon sends no requests."""


def write_paused_config(directory: Path, listen: str = "127.0.0.1:0") -> Path:
    return write_config(directory, f'{PAUSED_CONFIGURATION}\n[http]\nlisten = "{listen}"\n[log]\nformat = "json"\n')


def test_every_problem_of_a_bad_configuration_is_printed_and_nothing_starts(tmp_path: Path) -> None:
    write_config(tmp_path, CONFIGURATION + "[colour]\n[sound]\n")
    done = run_command("run", cwd=tmp_path)

    assert (done.returncode, done.stdout) == (78, "")
    assert len(done.stderr.splitlines()) == 2
    assert not (tmp_path / "state.db").exists()


def test_no_configuration_says_where_it_was_looked_for(tmp_path: Path, golden: GoldenTexts) -> None:
    done = run_command("run", cwd=tmp_path)

    assert done.returncode == 78
    golden.check(done.stderr)


def test_it_runs_until_sigterm_and_ends_with_0(tmp_path: Path) -> None:
    output = tmp_path / "log"
    with running_command("run", "--config", str(write_paused_config(tmp_path)), output=output) as process:
        wait_for_output('"daemon_ready"', output, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_SECONDS) == 0
    assert '"daemon_stopped"' in output.read_text()


def test_a_second_daemon_on_the_same_database_names_the_lock_owner(tmp_path: Path, golden: GoldenTexts) -> None:
    output, config = tmp_path / "log", write_paused_config(tmp_path)
    with running_command("run", "--config", str(config), output=output) as process:
        wait_for_output('"daemon_ready"', output, process)
        second = run_command("run", "--config", str(config), cwd=tmp_path)

    assert second.returncode == 1
    assert f"process {process.pid}" in second.stderr
    golden.check(second.stderr)
    assert "Traceback" not in second.stderr


def test_a_taken_port_is_a_message(tmp_path: Path, golden: GoldenTexts) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run_command("run", "--config", str(write_paused_config(tmp_path, listen)), cwd=tmp_path)

    assert done.returncode == 1
    golden.check(done.stderr)
    assert "Traceback" not in done.stderr


def test_a_running_daemon_takes_commands_from_its_owner_and_removes_its_socket(
    tmp_path: Path, golden: GoldenTexts
) -> None:
    output, config = tmp_path / "log", write_paused_config(tmp_path)
    with running_command("run", "--config", str(config), output=output) as process:
        wait_for_output('"daemon_ready"', output, process)
        control = tmp_path / "state.db.sock"
        assert stat.S_IMODE(control.stat().st_mode) == 0o600
        result = run_command("office", "accept", "bright-smiles", "--config", str(config), cwd=tmp_path)
        unknown = run_command("office", "accept", "nowhere", "--config", str(config), cwd=tmp_path)
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_SECONDS) == 0

    assert not control.exists()
    assert (result.returncode, unknown.returncode) == (1, 1)
    golden.check(result.stderr)
    assert "nowhere" in unknown.stderr


@pytest.mark.real("starts a real daemon and waits for the file watcher")
def test_a_running_daemon_applies_a_changed_file_and_previews_a_reload(tmp_path: Path, golden: GoldenTexts) -> None:
    output, config = tmp_path / "log", write_paused_config(tmp_path)
    with running_command("run", "--config", str(config), output=output) as process:
        wait_for_output('"daemon_ready"', output, process)
        text = config.read_text()
        config.write_text(text.replace('id = "new-oak"', 'id = "old-oak"'))
        log_output = wait_for_output('"cause": "files"', output, process)
        config.write_text(f"{text}\n[colour]\n")
        wait_for_output('"configuration_rejected"', output, process)
        refused = run_command("reload", "--config", str(config), cwd=tmp_path)
        other = text.replace('id = "new-oak"', 'id = "third-oak"')
        config.write_text(other)
        wait_for_output('"new": ["third-oak"]', output, process)
        planned = run_command("check", "--plan", "--config", str(config), cwd=tmp_path)
        drained = run_command("drain", "--config", str(config), cwd=tmp_path)
        assert process.wait(TIMEOUT_SECONDS) == 0
        after = run_command("check", "--plan", "--config", str(config), cwd=tmp_path)

    assert '"new": ["old-oak"], "changed": [], "removed": ["new-oak"], "unchanged": 3' in log_output
    assert (refused.returncode, refused.stdout) == (78, "")
    assert "colour" in refused.stderr
    golden.check(planned.stdout)
    assert "within 70 s" in drained.stdout
    golden.check(after.stdout)
    assert '"command_received"' in output.read_text()
