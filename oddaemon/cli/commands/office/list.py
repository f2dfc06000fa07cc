"""`office list`: the configured offices, and the removed ones whose data is kept."""

from typing import Any

import typer
from rich.console import Console

from oddaemon.cli.args.options import AsJson, Config
from oddaemon.cli.lazy_command import format_examples
from oddaemon.cli.output.json_document import print_json
from oddaemon.cli.output.table import TableColumn, TextTable, print_table
from oddaemon.cli.sources.config_file import load_settings
from oddaemon.cli.sources.removed_offices import describe_removed_office, load_removed_offices
from oddaemon.core.reporting.formatting import format_count, format_instant
from oddaemon.settings import OfficeSettings, Settings
from oddaemon.store.errors import DatabaseMissing, StoreError
from oddaemon.store.offices import OfficeRow

COLUMNS = (
    TableColumn("office"),
    TableColumn("name", wraps=True),
    TableColumn("on"),
    TableColumn("tier"),
    TableColumn("zone"),
    TableColumn("fresh by"),
    TableColumn("labels", wraps=True),
)

app = typer.Typer()


@app.command("list", epilog=format_examples("oddaemon office list", "oddaemon office list --json"))
def list_offices(config: Config = None, as_json: AsJson = False) -> None:
    """Also lists removed offices whose data is kept."""
    settings = load_settings(config)
    removed = _load_removed(settings)
    if as_json:
        document = {
            "offices": [_make_document(each) for each in settings.offices.values()],
            "removed": None if removed is None else [_make_removed_document(each) for each in removed],
        }
        print_json(document)
        return
    if settings.offices:
        _print_table(settings)
    else:
        typer.echo("No offices. Add one with `oddaemon office add`, or many with `oddaemon office import FILE.csv`.")
    if removed:
        typer.echo("")
        for each in removed:
            typer.echo(f"{each.id}: {describe_removed_office(each)}.")


def _load_removed(settings: Settings) -> list[OfficeRow] | None:
    """None: the database cannot be read, which does not keep the configuration from being listed."""
    try:
        return load_removed_offices(settings)
    except DatabaseMissing:
        return []
    except StoreError as error:
        typer.echo(f"oddaemon: removed offices are not listed: {error}", err=True)
        return None


def _print_table(settings: Settings) -> None:
    print_table(TextTable(COLUMNS, [_format_row(each) for each in settings.offices.values()]), Console())
    disabled = sum(not each.spec.enabled for each in settings.offices.values())
    typer.echo(f"{format_count(len(settings.offices), 'office')}{f', {disabled} disabled' if disabled else ''}.")


def _format_row(settings: OfficeSettings) -> list[str]:
    office = settings.spec
    return [
        office.id,
        office.name,
        "yes" if office.enabled else "no",
        settings.tier if settings.credentials.remote else "own network",
        "measured" if office.zone is None else str(office.zone),
        "-" if office.fresh_by is None else f"{office.fresh_by:%H:%M}",
        " ".join(f"{name}={text}" for name, text in office.labels),
    ]


def _make_document(settings: OfficeSettings) -> dict[str, Any]:
    office = settings.spec
    return {
        "id": office.id,
        "name": office.name,
        "enabled": office.enabled,
        "tier": settings.tier,
        "min_interval_seconds": settings.credentials.min_interval_seconds,
        "base_url": settings.credentials.base_url,
        "timezone": None if office.zone is None else str(office.zone),
        "fresh_by": None if office.fresh_by is None else f"{office.fresh_by:%H:%M}",
        "clinics": list(office.clinics),
        "include": office.include.value,
        "reader": office.reader.value,
        "labels": dict(office.labels),
        "file": str(settings.source),
    }


def _make_removed_document(removed: OfficeRow) -> dict[str, Any]:
    return {
        "id": removed.id,
        "name": removed.name,
        "data_until": None if removed.last_activity_at is None else format_instant(removed.last_activity_at),
        "snapshots": removed.snapshots,
        "backfilled_days": removed.backfilled_days,
    }
