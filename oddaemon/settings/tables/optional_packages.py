"""What a good configuration needs of this machine and does not find there: warnings, for it may come later."""

from importlib.util import find_spec

from oddaemon.settings.files.document import TomlDocument
from oddaemon.settings.files.line_numbers import Location
from oddaemon.settings.files.problem import Diagnostics
from oddaemon.settings.tables.sections import MaintenanceSettings
from oddaemon.settings.tables.sftp import SftpSettings
from oddaemon.settings.tables.sink import ExecTable, FilesTable, PostgresTable, SinkSettings

_EXTRA_MODULES = {"parquet": "pyarrow", "postgres": "asyncpg", "sftp": "asyncssh"}
"""What each extra brings."""


def check_sink_requirements(
    document: TomlDocument, location: Location, sink: SinkSettings, diagnostics: Diagnostics
) -> None:
    """Warn of the extra that a sink needs."""
    table = sink.table
    if isinstance(table, PostgresTable):
        _warn_missing_extra(document, (*location, "kind"), "postgres", diagnostics)
    if isinstance(table, FilesTable | ExecTable) and table.format == "parquet":
        _warn_missing_extra(document, (*location, "format"), "parquet", diagnostics)


def check_requirements(
    document: TomlDocument, sftp: SftpSettings | None, maintenance: MaintenanceSettings | None, diagnostics: Diagnostics
) -> None:
    """Warn of what the tables of `oddaemon.toml` itself need."""
    if sftp is not None and sftp.is_on:
        _warn_missing_extra(document, ("sftp", "listen"), "sftp", diagnostics)
    backup_directory = maintenance.backup_directory if maintenance is not None else None
    if backup_directory is not None and not backup_directory.is_dir():
        message, hint = "there is no such directory", "make it, or mount it, before the first backup is due"
        diagnostics.warnings.append(
            document.make_problem(("maintenance", "backup_directory"), message, hint, str(backup_directory))
        )


def _warn_missing_extra(document: TomlDocument, location: Location, extra: str, diagnostics: Diagnostics) -> None:
    if find_spec(_EXTRA_MODULES[extra]) is None:
        message, hint = f"needs {_EXTRA_MODULES[extra]}, which is not installed", f"pip install 'oddaemon[{extra}]'"
        diagnostics.warnings.append(document.make_problem(location, message, hint))
