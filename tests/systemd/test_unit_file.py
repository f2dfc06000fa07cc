"""The unit as shipped, judged by systemd itself; `make test-systemd` starts it."""

import shutil
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
UNIT = CHECKOUT / "systemd" / "oddaemon.service"
EXPOSURE_MAX = 1.5


@pytest.fixture(scope="module")
def analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("systemd-analyze is missing: apt-get install systemd")
    return found


def run_tool(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)


def test_the_unit_is_verified_without_a_word(analyze: str, tmp_path: Path) -> None:
    # Here nothing is installed, so another program stands in for the one that the unit names.
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/oddaemon/bin/oddaemon", "/bin/true"))
    verified = run_tool(analyze, "verify", str(unit))
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


def test_a_misspelt_unit_would_be_noticed(analyze: str, tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(
        UNIT.read_text().replace("/opt/oddaemon/bin/oddaemon", "/bin/true").replace("PrivateTmp", "Private")
    )
    assert "Unknown key 'Private'" in run_tool(analyze, "verify", str(unit)).stderr


def test_the_exposure_is_at_most_what_was_promised(analyze: str) -> None:
    judged = run_tool(analyze, "security", "--offline=yes", f"--threshold={EXPOSURE_MAX * 10:.0f}", str(UNIT))
    assert judged.returncode == 0, judged.stdout
    assert float(judged.stdout.rpartition("oddaemon.service: ")[2].split()[0]) <= EXPOSURE_MAX


def test_a_unit_of_more_exposure_would_be_noticed(analyze: str, tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("PrivateUsers=yes", "").replace("CapabilityBoundingSet=\n", ""))
    assert (
        run_tool(analyze, "security", "--offline=yes", f"--threshold={EXPOSURE_MAX * 10:.0f}", str(unit)).returncode
        != 0
    )


def test_the_drain_of_the_defaults_fits_into_the_time_to_stop() -> None:
    settings = dict(line.split("=", 1) for line in UNIT.read_text().splitlines() if "=" in line and line[0] != "#")
    example = (CHECKOUT / "config" / "oddaemon.example.toml").read_text()
    drain = next(line for line in example.splitlines() if line.startswith("drain_seconds"))
    assert float(settings["TimeoutStopSec"]) > float(drain.partition("=")[2]) + 10
