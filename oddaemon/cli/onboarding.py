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

from oddaemon.cli.configuration import checked, find
from oddaemon.cli.doctoring import examined_alone
from oddaemon.cli.doctoring_sheet import show_examination
from oddaemon.cli.exit_status import ExitStatus
from oddaemon.cli.failing import failure
from oddaemon.cli.onboarding_answers import Conversation, Wanted, answered_until_good, table_of, zone_flaw
from oddaemon.cli.onboarding_files import alone_in, write_file
from oddaemon.cli.onboarding_words import what_happens_next
from oddaemon.core.examination import Examination
from oddaemon.settings import Draft, Problem, Secret, Settings, office_toml, read

KEY_CHARACTERS_MAX = 4096
NO_ZONE = "-"
"""Typed where the office's clock shall be measured instead."""


@dataclass(frozen=True, slots=True)
class _Office:
    """The table to be written, and where."""

    directory: Path
    table: Mapping[str, Any] = field(repr=False)

    @property
    def path(self) -> Path:
        return self.directory / f"{self.table['id']}.toml"


def add_office(config: Path | None, wanted: Wanted) -> None:
    """Add an office; whatever is in the way ends the command with nothing written."""
    place = find(config)
    settings = checked(read(place))[0]
    directory = directory_of(settings)
    asks = sys.stdin.isatty()
    table = _answers(wanted, settings, directory) if asks else _given(wanted)
    office, drafted = _with_key(place, _Office(directory, table), wanted, asks=asks)
    if wanted.probe:
        found = examined_alone(drafted, next(each for each in drafted.offices if each.office.id == table["id"]))
        show_examination(found)
        typer.echo()
        office = _after(found, office, asks=asks)
    try:
        with alone_in(directory):
            _checked(place, office)
            write_file(office.path, office_toml(office.table))
    except FileExistsError:
        raise failure(f"{office.path} exists already and stays as it is; choose another id, or edit it") from None
    except OSError as error:
        raise failure(f"{office.path} cannot be written: {error.strerror}; nothing has changed") from error
    typer.echo(f"{office.path} is written. {what_happens_next(settings)}")


def directory_of(settings: Settings) -> Path:
    """Where offices are added; without such a place the command ends."""
    if settings.offices_directory is None:
        raise failure(
            f'there is no directory of offices: add [offices] with directory = "offices.d" to {settings.source},'
            " and make it",
            ExitStatus.BAD_CONFIGURATION,
        )
    return settings.offices_directory


def _checked(place: Path, office: _Office) -> Settings:
    """The whole configuration as it would be; a bad one ends the command with all of its problems."""
    return checked(read(place, drafts=[Draft(office.path, [office.table])]))[0]


def _given(wanted: Wanted) -> dict[str, Any]:
    if wanted.id is None:
        raise typer.BadParameter("is needed where nobody can be asked.", param_hint="--id")
    return table_of(wanted)


def _answers(wanted: Wanted, settings: Settings, directory: Path) -> dict[str, Any]:
    """Ask for what is not given, and again for what is wrong with it."""
    offices = {each.office.id.casefold(): each.source for each in settings.offices}

    def is_taken(office_id: str) -> str:
        if place := offices.get(office_id.casefold()):
            return f"there is an office of this id already, in {place}; choose another"
        path = directory / f"{office_id}.toml"
        return f"{path} exists already; choose another" if path.exists() else ""

    return table_of(Conversation(wanted, is_taken).hold())


def _with_key(place: Path, office: _Office, wanted: Wanted, *, asks: bool) -> tuple[_Office, Settings]:
    """The office with its key, and all settings as they would be; one that is typed wrongly is asked for again."""
    is_typed = asks and wanted.key_file is None and wanted.key_env is None
    while True:
        keyed = replace(office, table={**office.table, "customer_key": _key(wanted, asks=asks)})
        loaded = read(place, drafts=[Draft(keyed.path, [keyed.table])])
        if not (is_typed and loaded.problems and all(map(_is_of_the_key, loaded.problems))):
            return keyed, checked(loaded)[0]
        for problem in loaded.problems:
            typer.echo(f"  {problem.message}{'; ' if problem.hint else ''}{problem.hint}", err=True)


def _is_of_the_key(problem: Problem) -> bool:
    return problem.where.endswith(".customer_key")


def _key(wanted: Wanted, *, asks: bool) -> Secret:
    """The customer key, from wherever it was said to be; typed without being shown where somebody can be asked."""
    if wanted.key_file is not None and wanted.key_env is not None:
        raise typer.BadParameter("goes not with --key-env.", param_hint="--key-file")
    if wanted.key_env is not None:
        found = os.environ.get(wanted.key_env)
        if found is None:
            raise failure(f"the environment holds no {wanted.key_env}")
        return Secret(found.strip())
    if wanted.key_file is not None and str(wanted.key_file) != "-":
        try:
            with wanted.key_file.open(encoding="utf-8") as file:
                return Secret(file.read(KEY_CHARACTERS_MAX).strip())
        except (OSError, UnicodeDecodeError) as error:
            raise failure(f"{wanted.key_file} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if asks and wanted.key_file is None:
        return Secret(str(typer.prompt("Customer key (not shown)", hide_input=True)).strip())
    return Secret(sys.stdin.read(KEY_CHARACTERS_MAX).strip())


def _after(found: Examination, office: _Office, *, asks: bool) -> _Office:
    """The office in the light of its examination; whoever does not want it any more ends the command."""
    if not found.is_well:
        if not asks:
            raise failure("nothing is written; mend the first ✗, or write it all the same with --no-probe")
        typer.confirm("Write it all the same?", abort=True)
    if "timezone" in office.table or not found.zones or not asks:
        return office
    others = f" ({', '.join(found.zones[1:])} would fit, too)" if found.zones[1:] else ""
    zone = answered_until_good(
        lambda: str(typer.prompt(f"Time zone{others}; {NO_ZONE} to have the clock measured", found.zones[0])),
        lambda answer: "" if answer == NO_ZONE else zone_flaw(office.table, answer),
    )
    return office if zone == NO_ZONE else replace(office, table={**office.table, "timezone": zone})
