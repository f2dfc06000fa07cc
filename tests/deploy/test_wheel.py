"""The wheel alone is enough: what users install is what is tested here."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.real("builds and installs the wheel")

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the unpacked wheel and nothing else."""
    built = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(built), str(CHECKOUT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = built.glob("*.whl")
    site = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(wheel).extractall(site)
    return site


def run_python(installed: Path, cwd: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Python in isolation from the checkout, with the wheel's folder first."""
    start = f"import sys; sys.path[:] = [{str(installed)!r}, *(p for p in sys.path if p != {str(CHECKOUT)!r})]; "
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-I", "-c", start + command[0], *command[1:]],
        cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip


def test_the_command_runs_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    result = run_python(installed, tmp_path, (
        "import oddaemon; print(oddaemon.__file__); from "
        "oddaemon.cli import main; main()"
    ),
               "--version")  # fmt: skip
    where, version = result.stdout.splitlines()
    assert Path(where).is_relative_to(installed)
    assert version == "oddaemon 0.1.0"


def test_a_bad_configuration_is_reported_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    result = run_python(
        installed, tmp_path, "from oddaemon.cli import main; main()", "check", "--config", "nowhere.toml"
    )
    assert result.returncode == 78
    assert "nowhere.toml" in result.stderr


def test_the_database_is_made_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    script = (
        "import anyio; from oddaemon.store.sqlite.connection import SqliteDatabase\n"
        "async def main():\n"
        "    async with SqliteDatabase.open('made.db'): pass\n"
        "anyio.run(main)"
    )
    result = run_python(installed, tmp_path, script)
    assert (result.returncode, result.stderr) == (0, "")
    assert (tmp_path / "made.db").stat().st_size > 0


def test_the_pages_are_rendered_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    script = (
        "from oddaemon.web.pages.fleet_feed import render_fleet\n"
        "from oddaemon.web.pages.rendered import RenderedFleet\n"
        "from oddaemon.web.pages.routes import load_static_files\n"
        "from oddaemon.web.pages.view_models import FleetPageView\n"
        "from oddaemon.web.pages.renderer import Renderer\n"
        "from oddaemon.web.pages.runbook import SHIPPED_PATH, CHECKOUT_PATH, load_runbook\n"
        "assert SHIPPED_PATH.exists() and not CHECKOUT_PATH.exists() and len(load_runbook().sections) > 30\n"
        "parts = render_fleet(Renderer(str, str), RenderedFleet(), FleetPageView(())).parts\n"
        "print(parts['headline'].splitlines()[0], *sorted(load_static_files()))"
    )
    result = run_python(installed, tmp_path, script)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "<h1>No office is configured yet</h1> icon.svg page.css page.js\n"


def test_the_wheel_carries_its_types_and_its_licence(installed: Path) -> None:
    assert (installed / "oddaemon" / "py.typed").exists()
    assert any(installed.glob("*.dist-info/licenses/LICENSE"))
