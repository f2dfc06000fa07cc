"""The configuration that a command works with."""

from collections.abc import Iterable
from pathlib import Path

import typer

from oddaemon.cli.output.exit import ExitStatus, fail
from oddaemon.core.reporting.command_hints import describe_unknown_office
from oddaemon.settings import LoadResult, Settings, try_load
from oddaemon.settings.files.problem import Problem

DEFAULT_PATHS = (Path("oddaemon.toml"), Path("/etc/oddaemon/oddaemon.toml"))
"""Tried in this order when no configuration is given."""


def find_config(given: Path | None) -> Path:
    """The given path, else the first of `DEFAULT_PATHS` that exists; without any the command ends."""
    if given is not None:
        return given
    for path in DEFAULT_PATHS:
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            # Reading it says why it cannot be looked at.
            pass
        return path
    searched = " and ".join(str(path.absolute()) for path in DEFAULT_PATHS)
    raise fail(
        f"no configuration found: {searched} do not exist; name one with --config FILE", ExitStatus.BAD_CONFIGURATION
    )


def load_settings(given: Path | None) -> Settings:
    """The settings of a valid configuration; an invalid one ends the command with all of its problems."""
    return require_settings(try_load(find_config(given)))[0]


def require_settings(loaded: LoadResult) -> tuple[Settings, tuple[Problem, ...]]:
    """Settings and warnings; problems end the command, each of them on standard error."""
    if loaded.settings is None:
        for problem in loaded.problems:
            typer.echo(str(problem), err=True)
        raise typer.Exit(ExitStatus.BAD_CONFIGURATION)
    return loaded.settings, loaded.warnings


def fail_unknown_office(office_id: str, known: Iterable[str]) -> typer.Exit:
    """Say that there is no such office, and name the nearest id; the caller raises the result."""
    return fail(" ".join(describe_unknown_office(office_id, known)))
