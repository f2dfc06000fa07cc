"""`state backup`: the database in one checked file, made while the daemon works."""

from pathlib import Path

import typer

from oddaemon.cli.output.exit import fail
from oddaemon.cli.output.progress import progress_bar
from oddaemon.cli.sources.config_file import load_settings
from oddaemon.store.errors import StoreError
from oddaemon.store.sqlite.disk_space import format_size
from oddaemon.store.sqlite.errors import translate_errors
from oddaemon.store.sqlite.location import parse_database_path
from oddaemon.store.sqlite.maintenance.backup import back_up


def backup_state(config: Path | None, target: Path, *, force: bool) -> None:
    """Make the backup; what stands in its way ends the command with a message, and leaves nothing behind."""
    path = parse_database_path(load_settings(config).state.database)
    try:
        with translate_errors(path), progress_bar("copying") as progress:
            result = back_up(path.resolve(), target, overwrite=force, progress=progress)
    except StoreError as error:
        raise fail(str(error)) from error
    typer.echo(
        f"{result.path}: {format_size(result.size_bytes)}, revision {result.revision}, "
        f"{result.counts.offices:,} offices, "
        f"{result.counts.snapshots:,} snapshots. It holds patient data."
    )
