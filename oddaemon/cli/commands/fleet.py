"""`fleet`: the hosts that share a database."""

from collections.abc import Iterator
from datetime import datetime

import typer
from rich.console import Console

from oddaemon.cli.args.options import AsJson, Config
from oddaemon.cli.lazy_command import format_examples
from oddaemon.cli.output.fleet_table import describe_replication, format_fleet_warnings
from oddaemon.cli.output.formatting import format_instant, format_relative
from oddaemon.cli.output.json_document import print_json
from oddaemon.cli.output.table import TableColumn, TextTable, print_table
from oddaemon.cli.sources.config_file import find_config
from oddaemon.cli.sources.fleet import load_members
from oddaemon.core.fleet.member import Departure
from oddaemon.core.reporting.fleet_document import FleetOverviewDocument, MemberDocument
from oddaemon.core.reporting.formatting import format_count, format_duration

COLUMNS = (
    TableColumn("host"),
    TableColumn("stage"),
    TableColumn("version"),
    TableColumn("offices", right_aligned=True),
    TableColumn("for", right_aligned=True),
    TableColumn("renewed"),
    TableColumn("expires"),
    TableColumn("settings"),
    TableColumn("network"),
    TableColumn("pages"),
)
GONE_COLUMNS = (TableColumn("host"), TableColumn("version"), TableColumn("gone"), TableColumn("why", wraps=True))
DEPARTURE_TEXTS = {
    Departure.DRAINED: "It was stopped in good order.",
    Departure.REJOINED: "It lost the database and joined again.",
    Departure.EXPIRED: "It did not renew in time: it died, stood still, or was cut off from the database.",
}

app = typer.Typer()


@app.command(epilog=format_examples("oddaemon fleet", "oddaemon fleet --json"))
def fleet(*, config: Config = None, as_json: AsJson = False) -> None:
    """Asks the running daemon. If it cannot be reached, shows what the database
    says, and says so.
    """
    report = load_members(find_config(config))
    if report.remark:
        typer.echo(f"oddaemon: {report.remark}.", err=True)
    document = report.document
    if as_json:
        print_json(document)
        return
    now, console = datetime.fromisoformat(document["at"]), Console()
    print_table(TextTable(COLUMNS, [_format_member(each, now) for each in document["members"]]), console)
    if document["gone"]:
        typer.echo("\nGone within the hour:")
        print_table(TextTable(GONE_COLUMNS, [_format_gone(each) for each in document["gone"]]), console)
        typer.echo()
    for line in _format_summary(document):
        typer.echo(line)
    for warning in format_fleet_warnings(document):
        typer.echo(warning, err=True)


def _format_member(member: MemberDocument, now: datetime) -> list[str]:
    renewed_at, expires_at = (datetime.fromisoformat(member[name]) for name in ("renewed_at", "expires_at"))
    return [
        member["host"],
        member["stage"],
        member["version"],
        f"{member['offices']:,}",
        format_duration(now - datetime.fromisoformat(member["joined_at"])),
        f"{max(0, round((now - renewed_at).total_seconds()))} s ago",
        format_relative(expires_at, now),
        member["settings"],
        member["network"] or "-",
        member["address"] or "-",
    ]


def _format_gone(member: MemberDocument) -> list[str]:
    gone_at, departure = member["gone_at"], member["departure"]
    return [
        member["host"],
        member["version"],
        "-" if gone_at is None else format_instant(datetime.fromisoformat(gone_at)),
        "-" if departure is None else DEPARTURE_TEXTS[Departure(departure)],
    ]


def _format_summary(document: FleetOverviewDocument) -> Iterator[str]:
    offices, hosts = document["offices"], len({member["host"] for member in document["members"]})
    yield f"{format_count(hosts, 'host')}; {format_count(offices['held'], 'office')} held, {offices['unheld']:,} unheld"
    yield f"Database: {describe_replication(document['database'])}."
