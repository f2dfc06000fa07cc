"""The commands about sinks: how deliveries stand, try again, give up."""

# ruff: noqa: PLC0415 - what does the work is heavy, and imported only by the command that needs it

from typing import Annotated

import typer

from oddaemon.cli import completing
from oddaemon.cli.options import DAEMON, AsJson, Config, OfficeId, example

sink = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
SinkName = Annotated[
    str, typer.Argument(metavar="SINK", help="The sink's name.", show_default=False, autocompletion=completing.sinks)
]


def register(app: typer.Typer) -> None:
    """Add this family to the command line."""
    app.add_typer(
        sink,
        name="sink",
        help="Where snapshots are delivered to: how that stands, try again, give up.",
        rich_help_panel=DAEMON,
        epilog=example("oddaemon sink status", "oddaemon sink retry warehouse", "oddaemon sink skip ledger smile"),
    )


@sink.command(epilog=example("oddaemon sink status", "oddaemon sink status warehouse --json"))
def status(
    name: Annotated[
        str | None,
        typer.Argument(metavar="SINK", help="Only this one, office by office.", autocompletion=completing.sinks),
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """What was delivered to each sink, what waits, why, and when it is tried next. Read from the database."""
    from oddaemon.cli.sinking import show_sinks

    show_sinks(config, name, as_json=as_json)


@sink.command(epilog=example("oddaemon sink retry warehouse", "oddaemon sink retry ledger --office bright-smiles"))
def retry(
    name: SinkName,
    office: Annotated[
        str | None, typer.Option(metavar="ID", help="Only this office's deliveries.", autocompletion=completing.offices)
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Try at once what waits, and what was given up where nothing newer took its place; with or without a daemon."""
    from oddaemon.cli.sinking import order_sink

    order_sink(config, "retry", name, office, as_json=as_json)


@sink.command(epilog=example("oddaemon sink skip ledger bright-smiles"))
def skip(name: SinkName, office: OfficeId, config: Config = None, as_json: AsJson = False) -> None:
    """Give up what stands first of an office's deliveries; the next one carries the whole snapshot."""
    from oddaemon.cli.sinking import order_sink

    order_sink(config, "skip", name, office, as_json=as_json)
