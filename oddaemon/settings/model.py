"""What the house is handed: settings that are complete, checked and do not change."""

from dataclasses import dataclass, field
from pathlib import Path

from oddaemon.core.model import Cadence, Plausibility
from oddaemon.settings.files.problem import Problem
from oddaemon.settings.tables.alerts import AlertSettings
from oddaemon.settings.tables.office import OfficeSettings
from oddaemon.settings.tables.sections import (
    ApiSettings,
    DaemonSettings,
    HttpSettings,
    LogSettings,
    MaintenanceSettings,
    StateSettings,
)
from oddaemon.settings.tables.sftp import SftpSettings
from oddaemon.settings.tables.sink import SinkSettings


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that `oddaemon.toml` and its offices say. Two readings of the same files are equal."""

    source: Path
    """The absolute path of `oddaemon.toml`."""
    api: ApiSettings
    state: StateSettings
    http: HttpSettings = field(default_factory=HttpSettings)
    cadence: Cadence = field(default_factory=Cadence)
    plausibility: Plausibility = field(default_factory=Plausibility)
    daemon: DaemonSettings = field(default_factory=DaemonSettings)
    log: LogSettings = field(default_factory=LogSettings)
    maintenance: MaintenanceSettings = field(default_factory=MaintenanceSettings)
    alerts: AlertSettings = field(default_factory=AlertSettings)
    sftp: SftpSettings = field(default_factory=SftpSettings)
    offices_directory: Path | None = None
    offices: tuple[OfficeSettings, ...] = ()
    """In the order of `oddaemon.toml`, then of the directory's files by name; disabled ones included."""
    sinks: tuple[SinkSettings, ...] = ()
    """In their order."""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """The outcome of reading a configuration, good or bad."""

    settings: Settings | None
    """None if there are problems."""
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    """What runs, but should be thought about."""
    files: frozenset[Path] = frozenset()
    """Absolute paths of all that was looked at, there or not: the files, the files of keys, and the directory of
    offices. When one of these changes, another reading may come to something else."""
