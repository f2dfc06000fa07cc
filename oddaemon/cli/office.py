"""The commands about single offices: how they come, and orders to the running daemon."""

# ruff: noqa: PLC0415 - what does the work is heavy, and imported only by the command that needs it

from typing import Annotated

import typer

from oddaemon.cli import completing
from oddaemon.cli.joining import onboard
from oddaemon.cli.options import OFFICES, AsJson, Config, example

OfficeIds = Annotated[
    list[str] | None,
    typer.Argument(metavar="OFFICE", help="The offices' ids.", show_default=False, autocompletion=completing.offices),
]
Everyone = Annotated[bool, typer.Option("--all", help="Every office that is not switched off.")]
Labels = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="KEY=VALUE", help="Offices with this label; all of those given must fit."),
]


def register(app: typer.Typer) -> None:
    """Add this family to the command line."""
    office = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="rich",
        epilog=example("oddaemon office list", "oddaemon office add", "oddaemon office pause elm"),
    )
    onboard(office)
    office.command(epilog=example("oddaemon office pause elm", "oddaemon office pause --label group=coast"))(pause)
    office.command(epilog=example("oddaemon office resume elm", "oddaemon office resume --all"))(resume)
    office.command(epilog=example("oddaemon office sync elm oak", "oddaemon office sync --all"))(sync)
    office.command(epilog=example("oddaemon office accept bright-smiles"))(accept)
    office.command(epilog=example("oddaemon office forget bright-smiles"))(forget)
    app.add_typer(office, name="office", help="Offices: added, listed, and orders about them.", rich_help_panel=OFFICES)


def pause(
    offices: OfficeIds = None,
    everyone: Everyone = False,
    label: Labels = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Leave offices alone from now on, also over a restart; what is published stays, what is under way ends first."""
    from oddaemon.cli.ordering import Chosen, order_offices

    order_offices(config, "pause", Chosen(offices or (), everyone, label or ()), as_json=as_json)


def resume(
    offices: OfficeIds = None,
    everyone: Everyone = False,
    label: Labels = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Watch paused offices again; they are asked at once."""
    from oddaemon.cli.ordering import Chosen, order_offices

    order_offices(config, "resume", Chosen(offices or (), everyone, label or ()), as_json=as_json)


def sync(
    offices: OfficeIds = None,
    everyone: Everyone = False,
    label: Labels = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Ask offices at once, whatever they wait for. Balances are read if aging has completed; what is fresh stays."""
    from oddaemon.cli.ordering import Chosen, order_offices

    order_offices(config, "sync", Chosen(offices or (), everyone, label or ()), as_json=as_json)


def accept(offices: OfficeIds = None, config: Config = None, as_json: AsJson = False) -> None:
    """Believe the balances that are held as implausible: the next reading of each office is published as it is."""
    from oddaemon.cli.ordering import Chosen, order_offices

    order_offices(config, "accept", Chosen(offices or ()), as_json=as_json)


def forget(
    office: Annotated[
        str,
        typer.Argument(
            metavar="OFFICE", help="The office's id.", show_default=False, autocompletion=completing.removed_offices
        ),
    ],
    config: Config = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove everything that is stored of an office whose contract has ended, and prove that no byte of it is left.

    It must not be configured any more. A running daemon does it, and goes on:
    while the whole file is written anew, nothing else is stored, and what was
    read waits for it. Without one it is done by the command.
    """
    from oddaemon.cli.forgetting import forget_office

    forget_office(config, office, yes=yes)
