"""TOML to frozen settings: every problem of every file at once, and secrets that hide themselves."""

from oddaemon.core.model import Cadence, Plausibility
from oddaemon.settings.load import control_socket, load, read
from oddaemon.settings.model import Loaded, Settings
from oddaemon.settings.office import OfficeSettings
from oddaemon.settings.problem import BadConfiguration, Problem
from oddaemon.settings.secret import Secret
from oddaemon.settings.sections import Api, Daemon, Http, Log, Maintenance, State

__all__ = [
    "Api",
    "BadConfiguration",
    "Cadence",
    "Daemon",
    "Http",
    "Loaded",
    "Log",
    "Maintenance",
    "OfficeSettings",
    "Plausibility",
    "Problem",
    "Secret",
    "Settings",
    "State",
    "control_socket",
    "load",
    "read",
]
