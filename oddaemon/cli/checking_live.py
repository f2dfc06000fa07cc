"""`check --live`: the configuration, and then every office that it names."""

import json
from pathlib import Path

import typer

from oddaemon.cli.checking import check_configuration, check_document
from oddaemon.cli.configuration import checked, find
from oddaemon.cli.doctoring import chosen, end_with, examined, round_document
from oddaemon.cli.doctoring_sheet import show_round
from oddaemon.settings import read


def check_live(config: Path | None, *, concurrency: int, as_json: bool) -> None:
    """Check the configuration as `check` does, then examine its offices; ends with 1 if one needs somebody."""
    place = find(config)
    if not as_json:
        check_configuration(place, as_json=False)
        typer.echo()
    loaded = read(place)
    if loaded.settings is None and as_json:
        check_configuration(place, as_json=True)
    settings, _ = checked(loaded)
    found = examined(settings, chosen(settings, ()), concurrency)
    if as_json:
        document = {**check_document(loaded), "live": round_document(found)}
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        show_round(found)
    end_with(found)
