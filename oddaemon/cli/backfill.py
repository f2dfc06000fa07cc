"""The command that reads past days."""

# ruff: noqa: PLC0415 - what does the work is heavy, and imported only by the command that needs it

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from oddaemon.cli import completing
from oddaemon.cli.options import OFFICES, AsJson, Config, date_of, example
from oddaemon.core.backfill import Via
from oddaemon.core.operator_query import LENGTH_MAX


def _day(text: str) -> date:
    if (day := date_of(text)) is None:
        raise typer.BadParameter(f"{text!r} is no date (2026-03-02).")
    return day


def register(app: typer.Typer) -> None:
    """Add this command to the command line."""
    app.command(
        rich_help_panel=OFFICES,
        epilog=example(
            "oddaemon backfill bright-smiles --as-of 2025-12-31",
            "oddaemon backfill elm --as-of 2025-11-30 --as-of 2025-12-31 --no-wait",
            "oddaemon backfill",
            "oddaemon backfill bright-smiles --cancel",
        ),
    )(backfill)


def backfill(
    *,
    office: Annotated[
        str | None,
        typer.Argument(
            metavar="OFFICE",
            help="The office's id; without one, every order is listed.",
            autocompletion=completing.offices,
        ),
    ] = None,
    as_of: Annotated[
        list[date] | None,
        typer.Option(
            "--as-of", metavar="DATE", parser=_day, help="The day; may be given again for several.", show_default=False
        ),
    ] = None,
    via: Annotated[Via, typer.Option(help="How it is read.")] = Via.REPORT,
    query: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Your SQL, for --via sftp.", exists=True, dir_okay=False, readable=True),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Stay and show how far it is.")] = True,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="End the office's open orders, or with --as-of those for these days.")
    ] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Read an office's balances as of a past day, through the running daemon; the current ones are never disturbed."""
    from oddaemon.cli.past_days import cancel_days, list_orders, order_days

    if (query is not None or via is not Via.REPORT) and cancel:
        raise typer.BadParameter("goes without --via and --query.", param_hint="--cancel")
    if office is None and (cancel or as_of or query):
        raise typer.BadParameter("name the office.", param_hint="OFFICE")
    if office is None:
        list_orders(config, as_json=as_json)
        return
    days = list(dict.fromkeys(as_of or ()))
    if cancel:
        cancel_days(config, office, days, as_json=as_json)
        return
    if not days:
        raise typer.BadParameter("name a day, as yyyy-mm-dd.", param_hint="--as-of")
    if (query is None) is (via is Via.SFTP):
        raise typer.BadParameter("goes with --via sftp, and that with it.", param_hint="--query")
    order_days(config, office, days, (via, "" if query is None else _sql(query)), wait=wait, as_json=as_json)


def _sql(path: Path) -> str:
    try:
        query = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{path} is no UTF-8 text: save it as UTF-8.", param_hint="--query") from None
    if len(query) > LENGTH_MAX:
        raise typer.BadParameter(f"{path} has more than {LENGTH_MAX:,} characters.", param_hint="--query")
    return query
