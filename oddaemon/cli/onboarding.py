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
from oddaemon.cli.onboarding_files import alone_in, write_file
from oddaemon.cli.onboarding_words import clinics_of, labels_of, what_happens_next
from oddaemon.core.examination import Examination
from oddaemon.settings import Draft, Secret, Settings, office_toml, read

KEY_CHARACTERS_MAX = 4096
NO_ZONE = "-"
"""Typed where the office's clock shall be measured instead."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was given on the command line; None: not."""

    id: str | None = None
    name: str | None = None
    timezone: str | None = None
    tier: str | None = None
    fresh_by: str | None = None
    clinics: str | None = None
    labels: tuple[str, ...] = ()
    key_file: Path | None = None
    key_env: str | None = None
    base_url: str | None = None
    probe: bool = True


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
    table = _answers(wanted) if asks else _given(wanted)
    office = _Office(directory, {**table, "customer_key": _key(wanted, asks=asks)})
    drafted = _checked(place, office)
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
    return _table(wanted)


def _answers(wanted: Wanted) -> dict[str, Any]:
    """Ask for what is not given."""
    office_id = wanted.id or typer.prompt("Short name, for commands and files (id)")
    name = _asked("Full name", wanted.name, office_id)
    timezone = _asked("Time zone, such as America/Chicago; empty: suggested by the office's clock", wanted.timezone, "")
    tier = _asked("Tier of the key: read_all, standard or enterprise", wanted.tier, "standard")
    fresh_by = _asked("Fresh by, on the office's clock", wanted.fresh_by, "07:00")
    clinics = _asked("Clinics, as numbers; empty: all, hidden ones and 0 included", wanted.clinics, "")
    labels = wanted.labels or tuple(_asked("Labels, as key=value; empty: none", None, "").split())
    return _table(
        replace(
            wanted,
            id=office_id,
            name=name,
            timezone=timezone,
            tier=tier,
            fresh_by=fresh_by,
            clinics=clinics,
            labels=labels,
        )
    )


def _asked(question: str, given: str | None, default: str) -> str:
    return given if given is not None else str(typer.prompt(question, default, show_default=bool(default)))


def _table(wanted: Wanted) -> dict[str, Any]:
    table: dict[str, Any] = {"id": wanted.id}
    for name in ("name", "timezone", "tier", "base_url"):
        if getattr(wanted, name):
            table[name] = getattr(wanted, name)
    if wanted.fresh_by is not None:
        table["fresh_by"] = wanted.fresh_by
    if wanted.clinics:
        table["clinics"] = clinics_of(wanted.clinics)
    if wanted.labels:
        table["labels"] = labels_of(wanted.labels)
    return table


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
    zone = typer.prompt(f"Time zone{others}; {NO_ZONE} to have the clock measured", found.zones[0])
    return office if zone == NO_ZONE else replace(office, table={**office.table, "timezone": zone})
