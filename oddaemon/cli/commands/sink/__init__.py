"""`sink`: deliveries to sinks."""

import typer

from oddaemon.cli.lazy_command import add_lazy_command, format_examples

COMMANDS = (
    ("status", "status", "Show what was delivered to each sink, what is pending, why, and when the next attempt is."),
    ("retry", "control", "Retry pending deliveries at once, and failed ones that no newer delivery has replaced."),
    ("skip", "control", "Skip the first pending delivery of an office. The next one carries the whole snapshot."),
)
"""Name, module, and the first paragraph of the help of each command."""

app = typer.Typer(
    name="sink",
    epilog=format_examples("oddaemon sink status", "oddaemon sink retry warehouse", "oddaemon sink skip ledger smile"),
    no_args_is_help=True,
    rich_markup_mode="rich",
)
for _name, _module, _summary in COMMANDS:
    add_lazy_command(app, _name, _summary, package=__name__, module=_module)
