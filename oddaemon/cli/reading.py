"""The commands that read what the daemon knows; they work beside a running daemon and without one."""

# ruff: noqa: PLC0415 - what does the work is heavy, and imported only by the command that needs it

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from oddaemon.cli.options import OFFICES, AsJson, Config, OfficeId, example
from oddaemon.core.model import Condition


class BalanceFormat(StrEnum):
    """How balances are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def register(app: typer.Typer) -> None:
    """Add this family to the command line."""
    app.command(
        rich_help_panel=OFFICES,
        epilog=example("oddaemon status", "oddaemon status --check", "oddaemon status --watch --condition blocked"),
    )(status)
    app.command(rich_help_panel=OFFICES, epilog=example("oddaemon explain bright-smiles"))(explain)
    app.command(
        rich_help_panel=OFFICES,
        epilog=example("oddaemon balances bright-smiles", "oddaemon balances bright-smiles --format csv -o today.csv"),
    )(balances)


def status(
    *,
    config: Config = None,
    as_json: AsJson = False,
    check: Annotated[
        bool, typer.Option("--check", help="Exit with 3 unless every office shown, paused ones aside, is fresh.")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Stay, and show every change; Ctrl-C ends it.")] = False,
    condition: Annotated[
        list[Condition] | None, typer.Option(help="Only offices in this condition; may be given again.")
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Only offices with this label; all of those given must fit."),
    ] = None,
) -> None:
    """How every office stands, the worst first: since when, why, who must act, what happens next."""
    from oddaemon.cli.status import Selection, show_status, watch_status

    if watch and (as_json or check):
        raise typer.BadParameter("goes neither with --json nor with --check.", param_hint="--watch")
    selection = Selection.parsed(condition or [], label or [])
    if watch:
        watch_status(config, selection)
    else:
        show_status(config, selection, as_json=as_json, check=check)


def explain(office: OfficeId, config: Config = None, as_json: AsJson = False) -> None:
    """All there is to know of one office: why it stands as it does, who must act, what to tell them."""
    from oddaemon.cli.explaining import show_office

    show_office(config, office, as_json=as_json)


def balances(
    office: OfficeId,
    config: Config = None,
    form: Annotated[BalanceFormat, typer.Option("--format", "-f", help="How to write them.")] = BalanceFormat.TABLE,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write here, at once and for you alone, mode 0600."),
    ] = None,
) -> None:
    """The guarantor balances of an office's last published snapshot. They are patient data: take care where they go."""
    from oddaemon.cli.balances import show_balances

    show_balances(config, office, form, output)
