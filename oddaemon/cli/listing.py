"""`office list`: the offices of a configuration, as they are configured."""

import json
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from oddaemon.cli.configuration import settings_of
from oddaemon.cli.sheet import Column, Sheet, show
from oddaemon.settings import OfficeSettings, Settings


def list_offices(config: Path | None, *, as_json: bool) -> None:
    """Write every office, in the order of the configuration."""
    settings = settings_of(config)
    if as_json:
        typer.echo(
            json.dumps({"offices": [_document(each) for each in settings.offices]}, indent=2, ensure_ascii=False)
        )
        return
    if not settings.offices:
        typer.echo("No office yet. `oddaemon office add` adds one, `oddaemon office import FILE.csv` many.")
        return
    columns = [Column("office"), Column("name", wraps=True), Column("on"), Column("tier"), Column("zone")]
    columns += [Column("fresh by"), Column("labels", wraps=True)]
    show(Sheet(columns, [_cells(each) for each in settings.offices]), Console())
    typer.echo(_summary(settings))


def _cells(each: OfficeSettings) -> list[str]:
    office = each.office
    return [
        office.id,
        office.name,
        "yes" if office.enabled else "no",
        each.tier if each.remote else "own network",
        "measured" if office.zone is None else str(office.zone),
        "-" if office.fresh_by is None else f"{office.fresh_by:%H:%M}",
        " ".join(f"{name}={text}" for name, text in office.labels),
    ]


def _summary(settings: Settings) -> str:
    off = sum(not each.office.enabled for each in settings.offices)
    offices = "1 office" if len(settings.offices) == 1 else f"{len(settings.offices):,} offices"
    return f"{offices}{f', {off} switched off' if off else ''}."


def _document(each: OfficeSettings) -> dict[str, Any]:
    office = each.office
    return {
        "id": office.id,
        "name": office.name,
        "enabled": office.enabled,
        "tier": each.tier,
        "min_interval_seconds": each.min_interval_seconds,
        "base_url": each.base_url,
        "timezone": None if office.zone is None else str(office.zone),
        "fresh_by": None if office.fresh_by is None else f"{office.fresh_by:%H:%M}",
        "clinics": list(office.clinics),
        "include": office.include.value,
        "reader": office.reader.value,
        "labels": dict(office.labels),
        "file": str(each.source),
    }
