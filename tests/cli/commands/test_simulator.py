import json
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from oddaemon.cli.args.options import DEFAULT_OFFICES
from oddaemon.settings import load
from tests.cli.processes import TIMEOUT_SECONDS, run_command, running_command, wait_for_output
from tests.cli.sample_fleet import invoke
from tests.golden import GoldenTexts


def test_it_writes_a_configuration_that_a_daemon_can_run_and_ends_with_0(tmp_path: Path, golden: GoldenTexts) -> None:
    output, config = tmp_path / "log", tmp_path / "config"
    arguments = ("simulator", "--offices", "2", "--seed", "3", "--config-dir", str(config))
    with running_command(*arguments, output=output) as process:
        log_output = wait_for_output("Ready.\n", output, process)
        settings = load(config / "oddaemon.toml")
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_SECONDS) == 0

    assert len(settings.offices) == 2
    golden.check(log_output)
    assert settings.api.developer_key.reveal() not in log_output
    files = [path for path in config.rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_without_a_directory_it_says_how_to_get_a_configuration(tmp_path: Path, golden: GoldenTexts) -> None:
    plan, output = tmp_path / "world.toml", tmp_path / "log"
    plan.write_text('[[office]]\nid = "elm"\nguarantors = 3\n')
    with running_command("simulator", "--plan", str(plan), output=output) as process:
        log_output = wait_for_output("Ready.\n", output, process)

    golden.check(log_output)
    assert "--config-dir DIR" in log_output


def test_a_bad_plan_is_a_message(tmp_path: Path) -> None:
    plan = tmp_path / "world.toml"
    plan.write_text('[[office]]\nid = "elm"\nguarantor = 3\n')
    result = invoke("simulator", "--plan", str(plan))

    assert result.exit_code == 1
    assert "did you mean 'guarantors'?" in result.stderr


def test_a_missing_plan_is_a_message(tmp_path: Path) -> None:
    result = invoke("simulator", "--plan", str(tmp_path / "world.toml"))

    assert result.exit_code == 1
    assert "No such file" in result.stderr


def test_an_address_that_is_none_is_a_message() -> None:
    result = invoke("simulator", "--offices", "1", "--listen", "here")

    assert result.exit_code == 1
    assert "write HOST:PORT" in result.stderr


@pytest.mark.parametrize("name", ["simulator", "demo"])
def test_the_extra_that_is_missing_is_named(name: str) -> None:
    script = "import sys; sys.modules['sqlglot'] = None; from oddaemon.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", script, name], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "pip install 'oddaemon[simulator]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.real("two processes, until every office is fresh")
def test_a_newcomer_sees_every_office_become_fresh(tmp_path: Path) -> None:
    simulated, daemon, config = tmp_path / "simulator.log", tmp_path / "daemon.log", tmp_path / "rehearsal"
    with running_command("simulator", "--config-dir", str(config), output=simulated) as headquarters:
        wait_for_output("Ready.\n", simulated, headquarters)
        with running_command("run", "--config", str(config / "oddaemon.toml"), output=daemon) as process:
            deadline = time.monotonic() + TIMEOUT_SECONDS
            while count_fresh(config) < DEFAULT_OFFICES:
                assert process.poll() is None, daemon.read_text()
                assert time.monotonic() < deadline, daemon.read_text()


def count_fresh(config: Path) -> int:
    """How many offices are fresh; none may be in trouble."""
    shown = run_command("status", "--json", "--config", str(config / "oddaemon.toml"), cwd=config)
    conditions = [office["condition"] for office in json.loads(shown.stdout or '{"offices": []}')["offices"]]
    assert set(conditions) <= {"fresh", "waiting", "aging", "pulling"}
    return conditions.count("fresh")
