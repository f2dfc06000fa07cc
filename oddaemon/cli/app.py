"""The command line: its list of commands, and the options before any command. Imports no command."""

from typing import Annotated

import typer

from oddaemon import __version__
from oddaemon.cli.lazy_command import add_lazy_command
from oddaemon.cli.output.exit import guard_stdout

DAEMON_PANEL = "Daemon"
OFFICES_PANEL = "Offices"
REHEARSAL_PANEL = "Rehearsal"

COMMANDS = (
    (DAEMON_PANEL, "run", "Run the daemon until SIGTERM or Ctrl-C: watch every office, pull, verify, publish."),
    (DAEMON_PANEL, "check", "Check the configuration: list every problem in every file, and summarize the load."),
    (OFFICES_PANEL, "doctor", "Diagnose offices step by step, from DNS to aging. Exits with 1 if someone must act."),
    (DAEMON_PANEL, "reload", "Make the running daemon reload its configuration: all of it or nothing. Shows changes."),
    (DAEMON_PANEL, "drain", "Make the running daemon finish what is in progress, start nothing new, and exit."),
    (
        OFFICES_PANEL,
        "status",
        "Show the condition of every office, worst first: since when, why, who must act, what happens next.",
    ),
    (
        DAEMON_PANEL,
        "fleet",
        "Show the hosts that share a PostgreSQL database: who works, what each holds, what differs.",
    ),
    (OFFICES_PANEL, "top", "Show the fleet live, worst first: requests per second, in flight, next actions."),
    (
        OFFICES_PANEL,
        "explain",
        "Show everything known about one office: its condition, why, who must act, what to send them, its journal.",
    ),
    (
        DAEMON_PANEL,
        "support-bundle",
        "Collect diagnostics in one file (mode 0600), without keys, patient data or amounts.",
    ),
    (
        OFFICES_PANEL,
        "backfill",
        "Read an office's balances as of a past day through the running daemon. Current balances stay as they are.",
    ),
    (OFFICES_PANEL, "balances", "Show the guarantor balances of an office, now or on any past day. Patient data."),
    (
        OFFICES_PANEL,
        "changes",
        "Show which guarantors are new, changed or cleared between two days, with old and new values. Patient data.",
    ),
    (
        OFFICES_PANEL,
        "history",
        "Show an office night by night, with backfilled days: buckets, totals, changes, and flow between buckets.",
    ),
    (REHEARSAL_PANEL, "simulator", "Simulate Open Dental's headquarters and its offices, until Ctrl-C."),
    (
        REHEARSAL_PANEL,
        "demo",
        "Run one simulated night of offices, with a crash in the middle, and verify every snapshot to the cent.",
    ),
    (OFFICES_PANEL, "office", "List, add, import and forget offices; pause, resume, sync and accept them."),
    (DAEMON_PANEL, "sink", "Show deliveries to sinks, retry them, or skip them."),
    (DAEMON_PANEL, "state", "Maintain the database: verify, back up, prune, vacuum."),
)
"""Panel, name, and the first paragraph of the help of each command."""

app = typer.Typer(
    name="oddaemon",
    help="Pulls the aged balances of every Open Dental office each morning: complete, true to the cent, and early.",
    epilog="Try it: [bold]oddaemon demo[/bold] runs one night of 25 simulated offices in under a minute.",
    no_args_is_help=True,
    # A traceback with the values of local variables could show a key or a balance.
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for _panel, _name, _summary in COMMANDS:
    _extra = "simulator" if _panel == REHEARSAL_PANEL else None
    add_lazy_command(app, _name, _summary, package="oddaemon.cli.commands", panel=_panel, extra=_extra)


def main() -> None:
    """Run the command line of this process, and exit with its status."""
    with guard_stdout():
        app()


def _show_version(requested: bool) -> None:
    if requested:
        typer.echo(f"oddaemon {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Options before any command."""
