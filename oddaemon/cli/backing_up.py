"""`state backup`: the database in one checked file, made while the daemon works."""

from pathlib import Path

import typer

from oddaemon.cli.configuration import settings_of
from oddaemon.cli.failing import failure
from oddaemon.cli.gauge import gauge
from oddaemon.store.backup import back_up
from oddaemon.store.errors import StoreError, explained
from oddaemon.store.location import database_path
from oddaemon.store.room import size_text


def back_state_up(config: Path | None, target: Path, *, force: bool) -> None:
    """Make the backup; what stands in its way ends the command with a message, and leaves nothing behind."""
    path = database_path(settings_of(config).state.database)
    try:
        with explained(path), gauge("copying") as progress:
            made = back_up(path.resolve(), target, overwrite=force, progress=progress)
    except StoreError as error:
        raise failure(str(error)) from error
    typer.echo(
        f"{made.path}: {size_text(made.size_bytes)}, revision {made.revision}, {made.counts.offices:,} offices, "
        f"{made.counts.snapshots:,} snapshots. It holds patient data."
    )
