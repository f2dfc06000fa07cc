"""The commands that give the running daemon orders about one office."""

# ruff: noqa: PLC0415 - what does the work is heavy, and imported only by the command that needs it

import typer

from oddaemon.cli.options import OFFICES, AsJson, Config, OfficeId, example


def register(app: typer.Typer) -> None:
    """Add this family to the command line."""
    office = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
    # A callback, even of nothing, keeps the family's name in front of its one command.
    office.callback()(_family)
    office.command(epilog=example("oddaemon office accept bright-smiles"))(accept)
    app.add_typer(office, name="office", help="Orders about one office.", rich_help_panel=OFFICES)


def accept(office: OfficeId, config: Config = None, as_json: AsJson = False) -> None:
    """Believe the balances that are held as implausible: the office's next reading is published as it is."""
    from oddaemon.cli.ordering import accept_held

    accept_held(config, office, as_json=as_json)


def _family() -> None:
    pass
