import os
import subprocess
import sys

import pytest

from oddaemon import __version__
from tests.cli.sample_fleet import command

COMMANDS = ("run", "check", "status", "explain", "balances", "simulator", "demo")
LIGHT_ROOMS = {"cli", "core"}
HEAVY = {"sqlalchemy", "alembic", "msgspec", "httpx", "starlette", "uvicorn", "sqlglot", "structlog", "anyio"}


def loaded_by(*arguments: str) -> set[str]:
    program = (
        f"import sys; sys.argv = ['oddaemon', *{arguments!r}]\n"
        "from oddaemon.cli import main\n"
        "try: main()\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example_of_itself(name: str) -> None:
    result = command(name, "--help")

    assert result.exit_code == 0
    assert f"oddaemon {name}" in result.stdout.partition("Example")[2]


def test_help_lists_every_command() -> None:
    result = command("--help")

    assert result.exit_code == 0
    assert all(f" {name} " in result.stdout for name in COMMANDS)


def test_the_version_is_the_package_s() -> None:
    assert command("--version").stdout == f"oddaemon {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("stauts",),
        ("explain",),
        ("status", "--condition", "purple"),
        ("status", "--label", "coast"),
        ("status", "--watch", "--json"),
        ("balances", "smile", "--format", "xml"),
        ("simulator", "--plan", "world.toml", "--offices", "3"),
        ("simulator", "--plan", "world.toml", "--due-in", "3"),
        ("demo", "--offices", "3"),
    ],
)
def test_what_cannot_be_understood_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    assert command(*arguments).exit_code == 2


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("status", "--help"), ("demo", "--help")])
def test_nothing_heavy_is_loaded_before_a_command_runs(arguments: tuple[str, ...]) -> None:
    loaded = loaded_by(*arguments)

    assert loaded.isdisjoint(HEAVY)
    assert {name.split(".")[1] for name in loaded if name.startswith("oddaemon.")} == LIGHT_ROOMS


def test_the_shell_completes_commands() -> None:
    environment = {
        **os.environ,
        "_ODDAEMON_COMPLETE": "complete_bash",
        "COMP_WORDS": "oddaemon stat",
        "COMP_CWORD": "1",
    }
    program = "from oddaemon.cli import app; app.app(prog_name='oddaemon')"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["status", "state"]
