"""`office add`: asks for what is not given, has it checked with all the rest, examines the office, writes one file.

Nothing is written before everything is known to be good; the key is shown nowhere on the way.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import typer

from oddaemon.cli.commands.doctor import diagnose_directly
from oddaemon.cli.onboarding.office_files import lock_directory, write_file
from oddaemon.cli.onboarding.parse import describe_next_step
from oddaemon.cli.onboarding.prompts import (
    OfficeAnswers,
    Prompter,
    find_zone_problem,
    make_office_table,
    prompt_until_valid,
)
from oddaemon.cli.output.diagnostics import show_diagnosis
from oddaemon.cli.output.exit import ExitStatus, fail
from oddaemon.cli.sources.config_file import find_config, require_settings
from oddaemon.core.diagnostics.diagnosis import Diagnosis
from oddaemon.settings import OfficeDraft, Problem, Secret, Settings, render_office_toml, try_load

KEY_CHARACTERS_MAX = 4096
NO_ZONE = "-"
"""Typed where the office's clock shall be measured instead."""


@dataclass(frozen=True, slots=True)
class _NewOffice:
    """The table to be written, and where."""

    directory: Path
    table: Mapping[str, Any] = field(repr=False)

    @property
    def path(self) -> Path:
        return self.directory / f"{self.table['id']}.toml"


def add_office(config: Path | None, answers: OfficeAnswers) -> None:
    """Add an office; whatever is in the way ends the command with nothing written."""
    config_path = find_config(config)
    settings = require_settings(try_load(config_path))[0]
    directory = require_offices_directory(settings)
    interactive = sys.stdin.isatty()
    table = _prompt_for_table(answers, settings, directory) if interactive else _make_given_table(answers)
    office, new_settings = _add_key(config_path, _NewOffice(directory, table), answers, interactive=interactive)
    if answers.probe:
        diagnosis = diagnose_directly(
            new_settings, next(each for each in new_settings.offices if each.office.id == table["id"])
        )
        show_diagnosis(diagnosis)
        typer.echo()
        office = _apply_diagnosis(diagnosis, office, interactive=interactive)
    try:
        with lock_directory(directory):
            _require_valid_settings(config_path, office)
            write_file(office.path, render_office_toml(office.table))
    except FileExistsError:
        raise fail(f"{office.path} exists already and stays as it is; choose another id, or edit it") from None
    except OSError as error:
        raise fail(f"{office.path} cannot be written: {error.strerror}; nothing has changed") from error
    typer.echo(f"{office.path} is written. {describe_next_step(settings)}")


def require_offices_directory(settings: Settings) -> Path:
    """Where offices are added; without such a place the command ends."""
    if settings.offices_directory is None:
        raise fail(
            f'there is no directory of offices: add [offices] with directory = "offices.d" to {settings.source},'
            " and make it",
            ExitStatus.BAD_CONFIGURATION,
        )
    return settings.offices_directory


def _require_valid_settings(config_path: Path, office: _NewOffice) -> Settings:
    """The whole configuration as it would be; a bad one ends the command with all of its problems."""
    return require_settings(try_load(config_path, drafts=[OfficeDraft(office.path, [office.table])]))[0]


def _make_given_table(answers: OfficeAnswers) -> dict[str, Any]:
    if answers.id is None:
        raise typer.BadParameter("is needed where nobody can be asked.", param_hint="--id")
    return make_office_table(answers)


def _prompt_for_table(answers: OfficeAnswers, settings: Settings, directory: Path) -> dict[str, Any]:
    """Ask for what is not given, and again for what is wrong with it."""
    offices = {each.office.id.casefold(): each.source for each in settings.offices}

    def find_id_conflict(office_id: str) -> str:
        if source := offices.get(office_id.casefold()):
            return f"there is an office of this id already, in {source}; choose another"
        path = directory / f"{office_id}.toml"
        return f"{path} exists already; choose another" if path.exists() else ""

    return make_office_table(Prompter(answers, find_id_conflict).ask_all())


def _add_key(
    config_path: Path, office: _NewOffice, answers: OfficeAnswers, *, interactive: bool
) -> tuple[_NewOffice, Settings]:
    """The office with its key, and all settings as they would be; one that is typed wrongly is asked for again."""
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
    """The customer key, from wherever it was said to be; typed without being shown where somebody can be asked."""
    if answers.key_file is not None and answers.key_env is not None:
        raise typer.BadParameter("goes not with --key-env.", param_hint="--key-file")
    if answers.key_env is not None:
        found = os.environ.get(answers.key_env)
        if found is None:
            raise fail(f"the environment holds no {answers.key_env}")
        return Secret(found.strip())
    if answers.key_file is not None and str(answers.key_file) != "-":
        try:
            with answers.key_file.open(encoding="utf-8") as file:
                return Secret(file.read(KEY_CHARACTERS_MAX).strip())
        except (OSError, UnicodeDecodeError) as error:
            raise fail(f"{answers.key_file} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if interactive and answers.key_file is None:
        return Secret(str(typer.prompt("Customer key (not shown)", hide_input=True)).strip())
    return Secret(sys.stdin.read(KEY_CHARACTERS_MAX).strip())


def _apply_diagnosis(diagnosis: Diagnosis, office: _NewOffice, *, interactive: bool) -> _NewOffice:
    """The office in the light of its examination; whoever does not want it any more ends the command."""
    if not diagnosis.is_healthy:
        if not interactive:
            raise fail("nothing is written; mend the first ✗, or write it all the same with --no-probe")
        typer.confirm("Write it all the same?", abort=True)
    if "timezone" in office.table or not diagnosis.zones or not interactive:
        return office
    others = f" ({', '.join(diagnosis.zones[1:])} would fit, too)" if diagnosis.zones[1:] else ""
    zone = prompt_until_valid(
        lambda: str(typer.prompt(f"Time zone{others}; {NO_ZONE} to have the clock measured", diagnosis.zones[0])),
        lambda answer: "" if answer == NO_ZONE else find_zone_problem(office.table, answer),
    )
    return office if zone == NO_ZONE else replace(office, table={**office.table, "timezone": zone})
