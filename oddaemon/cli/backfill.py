"""The command that reads past days."""

# ruff: noqa: PLC0415 - what does the work is heavy, and imported only by the command that needs it

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from oddaemon.cli.options import OFFICES, AsJson, Config, example
from oddaemon.core.backfill import Via


def register(app: typer.Typer) -> None:
    """Add this command to the command line."""
    app.command(
        rich_help_panel=OFFICES,
        epilog=example(
            "oddaemon backfill bright-smiles --as-of 2025-12-31",
            "oddaemon backfill elm --as-of 2025-11-30 --as-of 2025-12-31 --no-wait",
            "oddaemon backfill",
        ),
    )(backfill)


def backfill(
    *,
    office: Annotated[
        str | None, typer.Argument(metavar="[OFFICE]", help="The office's id; without one, every order is listed.")
    ] = None,
    as_of: Annotated[
        list[datetime] | None,
        typer.Option("--as-of", formats=["%Y-%m-%d"], help="The day; may be given again for several."),
    ] = None,
    via: Annotated[Via, typer.Option(help="How it is read.")] = Via.REPORT,
    query: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Your SQL, for --via sftp.", exists=True, dir_okay=False, readable=True),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Stay and show how far it is.")] = True,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Read an office's balances as of a past day, through the running daemon; the current ones are never disturbed."""
    from oddaemon.cli.past_days import list_orders, order_days

    if office is None:
        list_orders(config, as_json=as_json)
        return
    if not as_of:
        raise typer.BadParameter("name a day, as yyyy-mm-dd.", param_hint="--as-of")
    if (query is None) is (via is Via.SFTP):
        raise typer.BadParameter("goes with --via sftp, and that with it.", param_hint="--query")
    days = [each.date() for each in as_of]
    order_days(config, office, days, (via, "" if query is None else query.read_text()), wait=wait, as_json=as_json)
