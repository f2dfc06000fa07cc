"""The commands that bring balances out of the house: today's, any past day's, what changed, and how a year went."""

import re
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from oddaemon.cli.args import completion
from oddaemon.cli.args.options import OFFICES_PANEL, Config, OfficeId, format_examples, parse_date


class OutputFormat(StrEnum):
    """How rows are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    NDJSON = "ndjson"
    PARQUET = "parquet"


def parse_date_or_id(text: str) -> date | int:
    """An aging date, or a snapshot's id.

    Raises:
        typer.BadParameter: it is neither.
    """
    if re.fullmatch(r"\d{1,18}", text, re.ASCII):
        return int(text)
    if (day := parse_date(text)) is None:
        raise typer.BadParameter(f"{text!r} is no date (2026-03-02) and no id of a snapshot (17).")
    return day


def _make_date_option(flag: str, help_text: str) -> object:
    return typer.Option(flag, metavar="DATE|ID", parser=parse_date_or_id, help=help_text, show_default=False)


OptionalOffice = Annotated[
    str | None,
    typer.Argument(
        metavar="OFFICE", help="The office's id.", show_default=False, autocompletion=completion.complete_offices
    ),
]
Format = Annotated[
    OutputFormat | None,
    typer.Option(
        "--format", "-f", help="How to write them; by default as FILE's suffix says, else a table.", show_default=False
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write here, whole or not at all, mode 0600; all but a table with FILE.manifest.json beside it.",
        show_default=False,
    ),
]
AsOf = Annotated[
    date | None, _make_date_option("--as-of", "The aging date, or a snapshot's id; by default the latest.")
]
From = Annotated[
    date | None, _make_date_option("--from", "The earlier aging date or id; by default the one before --to.")
]
To = Annotated[date | None, _make_date_option("--to", "The later aging date or id; by default the latest.")]
First = Annotated[
    date | None, _make_date_option("--from", "Begin with this aging date or id; by default with the first kept.")
]


def register(app: typer.Typer) -> None:
    """Add this family to the command line."""
    for command, examples in (
        (balances, ("balances elm", "balances elm --as-of 2026-03-02 -o then.csv", "balances --fleet")),
        (changes, ("changes elm", "changes elm --from 2026-02-28 --to 2026-03-31", "changes elm -o last.parquet")),
        (history, ("history elm", "history elm --from 2026-01-01 --format csv")),
    ):
        epilog = format_examples(*(f"oddaemon {each}" for each in examples))
        app.command(rich_help_panel=OFFICES_PANEL, epilog=epilog)(command)


def balances(
    office: OptionalOffice = None,
    *,
    config: Config = None,
    fleet: Annotated[bool, typer.Option("--fleet", help="Totals of every office and label instead.")] = False,
    as_of: AsOf = None,
    output_format: Format = None,
    output: Output = None,
) -> None:
    """The guarantor balances of an office, now or on any past day. They are patient data: take care where they go."""
    from oddaemon.cli.commands.balances import show_balances, show_fleet_totals

    if fleet == (office is not None):
        raise typer.BadParameter("name an office, or say --fleet for all of them.", param_hint="OFFICE")
    if office is None:
        show_fleet_totals(config, as_of, output_format, output)
    else:
        show_balances(config, office, as_of, output_format, output)


def changes(
    office: OfficeId,
    *,
    config: Config = None,
    first: From = None,
    last: To = None,
    output_format: Format = None,
    output: Output = None,
) -> None:
    """Who is new, changed or cleared between two days, with old and new values. It is patient data."""
    from oddaemon.cli.commands.changes import show_changes

    show_changes(config, office, (first, last), output_format, output)


def history(
    office: OfficeId,
    *,
    config: Config = None,
    first: First = None,
    last: To = None,
    output_format: Format = None,
    output: Output = None,
) -> None:
    """An office night by night, with backfilled days: buckets, totals, changes, and what rolled between buckets."""
    from oddaemon.cli.commands.history import show_history

    show_history(config, office, (first, last), output_format, output)
