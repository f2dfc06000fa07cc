"""The commands that bring balances out of the house: today's, any past day's, what changed, and how a year went."""

# ruff: noqa: PLC0415 - what does the work is heavy, and imported only by the command that needs it

import re
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from oddaemon.cli import completing
from oddaemon.cli.options import OFFICES, Config, OfficeId, date_of, example


class Form(StrEnum):
    """How rows are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    NDJSON = "ndjson"
    PARQUET = "parquet"


def parsed(text: str) -> date | int:
    """An aging date, or a snapshot's id.

    Raises:
        typer.BadParameter: it is neither.
    """
    if re.fullmatch(r"\d{1,18}", text, re.ASCII):
        return int(text)
    if (day := date_of(text)) is None:
        raise typer.BadParameter(f"{text!r} is no date (2026-03-02) and no id of a snapshot (17).")
    return day


def _when(flag: str, said: str) -> object:
    return typer.Option(flag, metavar="DATE|ID", parser=parsed, help=said, show_default=False)


OptionalOffice = Annotated[
    str | None,
    typer.Argument(metavar="OFFICE", help="The office's id.", show_default=False, autocompletion=completing.offices),
]
Format = Annotated[
    Form | None,
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
AsOf = Annotated[date | None, _when("--as-of", "The aging date, or a snapshot's id; by default the latest.")]
From = Annotated[date | None, _when("--from", "The earlier aging date or id; by default the one before --to.")]
To = Annotated[date | None, _when("--to", "The later aging date or id; by default the latest.")]
First = Annotated[date | None, _when("--from", "Begin with this aging date or id; by default with the first kept.")]


def register(app: typer.Typer) -> None:
    """Add this family to the command line."""
    for command, examples in (
        (balances, ("balances elm", "balances elm --as-of 2026-03-02 -o then.csv", "balances --fleet")),
        (changes, ("changes elm", "changes elm --from 2026-02-28 --to 2026-03-31", "changes elm -o last.parquet")),
        (history, ("history elm", "history elm --from 2026-01-01 --format csv")),
    ):
        epilog = example(*(f"oddaemon {each}" for each in examples))
        app.command(rich_help_panel=OFFICES, epilog=epilog)(command)


def balances(
    office: OptionalOffice = None,
    *,
    config: Config = None,
    fleet: Annotated[bool, typer.Option("--fleet", help="Totals of every office and label instead.")] = False,
    as_of: AsOf = None,
    form: Format = None,
    output: Output = None,
) -> None:
    """The guarantor balances of an office, now or on any past day. They are patient data: take care where they go."""
    from oddaemon.cli.balances import show_balances, show_fleet

    if fleet == (office is not None):
        raise typer.BadParameter("name an office, or say --fleet for all of them.", param_hint="OFFICE")
    if office is None:
        show_fleet(config, as_of, form, output)
    else:
        show_balances(config, office, as_of, form, output)


def changes(
    office: OfficeId,
    *,
    config: Config = None,
    first: From = None,
    last: To = None,
    form: Format = None,
    output: Output = None,
) -> None:
    """Who is new, changed or cleared between two days, with old and new values. It is patient data."""
    from oddaemon.cli.changes import show_changes

    show_changes(config, office, (first, last), form, output)


def history(
    office: OfficeId,
    *,
    config: Config = None,
    first: First = None,
    last: To = None,
    form: Format = None,
    output: Output = None,
) -> None:
    """An office night by night, with backfilled days: buckets, totals, changes, and what rolled between buckets."""
    from oddaemon.cli.nights import show_history

    show_history(config, office, (first, last), form, output)
