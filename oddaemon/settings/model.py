"""What the house is handed: settings that are complete, checked and do not change."""

from dataclasses import dataclass, field
from pathlib import Path

from oddaemon.core.model import Cadence, Plausibility
from oddaemon.settings.alerts import Alerts
from oddaemon.settings.office import OfficeSettings
from oddaemon.settings.problem import Problem
from oddaemon.settings.sections import Api, Daemon, Http, Log, Maintenance, State
from oddaemon.settings.sftp import Sftp
from oddaemon.settings.sink import SinkSettings


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that `oddaemon.toml` and its offices say. Two readings of the same files are equal."""

    source: Path
    """The absolute path of `oddaemon.toml`."""
    api: Api
    state: State
    http: Http = field(default_factory=Http)
    cadence: Cadence = field(default_factory=Cadence)
    plausibility: Plausibility = field(default_factory=Plausibility)
    daemon: Daemon = field(default_factory=Daemon)
    log: Log = field(default_factory=Log)
    maintenance: Maintenance = field(default_factory=Maintenance)
    alerts: Alerts = field(default_factory=Alerts)
    sftp: Sftp = field(default_factory=Sftp)
    offices_directory: Path | None = None
    offices: tuple[OfficeSettings, ...] = ()
    """In the order of `oddaemon.toml`, then of the directory's files by name; disabled ones included."""
    sinks: tuple[SinkSettings, ...] = ()
    """In their order."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The outcome of reading a configuration, good or bad."""

    settings: Settings | None
    """None if there are problems."""
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    """What runs, but should be thought about."""
    files: frozenset[Path] = frozenset()
    """Absolute paths of all that was looked at, there or not: the files, the files of keys, and the directory of
    offices. When one of these changes, another reading may come to something else."""
