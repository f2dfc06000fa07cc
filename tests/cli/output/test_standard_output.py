import pytest

from tests.cli.processes import run_command, run_command_on_full_disk, run_command_with_broken_pipe
from tests.cli.sample_fleet import SampleFleet
from tests.golden import GoldenTexts

pytestmark = pytest.mark.real("starts a process for each case")

COMMANDS = [
    "balances bright-smiles",
    "balances bright-smiles --format csv",
    "balances bright-smiles --format parquet",
    "balances --fleet",
    "status",
    "status --json",
    "explain hill-street",
    "check",
    "sink status",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk_is_one_sentence(fleet: SampleFleet, command: str, golden: GoldenTexts) -> None:
    done = run_command_on_full_disk(*command.split(), "--config", str(fleet.config), cwd=fleet.config.parent)

    assert done.returncode == 1
    golden.check(done.stderr.splitlines()[-1:])
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["balances bright-smiles", "balances bright-smiles --format csv", "sink status"])
def test_a_closed_pipe_is_no_error(fleet: SampleFleet, command: str) -> None:
    done = run_command_with_broken_pipe(*command.split(), "--config", str(fleet.config), cwd=fleet.config.parent)

    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("encoding", ["latin-1", "ascii:surrogateescape"])
@pytest.mark.parametrize("command", ["demo --help", "explain bright-smiles", "top"])
def test_a_sign_that_the_terminal_has_not_ends_no_command(fleet: SampleFleet, command: str, encoding: str) -> None:
    fleet.config.write_text(fleet.config.read_text().replace("Bright Smiles", "Bright Smiles ✓"))
    variables = {"ODDAEMON_CONFIG": str(fleet.config), "PYTHONIOENCODING": encoding, "COLUMNS": "80"}

    done = run_command(*command.split(), cwd=fleet.config.parent, **variables)

    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
