"""The commands about sinks: how deliveries stand, try again, give up."""

from typing import Annotated

import typer

from oddaemon.cli.args import completion
from oddaemon.cli.args.options import DAEMON_PANEL, AsJson, Config, OfficeId, format_examples

sink = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
SinkName = Annotated[
    str,
    typer.Argument(
        metavar="SINK", help="The sink's name.", show_default=False, autocompletion=completion.complete_sinks
    ),
]


def register(app: typer.Typer) -> None:
    """Add this family to the command line."""
    app.add_typer(
        sink,
        name="sink",
        help="Where snapshots are delivered to: how that stands, try again, give up.",
        rich_help_panel=DAEMON_PANEL,
        epilog=format_examples(
            "oddaemon sink status", "oddaemon sink retry warehouse", "oddaemon sink skip ledger smile"
        ),
    )


@sink.command(epilog=format_examples("oddaemon sink status", "oddaemon sink status warehouse --json"))
def status(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="SINK", help="Only this one, office by office.", autocompletion=completion.complete_sinks
        ),
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """What was delivered to each sink, what waits, why, and when it is tried next. Read from the database."""
    from oddaemon.cli.sinking import show_sinks

    show_sinks(config, name, as_json=as_json)


@sink.command(
    epilog=format_examples("oddaemon sink retry warehouse", "oddaemon sink retry ledger --office bright-smiles")
)
def retry(
    name: SinkName,
    office: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Only this office's deliveries.", autocompletion=completion.complete_offices),
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Try at once what waits, and what was given up where nothing newer took its place; with or without a daemon."""
    from oddaemon.cli.sinking import send_sink_command

    send_sink_command(config, "retry", name, office, as_json=as_json)


@sink.command(epilog=format_examples("oddaemon sink skip ledger bright-smiles"))
def skip(name: SinkName, office: OfficeId, config: Config = None, as_json: AsJson = False) -> None:
    """Give up what stands first of an office's deliveries; the next one carries the whole snapshot."""
    from oddaemon.cli.sinking import send_sink_command

    send_sink_command(config, "skip", name, office, as_json=as_json)
