"""`state`: maintenance of the database."""

import typer

from oddaemon.cli.lazy_command import add_lazy_command, format_examples

COMMANDS = (
    ("verify", "Verify every snapshot and backfilled day in the database: pages, versions, and totals to the cent."),
    ("backup", "Back up the database while the daemon works: one verified file (mode 0600). Patient data."),
    ("prune", "Delete data older than the retention period now. A running daemon does so every night."),
    ("move", "Move the database to a PostgreSQL server, or back to a file, and compare every row. Patient data."),
    ("vacuum", "Rewrite the database: as small as possible, and without a trace of deleted data."),
)
"""Name, and the first paragraph of the help of each command."""

app = typer.Typer(
    name="state",
    epilog=format_examples("oddaemon state verify", "oddaemon state backup /backup/oddaemon.db"),
    no_args_is_help=True,
    rich_markup_mode="rich",
)
for _name, _summary in COMMANDS:
    add_lazy_command(app, _name, _summary, package=__name__)
