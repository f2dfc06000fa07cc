"""Wording of whole outputs for people: `python -m tests.cli.output.test_golden_output` writes `golden/`."""

import re
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from oddaemon.cli.output.diagnostics import show_diagnoses, show_diagnosis
from oddaemon.core.failures.failure import Failure, FailureKind
from tests.cli.sample_fleet import CONFIGURATION, make_fleet
from tests.core.diagnostics.sample_observations import make_diagnosis, observe_only

GOLDEN = Path(__file__).parent / "golden"
REJECTED = make_diagnosis(observe_only(clocks=Failure(FailureKind.KEY_REJECTED, "API key is disabled.", 401)), "oak")
INVALID = CONFIGURATION.replace("customer_key_env", "custmer_key_env", 1).replace("Chicago", "Chicgo")


def run_command(directory: Path, *arguments: str, config: str | None = None) -> str:
    fleet = make_fleet(directory)
    if config is not None:
        fleet.config.write_text(config)
    result = fleet.run(*arguments)
    text = f"{result.stdout}--- standard error, exit {int(result.exit_code)}\n{result.stderr}"
    return normalize(text.replace(str(directory.resolve()), "DIR").replace(str(directory), "DIR"))


def normalize(text: str) -> str:
    """Without what depends on the time of the test and on its machine."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+", "INSTANT", text)
    text = re.sub(r"\b\d\d:\d\d:\d\d\b", "HH:MM:SS", text)
    text = re.sub(r"^(HH:MM:SS  the daemon is not running).*", r"\1", text)  # the screen of `top` cuts the path
    return re.sub(r"\b\d+ s\b", "N s", text)


def show(write: Callable[[], None]) -> str:
    output = StringIO()
    with redirect_stdout(output):
        write()
    return output.getvalue()


OUTPUTS: Mapping[str, Callable[[Path], str]] = {
    "check.txt": lambda directory: run_command(directory, "check"),
    "check-invalid.txt": lambda directory: run_command(directory, "check", config=INVALID),
    "check-plan.txt": lambda directory: run_command(directory, "check", "--plan"),
    "doctor.txt": lambda _: show(lambda: show_diagnosis(REJECTED)),
    "doctor-fleet.txt": lambda _: show(lambda: show_diagnoses([make_diagnosis(), REJECTED])),
    "explain.txt": lambda directory: run_command(directory, "explain", "bright-smiles"),
    "explain-blocked.txt": lambda directory: run_command(directory, "explain", "hill-street"),
    "office-list.txt": lambda directory: run_command(directory, "office", "list"),
    "state-verify.txt": lambda directory: run_command(directory, "state", "verify"),
    "status.txt": lambda directory: run_command(directory, "status"),
    "top.txt": lambda directory: run_command(directory, "top"),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_an_output_is_as_recorded(name: str, tmp_path: Path) -> None:
    recorded = (GOLDEN / name).read_text(encoding="utf-8")
    assert OUTPUTS[name](tmp_path) == recorded, f"golden/{name} differs: if that is intended, record it again."


def record() -> None:
    """Write all outputs."""
    GOLDEN.mkdir(exist_ok=True)
    for name, render in OUTPUTS.items():
        with TemporaryDirectory() as directory:
            (GOLDEN / name).write_text(render(Path(directory)), encoding="utf-8")


if __name__ == "__main__":
    record()
