"""`office import`: many offices from one CSV, all of them or none.

They become one new directory with a file for each, which appears in one step: neither a kill nor a full disk leaves
some of them, and no daemon sees a part.
"""

import re
from pathlib import Path
from typing import Annotated

import typer

from oddaemon.cli.args.options import Config
from oddaemon.cli.lazy_command import format_examples
from oddaemon.cli.onboarding.csv_reader import read_csv
from oddaemon.cli.onboarding.next_step import describe_next_step
from oddaemon.cli.onboarding.office_files import lock_directory, require_offices_directory, write_group
from oddaemon.cli.output.exit import ExitStatus, fail
from oddaemon.cli.output.progress import progress_bar
from oddaemon.cli.sources.config_file import find_config, require_settings
from oddaemon.core.reporting.formatting import format_count
from oddaemon.settings import LoadResult, OfficeDraft, render_office_toml, try_load
from oddaemon.settings.files.directory import is_office_group

app = typer.Typer()


@app.command(
    "import",
    epilog=format_examples("oddaemon office import coast.csv --dry-run", "oddaemon office import coast.csv"),
)
def import_csv(
    csv: Annotated[Path, typer.Argument(metavar="FILE.csv", help="With a header: id,name,customer_key,timezone,…")],
    into: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the new directory (default: that of the file).")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Validate everything and write nothing.")] = False,
    config: Config = None,
) -> None:
    """Columns are an office's settings. Separate clinics and labels by semicolons
    (1;2;0, group=coast;region=west). An empty cell means the default; `never` as
    fresh_by disables the deadline. An unknown column hides no other problem.
    """
    config_path = find_config(config)
    settings = require_settings(try_load(config_path))[0]
    directory = require_offices_directory(settings)
    group = directory / _choose_group_name(csv, into)
    try:
        draft = read_csv(csv)
    except OSError as error:
        raise fail(f"cannot read {csv}: {error.strerror}") from error
    loaded = try_load(config_path, drafts=[draft])
    offices = _require_valid(draft, loaded)
    for warning in loaded.warnings:
        if warning.file == draft.path:
            typer.echo(f"warning: {warning}", err=True)
    if dry_run:
        typer.echo(f"{offices} would be added as {group}/; nothing was written.")
        return
    texts = {f"{office['id']}.toml": render_office_toml(office) for office in draft.offices}
    try:
        with lock_directory(directory):
            _require_valid(draft, try_load(config_path, drafts=[draft]))
            with progress_bar(f"writing {offices}") as progress:
                write_group(group, texts, progress)
    except FileExistsError:
        raise fail(f"{group} already exists and is unchanged; choose another name with --into") from None
    except OSError as error:
        raise fail(f"cannot write {group}: {error.strerror}; nothing has changed") from error
    typer.echo(f"Added {offices} as {group}/, one file each. {describe_next_step(settings, len(texts))}")
    typer.echo("Diagnose them all with `oddaemon check --live`.")


def _choose_group_name(csv: Path, into: str | None) -> str:
    name = into if into is not None else re.sub(r"[^A-Za-z0-9_-]+", "-", csv.stem).strip("-_")
    if not is_office_group(Path(name)) or "/" in name:
        raise typer.BadParameter(
            f"{name!r} is not a valid directory name: use 1 to 64 letters, digits, - and _.", param_hint="--into"
        )
    return name


def _require_valid(draft: OfficeDraft, loaded: LoadResult) -> str:
    """The number of offices as text; a problem with any, or with the resulting configuration, ends the command."""
    # Those of the CSV first, by line.
    problems = sorted(loaded.problems, key=lambda each: (each.file != draft.path, each.line or 0))
    for problem in problems:
        typer.echo(str(problem), err=True)
    if problems:
        typer.echo(f"{format_count(len(problems), 'problem')}; nothing was written.", err=True)
        raise typer.Exit(ExitStatus.BAD_CONFIGURATION)
    return format_count(len(draft.offices), "office")
