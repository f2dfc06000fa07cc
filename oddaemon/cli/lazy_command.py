"""Commands that are imported on first use, so that `--help`, `--version` and completion stay quick.

The list of commands holds names and the first paragraph of each help. The module of a command, or of a group of
commands, holds a Typer named `app`; the docstring of a command is the rest of its help.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from oddaemon.cli.output.exit import fail

EXTRA_MODULES = {"simulator": "sqlglot"}
"""What an optional extra of the package installs."""


class LazyCommand(TyperCommand):
    """An entry in the list of commands. Parsing its arguments imports the real command."""

    def load(self) -> TyperCommand | TyperGroup:
        """Import the command."""
        assert self.callback is not None, "add_lazy_command sets it"
        command: TyperCommand | TyperGroup = self.callback()
        return command

    def make_context(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - passed through as they are
        """The context of the real command."""
        return self.load().make_context(*args, **options)


def add_lazy_command(
    app: typer.Typer,
    name: str,
    summary: str,
    *,
    package: str,
    module: str | None = None,
    panel: str | None = None,
    extra: str | None = None,
) -> None:
    """Add a command or a group of commands to `app`.

    Args:
        app: Where it is added.
        name: As typed.
        summary: The first paragraph of its help.
        package: Where its module is.
        module: Its module; None: named as the command, with underscores.
        panel: The panel of the help in which it is listed.
        extra: The optional extra that it needs; if that is not installed, using the command ends it.
    """

    def load() -> object:
        if extra is not None and find_spec(EXTRA_MODULES[extra]) is None:
            needed = f"`oddaemon {name}` needs {EXTRA_MODULES[extra]}, which is not installed"
            raise fail(f"{needed}; run: pip install 'oddaemon[{extra}]'")
        group = get_group(import_module(f"{package}.{module or name.replace('-', '_')}").app)
        command = group if group.name == name else group.commands[name]
        command.help = f"{summary}\n\n{command.help}" if command.help else summary
        return command

    app.command(name, cls=LazyCommand, help=summary, rich_help_panel=panel)(load)


def load_commands(group: TyperGroup) -> TyperGroup:
    """The same group, with every command in it imported; for what walks through all of them."""
    for name, command in group.commands.items():
        loaded = command.load() if isinstance(command, LazyCommand) else command
        group.commands[name] = load_commands(loaded) if isinstance(loaded, TyperGroup) else loaded
    return group


def format_examples(*commands: str) -> str:
    """The epilog of a command: one example a line, to be copied from a terminal of 80 columns."""
    heading = "Examples:" if len(commands) > 1 else "Example:"
    return "\n".join([heading, *(f"[bold]{command}[/bold]" for command in commands)])
