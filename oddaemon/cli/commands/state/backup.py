"""`state backup`: the database in one verified file, made while the daemon works."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from oddaemon.cli.args.options import Config
from oddaemon.cli.lazy_command import format_examples
from oddaemon.cli.output.exit import fail
from oddaemon.cli.output.progress import progress_bar
from oddaemon.cli.sources.config_file import load_settings
from oddaemon.cli.sources.database import print_warning, refuse_on_server
from oddaemon.core.reporting.formatting import format_count
from oddaemon.store.errors import StoreError
from oddaemon.store.sqlite.disk_space import format_size
from oddaemon.store.sqlite.errors import translate_errors
from oddaemon.store.sqlite.maintenance.backup import back_up
from oddaemon.store.sqlite.open_mark import describe_lost_log

app = typer.Typer()


@app.command(
    epilog=format_examples("oddaemon state backup /backup/oddaemon.db", "oddaemon state backup --force today.db")
)
def backup(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The file to create.", show_default=False)],
    config: Config = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    settings = load_settings(config)
    if settings.state.is_postgresql:
        raise refuse_on_server(
            settings,
            "its own tools back it up. For one file as of one moment, run",
            f"pg_dump --format=custom --file={shlex.quote(str(target))} --dbname={{conninfo}}",
        )
    path = settings.state.path
    try:
        with translate_errors(path), progress_bar("copying") as progress:
            result = back_up(path.resolve(), target, overwrite=force, progress=progress)
    except StoreError as error:
        raise fail(str(error)) from error
    if result.has_lost_log:
        print_warning(describe_lost_log(path.resolve()))
    typer.echo(
        f"{result.path}: {format_size(result.size_bytes)}, revision {result.revision}, "
        f"{format_count(result.counts.offices, 'office')}, {format_count(result.counts.snapshots, 'snapshot')}. "
        "It holds patient data."
    )
