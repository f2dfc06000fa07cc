"""`--as-of`, `--from` and `--to`: which days of an office a command means."""

import re
from datetime import date
from typing import Annotated

import typer

from oddaemon.cli.args.options import parse_date

DayRange = tuple[date | int | None, date | int | None]
"""What `--from` and `--to` say: an aging date, or a snapshot's id."""


def parse_date_or_id(text: str) -> date | int:
    """An aging date, or a snapshot's id.

    Raises:
        typer.BadParameter: It is neither.
    """
    if re.fullmatch(r"\d{1,18}", text, re.ASCII):
        return int(text)
    if (day := parse_date(text)) is None:
        raise typer.BadParameter(f"{text!r} is neither a date (2026-03-02) nor a snapshot's id (17).")
    return day


def _make_date_option(flag: str, help_text: str) -> object:
    return typer.Option(flag, metavar="DATE|ID", parser=parse_date_or_id, help=help_text, show_default=False)


AsOf = Annotated[date | None, _make_date_option("--as-of", "Aging date or snapshot id (default: the latest).")]
From = Annotated[
    date | None, _make_date_option("--from", "Earlier aging date or snapshot id (default: the one before --to).")
]
To = Annotated[date | None, _make_date_option("--to", "Later aging date or snapshot id (default: the latest).")]
First = Annotated[
    date | None, _make_date_option("--from", "First aging date or snapshot id (default: the oldest stored).")
]
