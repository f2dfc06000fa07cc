"""`office add`: ask for missing values, validate the whole configuration, diagnose the office, write one file.

Nothing is written before everything is valid. The key is never shown.
"""

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from oddaemon.cli.args.options import Config
from oddaemon.cli.lazy_command import format_examples
from oddaemon.cli.onboarding.next_step import describe_next_step
from oddaemon.cli.onboarding.office_files import lock_directory, require_offices_directory, write_file
from oddaemon.cli.onboarding.parse import NEVER, parse_cells
from oddaemon.cli.onboarding.prompts import Prompter, prompt_until_valid
from oddaemon.cli.output.diagnostics import show_diagnosis
from oddaemon.cli.output.exit import fail
from oddaemon.cli.sources.config_file import find_config, require_settings
from oddaemon.cli.sources.diagnosis import diagnose_directly
from oddaemon.core.diagnostics.diagnosis import Diagnosis
from oddaemon.settings import OfficeDraft, Problem, Secret, Settings, render_office_toml, try_load, validate_partial

KEY_CHARACTERS_MAX = 4096
NO_ZONE = "-"
"""Typed to have the office's clock measured instead."""

app = typer.Typer()


@app.command(
    epilog=format_examples(
        "oddaemon office add", "oddaemon office add --id elm --timezone America/Chicago --key-file -"
    )
)
def add(
    *,
    office_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Short name, for commands, metrics and files.")
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Full name, for people.")] = None,
    timezone: Annotated[
        str | None, typer.Option(metavar="ZONE", help="Such as America/Chicago (default: measure the office's clock).")
    ] = None,
    tier: Annotated[
        str | None, typer.Option(help="Tier of the key: read_all, standard (default) or enterprise.")
    ] = None,
    fresh_by: Annotated[
        str | None,
        typer.Option(metavar="HH:MM", help="Deadline in the office's time zone (default: 07:00); `never` disables it."),
    ] = None,
    clinics: Annotated[
        str | None,
        typer.Option(metavar="1,2,0", help="Only these ClinicNums (default: all, including hidden ones and 0)."),
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option("--label", metavar="KEY=VALUE", help="To select and group offices; repeatable.")
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(metavar="URL", help="URL of the office's own API on its network.")
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Read the customer key from FILE; - means standard input.")
    ] = None,
    key_env: Annotated[
        str | None, typer.Option(metavar="NAME", help="Read the customer key from this environment variable.")
    ] = None,
    no_probe: Annotated[bool, typer.Option("--no-probe", help="Do not diagnose the office first.")] = False,
    config: Config = None,
) -> None:
    """On a terminal, each answer is validated at once and asked for again until it
    is valid; the key is not shown while you type it. Elsewhere, the key is read
    from standard input.
    """
    options = {
        "id": office_id,
        "name": name,
        "timezone": timezone,
        "tier": tier,
        "base_url": base_url,
        "fresh_by": NEVER if fresh_by == "" else fresh_by,
        "clinics": clinics,
        "labels": ";".join(label) if label else None,
    }
    given = {setting: text for setting, text in options.items() if text is not None}
    read_key = partial(_read_key, key_file, key_env)
    _add_office(find_config(config), given, read_key, is_key_given=bool(key_file or key_env), probes=not no_probe)


def _add_office(
    config_path: Path,
    given: Mapping[str, str],
    read_key: Callable[..., Secret],
    *,
    is_key_given: bool,
    probes: bool,
) -> None:
    interactive = sys.stdin.isatty()
    settings = require_settings(try_load(config_path))[0]
    directory = require_offices_directory(settings)
    cells = _complete_cells(given, settings, directory, interactive=interactive)
    draft = OfficeDraft(directory / f"{cells['id']}.toml", [parse_cells(cells)])
    new_settings = _add_key(
        config_path, draft, partial(read_key, interactive=interactive), is_typed=interactive and not is_key_given
    )
    if probes:
        diagnosis = diagnose_directly(new_settings, new_settings.offices[cells["id"]])
        show_diagnosis(diagnosis)
        typer.echo()
        _apply_diagnosis(diagnosis, draft, interactive=interactive)
    _write_draft(config_path, draft)
    typer.echo(f"Wrote {draft.path}. {describe_next_step(settings)}")


def _complete_cells(
    given: Mapping[str, str], settings: Settings, directory: Path, *, interactive: bool
) -> Mapping[str, str]:
    """The settings as texts; on a terminal, missing and invalid ones are asked for."""
    if interactive:
        return Prompter(given, partial(_find_id_conflict, settings, directory)).ask_all()
    if not given.get("id"):
        raise typer.BadParameter("--id is required when stdin is not a terminal.", param_hint="--id")
    return given


def _find_id_conflict(settings: Settings, directory: Path, office_id: str) -> str:
    """Why the id is taken; empty if it is free."""
    for each in settings.offices.values():
        if each.spec.id.casefold() == office_id.casefold():
            return f"an office with this id is configured in {each.source}; choose another id"
    path = directory / f"{office_id}.toml"
    return f"{path} already exists; choose another id" if path.exists() else ""


def _add_key(config_path: Path, draft: OfficeDraft, read_key: Callable[[], Secret], *, is_typed: bool) -> Settings:
    """Add the key to the draft, and return the resulting settings; an invalid typed key is asked for again."""
    (table,) = draft.offices
    while True:
        draft.offices = [{**table, "customer_key": read_key()}]
        loaded = try_load(config_path, drafts=[draft])
        if not (is_typed and loaded.problems and all(map(_is_key_problem, loaded.problems))):
            return require_settings(loaded)[0]
        for problem in loaded.problems:
            typer.echo(f"  {problem.message}{'; ' if problem.hint else ''}{problem.hint}", err=True)


def _is_key_problem(problem: Problem) -> bool:
    return problem.key.endswith(".customer_key")


def _read_key(key_file: Path | None, key_env: str | None, *, interactive: bool) -> Secret:
    """The customer key, from the option given; else from a hidden prompt, or from standard input."""
    if key_file is not None and key_env is not None:
        raise typer.BadParameter("cannot be combined with --key-env.", param_hint="--key-file")
    if key_env is not None:
        found = os.environ.get(key_env)
        if found is None:
            raise fail(f"the environment variable {key_env} is not set")
        return Secret(found.strip())
    if key_file is not None and str(key_file) != "-":
        try:
            with key_file.open(encoding="utf-8") as file:
                return Secret(file.read(KEY_CHARACTERS_MAX).strip())
        except (OSError, UnicodeDecodeError) as error:
            raise fail(f"cannot read {key_file}: {getattr(error, 'strerror', None) or error}") from error
    if interactive and key_file is None:
        return Secret(str(typer.prompt("Customer key (not shown)", hide_input=True)).strip())
    return Secret(sys.stdin.read(KEY_CHARACTERS_MAX).strip())


def _apply_diagnosis(diagnosis: Diagnosis, draft: OfficeDraft, *, interactive: bool) -> None:
    """Add the zone that the office's clock suggests; declining after failed checks ends the command."""
    if not diagnosis.is_healthy:
        if not interactive:
            raise fail("nothing was written; fix the first ✗, or skip the checks with --no-probe")
        typer.confirm("Write it anyway?", abort=True)
    (table,) = draft.offices
    if "timezone" in table or not diagnosis.zones or not interactive:
        return
    others = f" (also possible: {', '.join(diagnosis.zones[1:])})" if diagnosis.zones[1:] else ""
    zone = prompt_until_valid(
        lambda: str(typer.prompt(f"Time zone{others}; {NO_ZONE} to measure the clock", diagnosis.zones[0])),
        lambda answer: "" if answer == NO_ZONE else validate_partial({**table, "timezone": answer}, {"timezone"}),
    )
    if zone != NO_ZONE:
        draft.offices = [{**table, "timezone": zone}]


def _write_draft(config_path: Path, draft: OfficeDraft) -> None:
    """Write the office's file; if the whole configuration is invalid by now, the command ends with all problems."""
    try:
        with lock_directory(draft.path.parent):
            require_settings(try_load(config_path, drafts=[draft]))
            write_file(draft.path, render_office_toml(draft.offices[0]))
    except FileExistsError:
        raise fail(f"{draft.path} already exists and is unchanged; choose another id, or edit the file") from None
    except OSError as error:
        raise fail(f"cannot write {draft.path}: {error.strerror}; nothing has changed") from error
