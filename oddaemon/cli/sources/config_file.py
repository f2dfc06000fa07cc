"""Which configuration a command works with."""

from pathlib import Path

import typer

from oddaemon.cli.output.exit import ExitStatus, fail
from oddaemon.settings import LoadResult, Settings, try_load
from oddaemon.settings.files.problem import Problem

DEFAULT_PATHS = (Path("oddaemon.toml"), Path("/etc/oddaemon/oddaemon.toml"))
"""Where a configuration is looked for when none is named."""


def find_config(given: Path | None) -> Path:
    """The configuration's path: the one given, else the first of `PLACES` that exists; else the command ends."""
    if given is not None:
        return given
    for path in DEFAULT_PATHS:
        if path.exists():
            return path
    searched = " or ".join(str(place.absolute()) for place in DEFAULT_PATHS)
    raise fail(f"no configuration: there is no {searched}; name one with --config FILE", ExitStatus.BAD_CONFIGURATION)


def load_settings(given: Path | None) -> Settings:
    """The settings of a good configuration; a bad one ends the command with all of its problems."""
    return require_settings(try_load(find_config(given)))[0]


def require_settings(loaded: LoadResult) -> tuple[Settings, tuple[Problem, ...]]:
    """Settings and warnings; with problems the command ends, every one of them on standard error."""
    if loaded.settings is None:
        for problem in loaded.problems:
            typer.echo(str(problem), err=True)
        raise typer.Exit(ExitStatus.BAD_CONFIGURATION)
    return loaded.settings, loaded.warnings
