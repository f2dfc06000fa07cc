"""Settings that are complete, checked and immutable."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from oddaemon.settings.files.problem import Problem
from oddaemon.settings.tables.office import OfficeSettings
from oddaemon.settings.tables.sections import (
    RELOADED,
    AlertSettings,
    ApiSettings,
    DaemonSettings,
    HttpSettings,
    LogSettings,
    MaintenanceSettings,
    SftpSettings,
)
from oddaemon.settings.tables.sink import SinkSettings
from oddaemon.settings.tables.state import FleetSettings, StateSettings

_RELOADED = {"reloaded": True}
"""Marks a field that a reload activates. The others take effect at the next start, and a reload reports them."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The contents of `oddaemon.toml` and its offices. Two readings of the same files are equal."""

    source: Path = field(metadata=_RELOADED)
    """The absolute path of `oddaemon.toml`."""
    api: ApiSettings = field(metadata=_RELOADED)
    """Its fields without the mark `RELOADED` take effect at the next start."""
    state: StateSettings
    fleet: FleetSettings = field(default_factory=FleetSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    daemon: DaemonSettings = field(default_factory=DaemonSettings)
    log: LogSettings = field(default_factory=LogSettings)
    maintenance: MaintenanceSettings = field(default_factory=MaintenanceSettings)
    alerts: AlertSettings = field(default_factory=AlertSettings, metadata=_RELOADED)
    sftp: SftpSettings = field(default_factory=SftpSettings)
    offices_directory: Path | None = field(default=None, metadata=_RELOADED)
    offices: Mapping[str, OfficeSettings] = field(default_factory=dict, metadata=_RELOADED)
    """By id, in the order of `oddaemon.toml`, then of the directory's files by name. Disabled ones are included: they
    are shown as paused."""
    sinks: tuple[SinkSettings, ...] = field(default=(), metadata=_RELOADED)
    """In the order of the file."""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """The outcome of reading a configuration, good or bad."""

    settings: Settings | None
    """None if there are problems."""
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    """Warnings do not prevent the configuration from being used."""
    files: frozenset[Path] = frozenset()
    """Absolute paths of everything that was read or looked for: the files, the files of keys, and the directory of
    offices. When one of these changes, another reading may have another result."""


def keep_restart_tables(active: Settings, wanted: Settings) -> Settings:
    """What a reload activates: `wanted`, with the active values of what takes effect only at a start."""
    tables = {each.name: getattr(active, each.name) for each in fields(wanted) if not each.metadata}
    limits = {
        name: getattr(active.api, name)
        for name, each in ApiSettings.model_fields.items()
        if RELOADED not in each.metadata
    }
    return replace(wanted, api=wanted.api.model_copy(update=limits), **tables)
