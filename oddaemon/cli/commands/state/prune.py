"""`state prune`: delete old data now, in the daemon if it runs."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from oddaemon.admin.commands import Document
from oddaemon.admin.offline_commands import prune as prune_database
from oddaemon.cli.args.options import Config
from oddaemon.cli.lazy_command import format_examples
from oddaemon.cli.sources.config_file import load_settings
from oddaemon.cli.sources.database import run_on_database
from oddaemon.store.database import Database

app = typer.Typer()


@app.command(epilog=format_examples("oddaemon state prune", "oddaemon state prune --older-than-days 90"))
def prune(
    config: Config = None,
    days: Annotated[
        int | None,
        typer.Option(
            "--older-than-days",
            metavar="DAYS",
            min=1,
            max=36_500,
            help="Retention period (default: `retain_days` of the configuration).",
            show_default=False,
        ),
    ] = None,
) -> None:
    settings = load_settings(config)
    older_than = days or settings.state.retain_days

    # Beside daemons on a server it is safe: it deletes only what no publish changes, and each night a host of the fleet
    # does the same beside the others.
    async def work(database: Database) -> Document:
        return await prune_database(database, older_than, datetime.now(UTC))

    result = run_on_database(settings, work, "/state/prune", f"?older_than_days={older_than}")
    hint = "" if settings.state.is_postgresql else " `oddaemon state vacuum` returns the space to the file system."
    typer.echo(f"{result['outcome']}{hint}")
