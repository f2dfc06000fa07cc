"""`office`: the offices of the configuration, and commands to the daemon about them."""

import typer

from oddaemon.cli.lazy_command import add_lazy_command, format_examples

COMMANDS = (
    (
        "list",
        "list",
        "List the configured offices: id, name, enabled, tier, zone, deadline, labels. Keys are not shown.",
    ),
    ("add", "add", "Add an office: ask for missing values, validate, diagnose the office, write its file."),
    ("import", "import_csv", "Add all offices of a CSV file, or none: list every problem with its line."),
    ("pause", "control", "Pause offices (survives a restart). Snapshots stay published; a pull in progress finishes."),
    ("resume", "control", "Resume paused offices, and probe them at once."),
    ("sync", "control", "Probe offices at once, and pull balances if aging has completed."),
    ("accept", "control", "Accept implausible balances: publish the next pull of each office as it is."),
    (
        "forget",
        "forget",
        "Erase everything stored about an office that is no longer configured, and verify the erasure.",
    ),
)
"""Name, module, and the first paragraph of the help of each command."""

app = typer.Typer(
    name="office",
    epilog=format_examples("oddaemon office list", "oddaemon office add", "oddaemon office pause elm"),
    no_args_is_help=True,
    rich_markup_mode="rich",
)
for _name, _module, _summary in COMMANDS:
    add_lazy_command(app, _name, _summary, package=__name__, module=_module)
