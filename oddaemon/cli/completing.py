"""What a shell offers where an office or a sink is to be typed: those of the configuration that the line works with.

Whoever presses Tab has not given a command yet, so nothing is ever said here: what cannot be read offers nothing.
"""

# ruff: noqa: PLC0415 - what reads a configuration is heavy, and imported only when a shell asks

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from oddaemon.settings import Settings


def offices(context: typer.Context, incomplete: str) -> list[str]:
    """Ids of configured offices that are not on the line yet."""
    settings = _settings(context)
    return [] if settings is None else _offered(context, incomplete, (each.office.id for each in settings.offices))


def removed_offices(context: typer.Context, incomplete: str) -> list[str]:
    """Ids of offices that left the configuration and of which something is kept."""
    from oddaemon.cli.kept import kept_beside
    from oddaemon.store.errors import StoreError

    if (settings := _settings(context)) is None:
        return []
    try:
        return _offered(context, incomplete, (each.id for each in kept_beside(settings)))
    except StoreError:
        return []


def sinks(context: typer.Context, incomplete: str) -> list[str]:
    """Names of configured sinks."""
    settings = _settings(context)
    return [] if settings is None else _offered(context, incomplete, (each.name for each in settings.sinks))


def _offered(context: typer.Context, incomplete: str, names: Iterable[str]) -> list[str]:
    typed = context.params.get("offices") or ()
    return [name for name in names if name.startswith(incomplete) and name not in typed]


def _settings(context: typer.Context) -> "Settings | None":
    from oddaemon.cli.configuration import PLACES
    from oddaemon.settings import read

    given = context.params.get("config")
    place = next((each for each in ([Path(given)] if given else PLACES) if each.exists()), None)
    return None if place is None else read(place).settings
