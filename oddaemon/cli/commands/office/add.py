"""`office add`: ask for missing values, validate the whole configuration, diagnose the office, write one file.

Nothing is written before everything is valid. The key is never shown.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from oddaemon.cli.args.options import Config
from oddaemon.cli.lazy_command import format_examples
from oddaemon.cli.onboarding.next_step import describe_next_step
from oddaemon.cli.onboarding.office_files import lock_directory, require_offices_directory, write_file
from oddaemon.cli.onboarding.prompts import (
    OfficeAnswers,
    Prompter,
    find_zone_problem,
    make_office_table,
    prompt_until_valid,
)
from oddaemon.cli.output.diagnostics import show_diagnosis
from oddaemon.cli.output.exit import fail
from oddaemon.cli.sources.config_file import find_config, require_settings
from oddaemon.cli.sources.diagnosis import diagnose_directly
from oddaemon.core.diagnostics.diagnosis import Diagnosis
from oddaemon.settings import OfficeDraft, Problem, Secret, Settings, render_office_toml, try_load

KEY_CHARACTERS_MAX = 4096
NO_ZONE = "-"
"""Typed to have the office's clock measured instead."""

app = typer.Typer()


@dataclass(frozen=True, slots=True)
class _NewOffice:
    """The table to write, and where."""

    directory: Path
    table: Mapping[str, Any] = field(repr=False)

    @property
    def path(self) -> Path:
        return self.directory / f"{self.table['id']}.toml"


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
    """Add an office: ask for missing values, validate, diagnose the office, write its file.

    On a terminal, each answer is validated at once and asked for again until it
    is valid; the key is not shown while you type it. Elsewhere, the key is read
    from standard input.
    """
    answers = OfficeAnswers(
        id=office_id,
        name=name,
        timezone=timezone,
        tier=tier,
        fresh_by=fresh_by,
        clinics=clinics,
        labels=tuple(label or ()),
        key_file=key_file,
        key_env=key_env,
        base_url=base_url,
        probe=not no_probe,
    )
    _add_office(find_config(config), answers)


def _add_office(config_path: Path, answers: OfficeAnswers) -> None:
    settings = require_settings(try_load(config_path))[0]
    directory = require_offices_directory(settings)
    interactive = sys.stdin.isatty()
    table = _prompt_for_table(answers, settings, directory) if interactive else _make_given_table(answers)
    office, new_settings = _add_key(config_path, _NewOffice(directory, table), answers, interactive=interactive)
    if answers.probe:
        diagnosis = diagnose_directly(
            new_settings, next(each for each in new_settings.offices if each.spec.id == table["id"])
        )
        show_diagnosis(diagnosis)
        typer.echo()
        office = _apply_diagnosis(diagnosis, office, interactive=interactive)
    try:
        with lock_directory(directory):
            _require_valid_settings(config_path, office)
            write_file(office.path, render_office_toml(office.table))
    except FileExistsError:
        raise fail(f"{office.path} already exists and is unchanged; choose another id, or edit the file") from None
    except OSError as error:
        raise fail(f"cannot write {office.path}: {error.strerror}; nothing has changed") from error
    typer.echo(f"Wrote {office.path}. {describe_next_step(settings)}")


def _require_valid_settings(config_path: Path, office: _NewOffice) -> Settings:
    """The configuration with the new office; if it is invalid, the command ends with all problems."""
    return require_settings(try_load(config_path, drafts=[OfficeDraft(office.path, [office.table])]))[0]


def _make_given_table(answers: OfficeAnswers) -> dict[str, Any]:
    if answers.id is None:
        raise typer.BadParameter("--id is required when stdin is not a terminal.", param_hint="--id")
    return make_office_table(answers)


def _prompt_for_table(answers: OfficeAnswers, settings: Settings, directory: Path) -> dict[str, Any]:
    """Ask for missing values, and again for invalid ones."""
    offices = {each.spec.id.casefold(): each.source for each in settings.offices}

    def find_id_conflict(office_id: str) -> str:
        if source := offices.get(office_id.casefold()):
            return f"an office with this id is configured in {source}; choose another id"
        path = directory / f"{office_id}.toml"
        return f"{path} already exists; choose another id" if path.exists() else ""

    return make_office_table(Prompter(answers, find_id_conflict).ask_all())


def _add_key(
    config_path: Path, office: _NewOffice, answers: OfficeAnswers, *, interactive: bool
) -> tuple[_NewOffice, Settings]:
    """The office with its key, and the resulting settings; an invalid typed key is asked for again."""
    is_typed = interactive and answers.key_file is None and answers.key_env is None
    while True:
        keyed = replace(office, table={**office.table, "customer_key": _read_key(answers, interactive=interactive)})
        loaded = try_load(config_path, drafts=[OfficeDraft(keyed.path, [keyed.table])])
        if not (is_typed and loaded.problems and all(map(_is_key_problem, loaded.problems))):
            return keyed, require_settings(loaded)[0]
        for problem in loaded.problems:
            typer.echo(f"  {problem.message}{'; ' if problem.hint else ''}{problem.hint}", err=True)


def _is_key_problem(problem: Problem) -> bool:
    return problem.key.endswith(".customer_key")


def _read_key(answers: OfficeAnswers, *, interactive: bool) -> Secret:
    """The customer key, from the option given; else from a hidden prompt, or from standard input."""
    if answers.key_file is not None and answers.key_env is not None:
        raise typer.BadParameter("cannot be combined with --key-env.", param_hint="--key-file")
    if answers.key_env is not None:
        found = os.environ.get(answers.key_env)
        if found is None:
            raise fail(f"the environment variable {answers.key_env} is not set")
        return Secret(found.strip())
    if answers.key_file is not None and str(answers.key_file) != "-":
        try:
            with answers.key_file.open(encoding="utf-8") as file:
                return Secret(file.read(KEY_CHARACTERS_MAX).strip())
        except (OSError, UnicodeDecodeError) as error:
            raise fail(f"cannot read {answers.key_file}: {getattr(error, 'strerror', None) or error}") from error
    if interactive and answers.key_file is None:
        return Secret(str(typer.prompt("Customer key (not shown)", hide_input=True)).strip())
    return Secret(sys.stdin.read(KEY_CHARACTERS_MAX).strip())


def _apply_diagnosis(diagnosis: Diagnosis, office: _NewOffice, *, interactive: bool) -> _NewOffice:
    """The office with the zone that its clock suggests; declining after failed checks ends the command."""
    if not diagnosis.is_healthy:
        if not interactive:
            raise fail("nothing was written; fix the first ✗, or skip the checks with --no-probe")
        typer.confirm("Write it anyway?", abort=True)
    if "timezone" in office.table or not diagnosis.zones or not interactive:
        return office
    others = f" (also possible: {', '.join(diagnosis.zones[1:])})" if diagnosis.zones[1:] else ""
    zone = prompt_until_valid(
        lambda: str(typer.prompt(f"Time zone{others}; {NO_ZONE} to measure the clock", diagnosis.zones[0])),
        lambda answer: "" if answer == NO_ZONE else find_zone_problem(office.table, answer),
    )
    return office if zone == NO_ZONE else replace(office, table={**office.table, "timezone": zone})
