"""What a good configuration needs of this machine and does not find there: warnings, for it may come later."""

from importlib.util import find_spec

from oddaemon.settings.document import Document
from oddaemon.settings.lines import Location
from oddaemon.settings.problem import Findings
from oddaemon.settings.sections import Maintenance
from oddaemon.settings.sftp import Sftp
from oddaemon.settings.sink import ExecTable, FilesTable, PostgresTable, SinkSettings

_MODULES = {"parquet": "pyarrow", "postgres": "asyncpg", "sftp": "asyncssh"}
"""What each extra brings."""


def check_sink(document: Document, location: Location, sink: SinkSettings, findings: Findings) -> None:
    """Warn of the extra that a sink needs."""
    table = sink.table
    if isinstance(table, PostgresTable):
        _require_extra(document, (*location, "kind"), "postgres", findings)
    if isinstance(table, FilesTable | ExecTable) and table.format == "parquet":
        _require_extra(document, (*location, "format"), "parquet", findings)


def check_fittings(document: Document, sftp: Sftp | None, maintenance: Maintenance | None, findings: Findings) -> None:
    """Warn of what the tables of `oddaemon.toml` itself need."""
    if sftp is not None and sftp.is_on:
        _require_extra(document, ("sftp", "listen"), "sftp", findings)
    place = maintenance.backup_directory if maintenance is not None else None
    if place is not None and not place.is_dir():
        message, hint = "there is no such directory", "make it, or mount it, before the first backup is due"
        findings.warnings.append(document.problem(("maintenance", "backup_directory"), message, hint, str(place)))


def _require_extra(document: Document, location: Location, extra: str, findings: Findings) -> None:
    if find_spec(_MODULES[extra]) is None:
        message, hint = f"needs {_MODULES[extra]}, which is not installed", f"pip install 'oddaemon[{extra}]'"
        findings.warnings.append(document.problem(location, message, hint))
