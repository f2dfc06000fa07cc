import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from typer.core import TyperGroup
from typer.main import get_group
from typer.testing import CliRunner

from docs.command_reference import PAGE
from oddaemon import __version__
from oddaemon.cli.app import app
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


def every_command() -> Iterator[tuple[str, ...]]:
    """The words of each, those of the families too."""
    families: list[tuple[tuple[str, ...], TyperGroup]] = [((), get_group(app))]
    for words, family in families:
        for name, each in family.commands.items():
            yield (*words, name)
            if isinstance(each, TyperGroup):
                families.append(((*words, name), each))


@pytest.mark.parametrize("words", list(every_command()), ids=" ".join)
def test_every_example_is_a_line_that_can_be_copied_from_a_small_terminal(words: tuple[str, ...]) -> None:
    shown = CliRunner(env={"COLUMNS": "80"}).invoke(app, [*words, "--help"]).stdout
    heading, *examples = (line.strip() for line in shown[shown.index("Example") :].strip().splitlines())
    page = PAGE.read_text(encoding="utf-8").partition(f"## `oddaemon {' '.join(words)}`\n")[2].partition("\n#")[0]
    assert heading == ("Examples:" if len(examples) > 1 else "Example:")
    assert examples
    for example in examples:
        assert example.startswith("oddaemon ")
        assert f"$ {example}\n" in page


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
