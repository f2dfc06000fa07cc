import inspect
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
from oddaemon.cli.lazy_command import LazyCommand, load_commands
from tests.cli.processes import ENVIRONMENT
from tests.cli.sample_fleet import CONFIGURATION, KEYS, SampleFleet, invoke, write_config
from tests.golden import GoldenTexts
from tests.stopwatch import measure_cpu_seconds, read_children_seconds

COMMANDS = ("run", "check", "status", "explain", "balances", "simulator", "demo")
SINK = '[[sink]]\nname = "ledger"\nkind = "files"\ndirectory = "ledger"\n'
HEAVY = {"sqlalchemy", "alembic", "msgspec", "httpx", "starlette", "uvicorn", "sqlglot", "structlog", "anyio"}
CPU_SECONDS_MAX = 0.35


def list_loaded_modules(*arguments: str) -> set[str]:
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
    result = invoke(name, "--help")

    assert result.exit_code == 0
    assert f"oddaemon {name}" in result.stdout.partition("Example")[2]


def list_commands() -> Iterator[tuple[str, ...]]:
    """The path of each command, groups included."""
    groups: list[tuple[tuple[str, ...], TyperGroup]] = [((), load_commands(get_group(app)))]
    for path, group in groups:
        for name, each in group.commands.items():
            yield (*path, name)
            if isinstance(each, TyperGroup):
                groups.append(((*path, name), each))


@pytest.mark.parametrize("text", list(list_commands()), ids=" ".join)
def test_every_example_is_a_line_that_can_be_copied_from_a_small_terminal(text: tuple[str, ...]) -> None:
    shown = CliRunner(env={"COLUMNS": "80"}).invoke(app, [*text, "--help"]).stdout
    heading, *examples = (line.strip() for line in shown[shown.index("Example") :].strip().splitlines())
    page = PAGE.read_text(encoding="utf-8").partition(f"## `oddaemon {' '.join(text)}`\n")[2].partition("\n#")[0]
    assert heading == ("Examples:" if len(examples) > 1 else "Example:")
    assert examples
    for example in examples:
        assert example.startswith("oddaemon ")
        assert f"$ {example}\n" in page


@pytest.mark.parametrize("path", list(list_commands()), ids=" ".join)
def test_help_reads_well_on_a_small_terminal(path: tuple[str, ...]) -> None:
    shown = CliRunner(env={"COLUMNS": "80"}).invoke(app, [*path, "--help"]).stdout
    command: object = load_commands(get_group(app))
    for name in path:
        assert isinstance(command, TyperGroup)
        command = command.commands[name]
    for paragraph in inspect.cleandoc(getattr(command, "help", "")).split("\n\n")[1:]:
        lines = paragraph.splitlines()
        assert len(lines) == 1 or max(map(len, lines)) <= 78, "lines of a paragraph stay lines, so each has to fit"
    assert "[[" not in shown, "optional twice"
    assert "Default:  " not in shown, "what stands in brackets is taken for a style"


def test_help_lists_every_command() -> None:
    result = invoke("--help")

    assert result.exit_code == 0
    assert all(f" {name} " in result.stdout for name in COMMANDS)


def test_the_version_is_the_package_s() -> None:
    assert invoke("--version").stdout == f"oddaemon {__version__}\n"


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
    assert invoke(*arguments).exit_code == 2


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("office", "--help"), ("state", "--help")])
def test_a_list_of_commands_loads_no_command(arguments: tuple[str, ...]) -> None:
    loaded = list_loaded_modules(*arguments)
    commands = {name for name in loaded if name.startswith("oddaemon.cli.commands.")}

    assert loaded.isdisjoint(HEAVY)
    assert {name.split(".")[1] for name in loaded if name.startswith("oddaemon.")} == {"cli"}
    assert commands <= {f"oddaemon.cli.commands.{arguments[0]}"}


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_and_version_need_little_time(argument: str) -> None:
    def run() -> None:
        subprocess.run([sys.executable, "-m", "oddaemon", argument], capture_output=True, check=True)

    taken = measure_cpu_seconds(run, budget=CPU_SECONDS_MAX, read_clock=read_children_seconds)
    assert taken < CPU_SECONDS_MAX


@pytest.mark.parametrize("path", list(list_commands()), ids=" ".join)
def test_the_list_of_commands_shows_the_first_paragraph_of_each_help(path: tuple[str, ...]) -> None:
    listed: object = get_group(app)
    for name in path:
        group = listed.load() if isinstance(listed, LazyCommand) else listed
        assert isinstance(group, TyperGroup)
        listed = group.commands[name]
    assert isinstance(listed, LazyCommand)
    real = listed.load()

    assert real.name == path[-1]
    assert listed.help == str(real.help).partition("\n\n")[0]


def make_completion_request(line: str, shell: str) -> dict[str, str]:
    """The environment in which a shell asks what the last word of a line can become."""
    words = (
        {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
        if shell == "bash"
        else {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    )
    return {"_ODDAEMON_COMPLETE": f"complete_{shell}"} | words


def complete(line: str, shell: str = "bash", **environment: str) -> list[str]:
    """What a shell offers for the last word of a line; nothing else may be printed."""
    variables = KEYS | make_completion_request(line, shell) | environment
    done = CliRunner(env=variables).invoke(app, [], prog_name="oddaemon")
    assert done.stderr == ""
    return done.stdout.split()


def test_a_shell_asks_a_process_of_its_own() -> None:
    program = "from oddaemon.cli import app; app.app(prog_name='oddaemon')"
    variables = ENVIRONMENT | make_completion_request("oddaemon stat", "bash")
    done = subprocess.run([sys.executable, "-c", program], env=variables, capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == (["status", "state"], "")


def test_the_shell_completes_commands() -> None:
    assert complete("oddaemon stat") == ["status", "state"]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("oddaemon explain b", ["bright-smiles"]),
        ("oddaemon balances b", ["bright-smiles"]),
        ("oddaemon doctor bright-smiles ", ["coast-reno", "new-oak"]),
        ("oddaemon office pause bright-smiles n", ["new-oak"]),
        ("oddaemon sink skip ", ["ledger"]),
        ("oddaemon sink retry ledger --office n", ["new-oak"]),
        ("oddaemon office forget ", ["hill-street"]),
        ("oddaemon explain absent", []),
    ],
)
def test_the_shell_completes_offices_and_sinks(fleet: SampleFleet, line: str, offered: list[str]) -> None:
    left, _, rest = CONFIGURATION.partition('[[office]]\nid = "hill-street"')
    write_config(fleet.config.parent, f"{left}{rest[rest.index('[[office]]') :]}{SINK}")
    assert complete(line, ODDAEMON_CONFIG=str(fleet.config)) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_completes_offices_of_the_configuration_on_the_line(
    fleet: SampleFleet, shell: str, golden: GoldenTexts
) -> None:
    golden.check(" ".join(complete(f"oddaemon explain --config {fleet.config} br", shell)))


@pytest.mark.parametrize("config", ["/nowhere/oddaemon.toml", "/", __file__])
def test_an_unreadable_configuration_completes_to_nothing(config: str) -> None:
    assert complete("oddaemon explain b", ODDAEMON_CONFIG=config) == []
    assert complete("oddaemon office forget b", ODDAEMON_CONFIG=config) == []
