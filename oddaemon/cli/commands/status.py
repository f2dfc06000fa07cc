"""`status`: the condition of every office."""

from datetime import UTC, datetime
from pathlib import Path
from time import sleep
from typing import Annotated

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from oddaemon.admin.inspection import DaemonDocument, FleetDocument
from oddaemon.cli.args.office_filter import Conditions, Labels, OfficeFilter
from oddaemon.cli.args.options import AsJson, Config
from oddaemon.cli.lazy_command import format_examples
from oddaemon.cli.output.exit import ExitStatus
from oddaemon.cli.output.fleet_table import (
    format_fleet_warnings,
    format_idle_warning,
    format_summary,
    make_fleet_table,
)
from oddaemon.cli.output.json_document import print_json
from oddaemon.cli.output.table import make_rich_table, print_table
from oddaemon.cli.sources.config_file import find_config
from oddaemon.cli.sources.fleet import SourcedDocument, load_fleet
from oddaemon.core.model import Condition

REFRESH_SECONDS = 1.0

app = typer.Typer()


@app.command(
    epilog=format_examples("oddaemon status", "oddaemon status --check", "oddaemon status --watch --condition blocked")
)
def status(
    *,
    config: Config = None,
    as_json: AsJson = False,
    check: Annotated[
        bool, typer.Option("--check", help="Exit with 3 unless every office shown is fresh; paused ones are ignored.")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Keep showing changes until Ctrl-C.")] = False,
    condition: Conditions = None,
    label: Labels = None,
) -> None:
    """Asks the running daemon. If it cannot be reached, shows what the database
    last stored, and says so.
    """
    if watch and (as_json or check):
        raise typer.BadParameter("cannot be combined with --json or --check.", param_hint="--watch")
    office_filter = OfficeFilter.from_options(condition, label)
    if watch:
        _watch_status(find_config(config), office_filter)
    else:
        _show_status(find_config(config), office_filter, as_json=as_json, check=check)


def _show_status(config: Path, office_filter: OfficeFilter, *, as_json: bool, check: bool) -> None:
    now = datetime.now(UTC)
    report = load_fleet(config, now)
    fleet = office_filter.apply(report.document)
    offices = fleet["offices"]
    if report.remark:
        typer.echo(f"oddaemon: {report.remark}.", err=True)
    if as_json:
        print_json(fleet)
    else:
        print_table(make_fleet_table(offices, now), Console())
        typer.echo(format_summary([office["condition"] for office in offices]))
        for warning in _list_fleet_warnings(fleet):
            typer.echo(warning, err=True)
        if (daemon := fleet["daemon"]) is not None:
            _print_failures(daemon)
        if not report.remark and (idle := format_idle_warning(offices, now)):
            typer.echo(idle, err=True)
    conditions = {office["condition"] for office in offices} - {Condition.PAUSED.value}
    if check and conditions != {Condition.FRESH.value}:
        raise typer.Exit(ExitStatus.NOT_ALL_FRESH)


def _print_failures(daemon: DaemonDocument) -> None:
    """What failed after its command had ended."""
    if refused := daemon["configuration_rejected"]:
        typer.echo(f"The last reload was refused; the previous configuration stays active. {refused}", err=True)
    for failed in daemon["failed_jobs"]:
        typer.echo(failed, err=True)


def _list_fleet_warnings(fleet: FleetDocument) -> list[str]:
    return list(format_fleet_warnings(fleet["fleet"])) if "fleet" in fleet else []


def _watch_status(config: Path, office_filter: OfficeFilter) -> None:
    console = Console()
    try:
        with Live(console=console, screen=console.is_terminal, auto_refresh=False) as live:
            while True:
                now = datetime.now(UTC)
                live.update(_render(load_fleet(config, now), office_filter, now), refresh=True)
                # The daemon does not push changes, so this polls; Ctrl-C ends the sleep.
                sleep(REFRESH_SECONDS)
    except KeyboardInterrupt:
        raise typer.Exit(ExitStatus.DONE) from None


def _render(report: SourcedDocument[FleetDocument], office_filter: OfficeFilter, now: datetime) -> Group:
    fleet = office_filter.apply(report.document)
    offices = fleet["offices"]
    remark = [Text(f"{report.remark}.", style="yellow")] if report.remark else []
    remark += [Text(warning, style="yellow") for warning in _list_fleet_warnings(fleet)]
    summary = format_summary([office["condition"] for office in offices])
    return Group(*remark, summary, make_rich_table(make_fleet_table(offices, now)))
