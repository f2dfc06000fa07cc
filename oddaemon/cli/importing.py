"""`office import`: hundreds of offices from one CSV, all of them or none.

They become one directory in the directory of offices, with a file for each: it appears in one step, so that neither a
kill nor a full disk leaves some of them, and no daemon ever sees a part.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from oddaemon.cli.configuration import checked, find
from oddaemon.cli.exit_status import ExitStatus
from oddaemon.cli.failing import failure
from oddaemon.cli.gauge import gauge
from oddaemon.cli.importing_csv import Sheet, read_sheet
from oddaemon.cli.onboarding import directory_of
from oddaemon.cli.onboarding_files import alone_in, write_group
from oddaemon.cli.onboarding_words import what_happens_next
from oddaemon.settings import Loaded, office_toml, read
from oddaemon.settings.directory import is_office_group
from oddaemon.settings.problem import Problem


@dataclass(frozen=True, slots=True)
class Import:
    """What is to be imported, and how."""

    csv: Path
    group: str | None = None
    """The name of the new directory; None: as the CSV is called."""
    dry_run: bool = False


def import_offices(config: Path | None, wanted: Import) -> None:
    """Add all offices of a CSV; a problem with any of them ends the command with all problems and nothing written."""
    place = find(config)
    settings = checked(read(place))[0]
    directory = directory_of(settings)
    group = directory / _group_name(wanted)
    try:
        sheet = read_sheet(wanted.csv)
    except OSError as error:
        raise failure(f"{wanted.csv} cannot be read: {error.strerror}") from error
    loaded = read(place, drafts=[sheet.draft])
    offices = _accepted(sheet, loaded)
    for warning in loaded.warnings:
        if warning.file == sheet.draft.path:
            typer.echo(f"warning: {warning}", err=True)
    if wanted.dry_run:
        typer.echo(f"{offices} would be added as {group}/; nothing is written.")
        return
    texts = {f"{office['id']}.toml": office_toml(office) for office in sheet.draft.offices}
    try:
        with alone_in(directory):
            _accepted(sheet, read(place, drafts=[sheet.draft]))
            with gauge(f"writing {offices}") as progress:
                write_group(group, texts, progress)
    except FileExistsError:
        raise failure(f"{group} exists already and stays as it is; name another directory with --into") from None
    except OSError as error:
        raise failure(f"{group} cannot be written: {error.strerror}; nothing has changed") from error
    typer.echo(f"{offices} added as {group}/, one file each. {what_happens_next(settings, len(texts))}")
    typer.echo("`oddaemon check --live` examines them all.")


def _group_name(wanted: Import) -> str:
    name = wanted.group if wanted.group is not None else re.sub(r"[^A-Za-z0-9_-]+", "-", wanted.csv.stem).strip("-_")
    if not is_office_group(Path(name)) or "/" in name:
        raise typer.BadParameter(
            f"{name!r} is no name for a directory of offices: 1 to 64 letters, digits, - and _.", param_hint="--into"
        )
    return name


def _accepted(sheet: Sheet, loaded: Loaded) -> str:
    """How many offices there are, if all is well with each and with the configuration as it would be."""
    problems = _in_order([*sheet.problems, *loaded.problems], sheet)
    for problem in problems:
        typer.echo(str(problem), err=True)
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems):,} problems"
        typer.echo(f"{count}; nothing is written.", err=True)
        raise typer.Exit(ExitStatus.BAD_CONFIGURATION)
    number = len(sheet.draft.offices)
    return "1 office" if number == 1 else f"{number:,} offices"


def _in_order(problems: Sequence[Problem], sheet: Sheet) -> list[Problem]:
    """Those of the CSV first, by line."""
    return sorted(problems, key=lambda each: (each.file != sheet.draft.path, each.line or 0))
