"""The commands that look after the database; they work beside a running daemon and without one."""

# ruff: noqa: PLC0415 - what does the work is heavy, and imported only by the command that needs it

from pathlib import Path
from typing import Annotated

import typer

from oddaemon.cli.options import DAEMON, AsJson, Config, example

state = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")


def register(app: typer.Typer) -> None:
    """Add this family to the command line."""
    app.add_typer(
        state,
        name="state",
        help="Look after the database: verify everything in it, back it up.",
        rich_help_panel=DAEMON,
        epilog=example("oddaemon state verify", "oddaemon state backup /backup/oddaemon.db"),
    )


@state.command(epilog=example("oddaemon state verify", "oddaemon state verify --database /backup/oddaemon.db"))
def verify(
    config: Config = None,
    database: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Verify this file, such as a backup, instead of the configured database."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove that every snapshot ever published is still what it was: pages, versions, and totals to the cent."""
    from oddaemon.cli.verifying import verify_state

    verify_state(config, database, as_json=as_json)


@state.command(epilog=example("oddaemon state backup /backup/oddaemon.db", "oddaemon state backup --force today.db"))
def backup(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The file to make.", show_default=False)],
    config: Config = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there already.")] = False,
) -> None:
    """Back the database up while the daemon works: one file, of one instant, checked, mode 0600. It is patient data."""
    from oddaemon.cli.backing_up import back_state_up

    back_state_up(config, target, force=force)
