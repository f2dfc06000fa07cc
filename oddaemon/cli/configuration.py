"""Which configuration a command works with."""

from pathlib import Path

import typer

from oddaemon.cli.exit_status import ExitStatus
from oddaemon.cli.failing import failure
from oddaemon.settings import Loaded, Settings, read
from oddaemon.settings.problem import Problem

PLACES = (Path("oddaemon.toml"), Path("/etc/oddaemon/oddaemon.toml"))
"""Where a configuration is looked for when none is named."""


def find(given: Path | None) -> Path:
    """The configuration's path: the one given, else the first of `PLACES` that exists; else the command ends."""
    if given is not None:
        return given
    for place in PLACES:
        if place.exists():
            return place
    looked = " or ".join(str(place.absolute()) for place in PLACES)
    raise failure(f"no configuration: there is no {looked}; name one with --config FILE", ExitStatus.BAD_CONFIGURATION)


def settings_of(given: Path | None) -> Settings:
    """The settings of a good configuration; a bad one ends the command with all of its problems."""
    return checked(read(find(given)))[0]


def checked(loaded: Loaded) -> tuple[Settings, tuple[Problem, ...]]:
    """Settings and warnings; with problems the command ends, every one of them on standard error."""
    if loaded.settings is None:
        for problem in loaded.problems:
            typer.echo(str(problem), err=True)
        raise typer.Exit(ExitStatus.BAD_CONFIGURATION)
    return loaded.settings, loaded.warnings
