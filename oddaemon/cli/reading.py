"""The commands that read what the daemon knows; they work beside a running daemon and without one."""

from pathlib import Path
from typing import Annotated

import typer

from oddaemon.cli.args import completion
from oddaemon.cli.args.options import DAEMON_PANEL, OFFICES_PANEL, AsJson, Config, OfficeId, format_examples
from oddaemon.core.model import Condition


def register(app: typer.Typer) -> None:
    """Add this family to the command line."""
    app.command(
        rich_help_panel=OFFICES_PANEL,
        epilog=format_examples(
            "oddaemon status", "oddaemon status --check", "oddaemon status --watch --condition blocked"
        ),
    )(status)
    app.command(
        rich_help_panel=OFFICES_PANEL,
        epilog=format_examples("oddaemon top", "oddaemon top --condition late --condition blocked --refresh-seconds 5"),
    )(top)
    app.command(
        rich_help_panel=OFFICES_PANEL,
        epilog=format_examples("oddaemon explain bright-smiles", "oddaemon explain bright-smiles --journal 500"),
    )(explain)
    app.command(
        "support-bundle",
        rich_help_panel=DAEMON_PANEL,
        epilog=format_examples(
            "oddaemon support-bundle", "oddaemon support-bundle bright-smiles hill-street -o case-12.tar.gz"
        ),
    )(support_bundle)


Conditions = Annotated[
    list[Condition] | None,
    typer.Option("--condition", help="Only offices in this condition; may be given again."),
]
Labels = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="KEY=VALUE", help="Only offices with this label; all of those given must fit."),
]


def status(
    *,
    config: Config = None,
    as_json: AsJson = False,
    check: Annotated[
        bool, typer.Option("--check", help="Exit with 3 unless every office shown, paused ones aside, is fresh.")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Stay, and show every change; Ctrl-C ends it.")] = False,
    condition: Conditions = None,
    label: Labels = None,
) -> None:
    """How every office stands, the worst first: since when, why, who must act, what happens next.

    The running daemon is asked; without one the database tells what it last wrote, and that it does is said.
    """
    from oddaemon.cli.commands.status import OfficeFilter, show_status, watch_status

    if watch and (as_json or check):
        raise typer.BadParameter("goes neither with --json nor with --check.", param_hint="--watch")
    office_filter = OfficeFilter.from_options(condition or [], label or [])
    if watch:
        watch_status(config, office_filter)
    else:
        show_status(config, office_filter, as_json=as_json, check=check)


def top(
    *,
    config: Config = None,
    refresh_seconds: Annotated[
        float, typer.Option("--refresh-seconds", "-d", min=0.1, max=3600, help="Between two looks.")
    ] = 2.0,
    condition: Conditions = None,
    label: Labels = None,
) -> None:
    """The fleet live on one screen, the worst first: requests a second, what is in flight, what comes next.

    Keys: q or Ctrl-C ends it, arrows and PgUp/PgDn scroll, c goes through the
    conditions, / looks for an office, Esc shows all again.

    Where the output is no terminal, the screen is written once.
    """
    from oddaemon.cli.commands.status import OfficeFilter
    from oddaemon.cli.top.top import show_top

    show_top(config, OfficeFilter.from_options(condition or [], label or []), refresh_seconds)


def explain(
    office: OfficeId,
    config: Config = None,
    journal: Annotated[
        int,
        typer.Option(
            "--journal", "-n", metavar="N", min=0, max=10_000, help="So many of the last entries of its journal."
        ),
    ] = 20,
    as_json: AsJson = False,
) -> None:
    """All there is to know of one office: why it stands as it does, who must act, what to tell them, what happened.

    Its journal stands at the end, oldest first: what was decided, what failed, what was ordered.

    Requests without news are folded into one line.
    """
    from oddaemon.cli.commands.explain import show_office

    show_office(config, office, journal, as_json=as_json)


def support_bundle(
    offices: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="OFFICE",
            help="Whose journals; none named: all offices'.",
            show_default=False,
            autocompletion=completion.complete_offices,
        ),
    ] = None,
    config: Config = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="By default ./oddaemon-support-TIME.tar.gz.", show_default=False
        ),
    ] = None,
) -> None:
    """Pack what a helper needs to see into one file, mode 0600: no key, no patient, no amount is in it.

    Journals, configuration without secrets and its problems, versions, metrics, status, facts of the database.

    It works with a broken configuration and without a daemon, too: what is missing then is said.
    """
    from oddaemon.cli.commands.support_bundle import make_bundle

    make_bundle(config, offices or [], output)
