"""The commands that look after the database; they work beside a running daemon and without one."""

from pathlib import Path
from typing import Annotated

import typer

from oddaemon.cli.args.options import DAEMON_PANEL, AsJson, Config, format_examples

state = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")


def register(app: typer.Typer) -> None:
    """Add this family to the command line."""
    app.add_typer(
        state,
        name="state",
        help="Look after the database: verify everything in it, back it up, make it smaller.",
        rich_help_panel=DAEMON_PANEL,
        epilog=format_examples("oddaemon state verify", "oddaemon state backup /backup/oddaemon.db"),
    )


@state.command(epilog=format_examples("oddaemon state verify", "oddaemon state verify --database /backup/oddaemon.db"))
def verify(
    config: Config = None,
    database: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Verify this file, such as a backup, instead of the configured database."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove that every snapshot and backfilled day is still what it was: pages, versions, and totals to the cent."""
    from oddaemon.cli.verifying import verify_state

    verify_state(config, database, as_json=as_json)


@state.command(
    epilog=format_examples("oddaemon state backup /backup/oddaemon.db", "oddaemon state backup --force today.db")
)
def backup(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The file to make.", show_default=False)],
    config: Config = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there already.")] = False,
) -> None:
    """Back the database up while the daemon works: one file, of one instant, checked, mode 0600. It is patient data."""
    from oddaemon.cli.backing_up import backup_state

    backup_state(config, target, force=force)


@state.command(epilog=format_examples("oddaemon state prune", "oddaemon state prune --older-than-days 90"))
def prune(
    config: Config = None,
    days: Annotated[
        int | None,
        typer.Option(
            "--older-than-days",
            metavar="DAYS",
            min=1,
            max=36_500,
            help="By default `retain_days` of the configuration.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Forget what is older than the retained period now; a running daemon does so every night, and when told."""
    from oddaemon.cli.tending import prune_state

    prune_state(config, days)


@state.command(epilog=format_examples("oddaemon state vacuum"))
def vacuum(config: Config = None) -> None:
    """Write the database anew: as small as it can be, and without a byte of what was deleted.

    A running daemon does it, and stores nothing else meanwhile; what was read
    waits for it. By itself it gives space back every night, a little at a time.
    """
    from oddaemon.cli.tending import vacuum_state

    vacuum_state(config)
