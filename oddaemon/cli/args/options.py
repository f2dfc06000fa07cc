"""Options that several commands share."""

import re
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from oddaemon.cli.args import completion

OFFICES_PANEL = "Offices"
DAEMON_PANEL = "Daemon"
REHEARSAL_PANEL = "Rehearsal"

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        envvar="ODDAEMON_CONFIG",
        help="The configuration; by default ./oddaemon.toml, then /etc/oddaemon/oddaemon.toml.",
        show_default=False,
        dir_okay=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
OfficeId = Annotated[
    str,
    typer.Argument(
        metavar="OFFICE", help="The office's id.", show_default=False, autocompletion=completion.complete_offices
    ),
]


def format_examples(*commands: str) -> str:
    """The epilog of a command: how it is typed, a line each, so that it can be copied from a terminal of 80 columns."""
    heading = "Examples:" if len(commands) > 1 else "Example:"
    return "\n".join([heading, *(f"[bold]{command}[/bold]" for command in commands)])


def parse_date(text: str) -> date | None:
    """A day as `yyyy-mm-dd`; None: it is none."""
    try:
        return date.fromisoformat(text if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII) else "")
    except ValueError:
        return None
