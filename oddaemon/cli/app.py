"""The command line as a whole: what stands here is loaded at every start, so it must stay light.

The families of commands declare options and help only; what does the work is imported when a command runs.
"""

from typing import Annotated

import typer

from oddaemon import __version__
from oddaemon.cli import data, operating, reading, rehearsing, sink, state
from oddaemon.cli.commands import backfill, office
from oddaemon.cli.output.exit import guard_stdout

app = typer.Typer(
    name="oddaemon",
    help="Every morning, every Open Dental office's aged balances: complete, true to the cent, as soon as they are.",
    epilog="Try it: [bold]oddaemon demo[/bold] lives through one night of 25 simulated offices in under a minute.",
    no_args_is_help=True,
    # A traceback with the values of local variables could show a key or a balance.
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
operating.register(app)
reading.register(app)
backfill.register(app)
data.register(app)
office.register(app)
sink.register(app)
state.register(app)
rehearsing.register(app)


def main() -> None:
    """Run the command that the process was started with, and exit with its status."""
    with guard_stdout():
        app()


def _show_version(requested: bool) -> None:
    if requested:
        typer.echo(f"oddaemon {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Options that stand before any command."""
