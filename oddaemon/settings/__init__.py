"""Turns TOML into frozen settings: reports every problem of every file at once, and hides secrets."""

from oddaemon.core.model import Cadence, Plausibility
from oddaemon.core.secret import Secret
from oddaemon.settings.files.problem import BadConfiguration, Problem
from oddaemon.settings.files.writer import OfficeDraft, render_office_toml
from oddaemon.settings.load import find_control_socket, load, render_redacted_files, try_load
from oddaemon.settings.model import LoadResult, Settings
from oddaemon.settings.office_cache import OfficeFileCache
from oddaemon.settings.tables.office import OfficeSettings
from oddaemon.settings.tables.offices import validate_partial
from oddaemon.settings.tables.sections import (
    MAINTENANCE_JOBS,
    AlertSettings,
    ApiSettings,
    DaemonSettings,
    HttpSettings,
    LogSettings,
    MaintenanceSettings,
)
from oddaemon.settings.tables.sink import SinkSettings
from oddaemon.settings.tables.state import FleetSettings, StateSettings

__all__ = [
    "MAINTENANCE_JOBS",
    "AlertSettings",
    "ApiSettings",
    "BadConfiguration",
    "Cadence",
    "DaemonSettings",
    "FleetSettings",
    "HttpSettings",
    "LoadResult",
    "LogSettings",
    "MaintenanceSettings",
    "OfficeDraft",
    "OfficeFileCache",
    "OfficeSettings",
    "Plausibility",
    "Problem",
    "Secret",
    "Settings",
    "SinkSettings",
    "StateSettings",
    "find_control_socket",
    "load",
    "render_office_toml",
    "render_redacted_files",
    "try_load",
    "validate_partial",
]
