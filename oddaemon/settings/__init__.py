"""TOML to frozen settings: every problem of every file at once, and secrets that hide themselves."""

from oddaemon.core.model import Cadence, Plausibility
from oddaemon.settings.alerts import Alerts
from oddaemon.settings.draft import Draft, office_toml
from oddaemon.settings.load import control_socket, load, read, shown_files
from oddaemon.settings.model import Loaded, Settings
from oddaemon.settings.office import OfficeSettings
from oddaemon.settings.offices import flaw_of
from oddaemon.settings.problem import BadConfiguration, Problem
from oddaemon.settings.secret import Secret
from oddaemon.settings.sections import JOBS, Api, Daemon, Http, Log, Maintenance, State
from oddaemon.settings.sink import SinkSettings

__all__ = [
    "JOBS",
    "Alerts",
    "Api",
    "BadConfiguration",
    "Cadence",
    "Daemon",
    "Draft",
    "Http",
    "Loaded",
    "Log",
    "Maintenance",
    "OfficeSettings",
    "Plausibility",
    "Problem",
    "Secret",
    "Settings",
    "SinkSettings",
    "State",
    "control_socket",
    "flaw_of",
    "load",
    "office_toml",
    "read",
    "shown_files",
]
