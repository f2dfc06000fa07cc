"""Options and arguments that several commands share."""

import re
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from oddaemon.cli.args import completion
from oddaemon.cli.output.export import OutputFormat

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        envvar="ODDAEMON_CONFIG",
        help="Configuration file (default: ./oddaemon.toml, then /etc/oddaemon/oddaemon.toml).",
        show_default=False,
        dir_okay=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write one JSON document to standard output.")]


def make_office_argument(help_text: str) -> Any:  # noqa: ANN401 - what Typer returns
    """One office or several, completed from the configuration."""
    return typer.Argument(
        metavar="OFFICE", help=help_text, show_default=False, autocompletion=completion.complete_offices
    )


OfficeId = Annotated[str, make_office_argument("The office's id.")]
Format = Annotated[
    OutputFormat | None,
    typer.Option("--format", "-f", help="Output format (default: by FILE's suffix, else a table).", show_default=False),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write to FILE atomically (mode 0600). All formats except `table` also write FILE.manifest.json.",
        show_default=False,
    ),
]
Concurrency = Annotated[int, typer.Option(min=1, max=256, help="How many offices to diagnose at once.")]
DEFAULT_CONCURRENCY = 16
Seed = Annotated[int, typer.Option(help="The same seed gives the same simulation.")]
DEFAULT_SEED = 7
DEFAULT_OFFICES = 25
"""The scenarios of the demo; further offices are ordinary ones."""
READY_LINE = "Ready."
"""The last line that the simulator writes at its start, for programs that wait for it."""


def parse_date(text: str) -> date | None:
    """A day as `yyyy-mm-dd`; None: not a date."""
    try:
        return date.fromisoformat(text if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII) else "")
    except ValueError:
        return None


def parse_label_options(labels: Iterable[str]) -> frozenset[tuple[str, str]]:
    """Keys and values of `--label KEY=VALUE` options; without `=` it is a usage error."""
    for label in labels:
        if "=" not in label:
            raise typer.BadParameter(f"{label!r} is not KEY=VALUE.", param_hint="--label")
    return frozenset((key, value) for key, _, value in (label.partition("=") for label in labels))
