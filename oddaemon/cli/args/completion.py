"""Shell completion of office ids and sink names, from the configuration that the command line uses.

Completion never prints anything: a configuration or database that cannot be read offers no names.

Every command imports this module, so it imports the settings and the store only when names are asked for.
"""

# ruff: noqa: PLC0415 - see above

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from oddaemon.settings import Settings


def complete_offices(context: typer.Context, incomplete: str) -> list[str]:
    """Ids of configured offices that are not on the line yet."""
    settings = _load_settings(context)
    ids = [] if settings is None else list(settings.offices)
    return _filter_candidates(context, incomplete, ids)


def complete_removed_offices(context: typer.Context, incomplete: str) -> list[str]:
    """Ids of offices that were removed from the configuration and whose data is kept."""
    from oddaemon.cli.sources.removed_offices import load_removed_offices
    from oddaemon.store.errors import StoreError

    if (settings := _load_settings(context)) is None:
        return []
    try:
        # A warning would be in the middle of the line that is being typed.
        removed = load_removed_offices(settings, warn=lambda _message: None)
        return _filter_candidates(context, incomplete, (each.id for each in removed))
    except StoreError:
        return []


def complete_sinks(context: typer.Context, incomplete: str) -> list[str]:
    """Names of configured sinks."""
    settings = _load_settings(context)
    return [] if settings is None else _filter_candidates(context, incomplete, (each.name for each in settings.sinks))


def _filter_candidates(context: typer.Context, incomplete: str, names: Iterable[str]) -> list[str]:
    typed = context.params.get("offices") or ()
    return [name for name in names if name.startswith(incomplete) and name not in typed]


def _load_settings(context: typer.Context) -> "Settings | None":
    from oddaemon.cli.sources.config_file import DEFAULT_PATHS
    from oddaemon.settings import try_load

    given = context.params.get("config")
    path = next((each for each in ([Path(given)] if given else DEFAULT_PATHS) if each.exists()), None)
    return None if path is None else try_load(path).settings
