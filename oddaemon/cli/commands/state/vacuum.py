"""`state vacuum`: rewrite the database, in the daemon if it runs."""

import typer

from oddaemon.admin.offline_commands import vacuum_database
from oddaemon.cli.args.options import Config
from oddaemon.cli.lazy_command import format_examples
from oddaemon.cli.sources.config_file import load_settings
from oddaemon.cli.sources.database import refuse_on_server, run_on_database

app = typer.Typer()


@app.command(epilog=format_examples("oddaemon state vacuum"))
def vacuum(config: Config = None) -> None:
    """A running daemon does the work and stores nothing else meanwhile; pulled
    balances wait. By itself it returns a little space every night.
    """
    settings = load_settings(config)
    if settings.state.is_postgresql:
        raise refuse_on_server(
            settings,
            "its autovacuum makes room for new rows. To give space back to the disk, stop the daemons and run",
            "psql --command='VACUUM (FULL, ANALYZE)' --dbname={conninfo}",
        )
    typer.echo(run_on_database(settings, vacuum_database, "/state/vacuum")["outcome"])
