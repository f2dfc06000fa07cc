"""`office list`: the offices of a configuration, as they are configured, and what is kept of those that left it."""

import json
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from oddaemon.cli.configuration import settings_of
from oddaemon.cli.kept import kept_beside, kept_document, sentence
from oddaemon.cli.sheet import Column, Sheet, show
from oddaemon.settings import OfficeSettings, Settings
from oddaemon.store.errors import DatabaseMissing, StoreError
from oddaemon.store.kept import KeptOffice


def list_offices(config: Path | None, *, as_json: bool) -> None:
    """Write every office, in the order of the configuration, and those that left it and are kept."""
    settings = settings_of(config)
    kept = _kept(settings)
    if as_json:
        document = {
            "offices": [_document(each) for each in settings.offices],
            "kept": None if kept is None else [kept_document(each) for each in kept],
        }
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    if settings.offices:
        _draw(settings)
    else:
        typer.echo("No office yet. `oddaemon office add` adds one, `oddaemon office import FILE.csv` many.")
    if kept:
        typer.echo("")
        for each in kept:
            typer.echo(f"{each.id}: {sentence(each)}.")


def _kept(settings: Settings) -> list[KeptOffice] | None:
    """None: the database does not tell. A configuration can be listed without one, so that ends nothing."""
    try:
        return kept_beside(settings)
    except DatabaseMissing:
        return []
    except StoreError as error:
        typer.echo(f"oddaemon: offices that were removed are not listed: {error}", err=True)
        return None


def _draw(settings: Settings) -> None:
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
