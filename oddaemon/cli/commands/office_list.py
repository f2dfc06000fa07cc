"""`office list`: the offices of a configuration, as they are configured, and what is kept of those that left it."""

import json
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from oddaemon.cli.output.table import TableColumn, TextTable, print_table
from oddaemon.cli.sources.config_file import load_settings
from oddaemon.cli.sources.removed_offices import describe_removed_office, load_removed_offices, make_removed_document
from oddaemon.settings import OfficeSettings, Settings
from oddaemon.store.errors import DatabaseMissing, StoreError
from oddaemon.store.offices import RemovedOffice


def list_offices(config: Path | None, *, as_json: bool) -> None:
    """Write every office, in the order of the configuration, and those that left it and are kept."""
    settings = load_settings(config)
    removed = _load_removed(settings)
    if as_json:
        document = {
            "offices": [_make_document(each) for each in settings.offices],
            "removed": None if removed is None else [make_removed_document(each) for each in removed],
        }
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    if settings.offices:
        _print_table(settings)
    else:
        typer.echo("No office yet. `oddaemon office add` adds one, `oddaemon office import FILE.csv` many.")
    if removed:
        typer.echo("")
        for each in removed:
            typer.echo(f"{each.id}: {describe_removed_office(each)}.")


def _load_removed(settings: Settings) -> list[RemovedOffice] | None:
    """None: the database does not tell. A configuration can be listed without one, so that ends nothing."""
    try:
        return load_removed_offices(settings)
    except DatabaseMissing:
        return []
    except StoreError as error:
        typer.echo(f"oddaemon: offices that were removed are not listed: {error}", err=True)
        return None


def _print_table(settings: Settings) -> None:
    columns = [
        TableColumn("office"),
        TableColumn("name", wraps=True),
        TableColumn("on"),
        TableColumn("tier"),
        TableColumn("zone"),
    ]
    columns += [TableColumn("fresh by"), TableColumn("labels", wraps=True)]
    print_table(TextTable(columns, [_format_row(each) for each in settings.offices]), Console())
    typer.echo(_format_summary(settings))


def _format_row(settings: OfficeSettings) -> list[str]:
    office = settings.office
    return [
        office.id,
        office.name,
        "yes" if office.enabled else "no",
        settings.tier if settings.remote else "own network",
        "measured" if office.zone is None else str(office.zone),
        "-" if office.fresh_by is None else f"{office.fresh_by:%H:%M}",
        " ".join(f"{name}={text}" for name, text in office.labels),
    ]


def _format_summary(settings: Settings) -> str:
    disabled = sum(not each.office.enabled for each in settings.offices)
    offices = "1 office" if len(settings.offices) == 1 else f"{len(settings.offices):,} offices"
    return f"{offices}{f', {disabled} switched off' if disabled else ''}."


def _make_document(settings: OfficeSettings) -> dict[str, Any]:
    office = settings.office
    return {
        "id": office.id,
        "name": office.name,
        "enabled": office.enabled,
        "tier": settings.tier,
        "min_interval_seconds": settings.min_interval_seconds,
        "base_url": settings.base_url,
        "timezone": None if office.zone is None else str(office.zone),
        "fresh_by": None if office.fresh_by is None else f"{office.fresh_by:%H:%M}",
        "clinics": list(office.clinics),
        "include": office.include.value,
        "reader": office.reader.value,
        "labels": dict(office.labels),
        "file": str(settings.source),
    }
