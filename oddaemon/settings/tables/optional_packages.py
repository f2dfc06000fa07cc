"""Warns of packages and directories that a valid configuration needs and that do not exist on this machine yet."""

from importlib.util import find_spec

from oddaemon.settings.files.document import TomlDocument
from oddaemon.settings.files.line_numbers import Location
from oddaemon.settings.files.problem import Diagnostics
from oddaemon.settings.tables.sections import MaintenanceSettings
from oddaemon.settings.tables.sftp import SftpSettings
from oddaemon.settings.tables.sink import ExecTable, FilesTable, PostgresTable, SinkSettings

_EXTRA_MODULES = {"parquet": "pyarrow", "postgres": "asyncpg", "sftp": "asyncssh"}
"""The package of each extra."""


def check_sink_requirements(
    document: TomlDocument, location: Location, sink: SinkSettings, diagnostics: Diagnostics
) -> None:
    """Warn of a missing extra that a sink needs."""
    table = sink.table
    if isinstance(table, PostgresTable):
        _warn_missing_extra(document, (*location, "kind"), "postgres", diagnostics)
    if isinstance(table, FilesTable | ExecTable) and table.format == "parquet":
        _warn_missing_extra(document, (*location, "format"), "parquet", diagnostics)


def check_requirements(
    document: TomlDocument, sftp: SftpSettings | None, maintenance: MaintenanceSettings | None, diagnostics: Diagnostics
) -> None:
    """Warn of what is missing for the tables of `oddaemon.toml`."""
    if sftp is not None and sftp.is_on:
        _warn_missing_extra(document, ("sftp", "listen"), "sftp", diagnostics)
    backup_directory = maintenance.backup_directory if maintenance is not None else None
    if backup_directory is not None and not backup_directory.is_dir():
        message, hint = "does not exist", "create or mount the directory before the first backup is due"
        diagnostics.warnings.append(
            document.make_problem(("maintenance", "backup_directory"), message, hint, str(backup_directory))
        )


def _warn_missing_extra(document: TomlDocument, location: Location, extra: str, diagnostics: Diagnostics) -> None:
    if find_spec(_EXTRA_MODULES[extra]) is None:
        message, hint = f"requires {_EXTRA_MODULES[extra]}, which is not installed", f"pip install 'oddaemon[{extra}]'"
        diagnostics.warnings.append(document.make_problem(location, message, hint))
