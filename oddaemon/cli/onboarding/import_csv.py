"""`office import`: hundreds of offices from one CSV, all of them or none.

They become one directory in the directory of offices, with a file for each: it appears in one step, so that neither a
kill nor a full disk leaves some of them, and no daemon ever sees a part.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from oddaemon.cli.onboarding.add import require_offices_directory
from oddaemon.cli.onboarding.csv_reader import ParsedCsv, read_csv
from oddaemon.cli.onboarding.office_files import lock_directory, write_group
from oddaemon.cli.onboarding.parse import describe_next_step
from oddaemon.cli.output.exit import ExitStatus, fail
from oddaemon.cli.output.progress import progress_bar
from oddaemon.cli.sources.config_file import find_config, require_settings
from oddaemon.settings import LoadResult, render_office_toml, try_load
from oddaemon.settings.files.directory import is_office_group
from oddaemon.settings.files.problem import Problem


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What is to be imported, and how."""

    csv: Path
    group: str | None = None
    """The name of the new directory; None: as the CSV is called."""
    dry_run: bool = False


def import_offices(config: Path | None, options: ImportOptions) -> None:
    """Add all offices of a CSV; a problem with any of them ends the command with all problems and nothing written."""
    config_path = find_config(config)
    settings = require_settings(try_load(config_path))[0]
    directory = require_offices_directory(settings)
    group = directory / _choose_group_name(options)
    try:
        parsed = read_csv(options.csv)
    except OSError as error:
        raise fail(f"{options.csv} cannot be read: {error.strerror}") from error
    loaded = try_load(config_path, drafts=[parsed.office_draft])
    offices = _require_valid(parsed, loaded)
    for warning in loaded.warnings:
        if warning.file == parsed.office_draft.path:
            typer.echo(f"warning: {warning}", err=True)
    if options.dry_run:
        typer.echo(f"{offices} would be added as {group}/; nothing is written.")
        return
    texts = {f"{office['id']}.toml": render_office_toml(office) for office in parsed.office_draft.offices}
    try:
        with lock_directory(directory):
            _require_valid(parsed, try_load(config_path, drafts=[parsed.office_draft]))
            with progress_bar(f"writing {offices}") as progress:
                write_group(group, texts, progress)
    except FileExistsError:
        raise fail(f"{group} exists already and stays as it is; name another directory with --into") from None
    except OSError as error:
        raise fail(f"{group} cannot be written: {error.strerror}; nothing has changed") from error
    typer.echo(f"{offices} added as {group}/, one file each. {describe_next_step(settings, len(texts))}")
    typer.echo("`oddaemon check --live` examines them all.")


def _choose_group_name(options: ImportOptions) -> str:
    name = options.group if options.group is not None else re.sub(r"[^A-Za-z0-9_-]+", "-", options.csv.stem).strip("-_")
    if not is_office_group(Path(name)) or "/" in name:
        raise typer.BadParameter(
            f"{name!r} is no name for a directory of offices: 1 to 64 letters, digits, - and _.", param_hint="--into"
        )
    return name


def _require_valid(parsed: ParsedCsv, loaded: LoadResult) -> str:
    """How many offices there are, if all is well with each and with the configuration as it would be."""
    problems = _sort_problems([*parsed.problems, *loaded.problems], parsed)
    for problem in problems:
        typer.echo(str(problem), err=True)
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems):,} problems"
        typer.echo(f"{count}; nothing is written.", err=True)
        raise typer.Exit(ExitStatus.BAD_CONFIGURATION)
    number = len(parsed.office_draft.offices)
    return "1 office" if number == 1 else f"{number:,} offices"


def _sort_problems(problems: Sequence[Problem], parsed: ParsedCsv) -> list[Problem]:
    """Those of the CSV first, by line."""
    return sorted(problems, key=lambda each: (each.file != parsed.office_draft.path, each.line or 0))
