"""Warnings about a configuration that can be used."""

import resource
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from urllib.parse import urlsplit

from oddaemon.http_client.tls import find_ca_problem
from oddaemon.settings.files.document import TomlDocument
from oddaemon.settings.files.line_numbers import Location
from oddaemon.settings.files.secret_sources import get_source_names
from oddaemon.settings.tables.office import SPACING_SECONDS, OfficeTable
from oddaemon.settings.tables.offices import OfficeEntry
from oddaemon.settings.tables.sections import ApiSettings, MaintenanceSettings, SftpSettings
from oddaemon.settings.tables.sink import SinkSettings
from oddaemon.settings.tables.state import StateSettings
from oddaemon.settings.values.url import API_PATH, is_local_url

REQUEST_TIMEOUT_SECONDS_MIN = 65.0
"""The API answers 504 after 60 s; a shorter time-out reports failures of requests that would succeed."""
OWN_FILES = 100
"""Database, log, listeners, watches and, for a moment each, name lookups and second attempts to connect."""
HTTP_CLIENTS = 64
"""Connections to the listener at one time."""
UPLOAD_FILES = 100
FILES_PER_SINK = 8
_EXTRA_MODULES = {"parquet": "pyarrow", "postgres": "psycopg", "sftp": "asyncssh"}
"""The package of each extra."""
_SINKS_OF_A_HOST = {"files", "exec"}
"""What they do, they do on their host."""
_OPERATORS_JOBS = {
    "incremental_vacuum": "the server's autovacuum reuses the space",
    "wal_checkpoint": "the server checkpoints by itself",
    "backup": "back it up with the server's own tools, such as pg_dump or pg_basebackup",
    "backup_directory": "back it up with the server's own tools, such as pg_dump or pg_basebackup",
}
"""The settings of `[maintenance]` that concern a file of SQLite, each with who does it on a server."""


def add_warnings(documents: list[TomlDocument], entries: list[OfficeEntry], api: ApiSettings | None) -> None:
    """Add the warnings about a configuration, which may have problems, too."""
    for document in documents:
        _warn_inline_keys(document)
    main = documents[0]
    if not entries and not main.diagnostics.problems:
        main.warn((), "no office is configured", "add [[office]] tables, here or in the directory of [offices]")
    if api is not None:
        _warn_api(main, api)
        for entry in entries:
            if entry.table is not None:
                _warn_office(entry, entry.table, api)


def warn_missing_requirements(
    main: TomlDocument,
    sinks: Iterable[tuple[Location, SinkSettings]],
    sftp: SftpSettings | None,
    maintenance: MaintenanceSettings | None,
) -> None:
    """Warn of packages and directories that a valid configuration needs and that this machine does not have yet."""
    for location, sink in sinks:
        if sink.kind == "postgres":
            _warn_missing_extra(main, (*location, "kind"), "postgres")
        if getattr(sink, "format", "") == "parquet":
            _warn_missing_extra(main, (*location, "format"), "parquet")
    if sftp is not None and sftp.is_on:
        _warn_missing_extra(main, ("sftp", "listen"), "sftp")
    backup_directory = maintenance.backup_directory if maintenance is not None else None
    if backup_directory is not None and not backup_directory.is_dir():
        message, hint = "does not exist", "create or mount the directory before the first backup is due"
        main.warn(("maintenance", "backup_directory"), message, hint, str(backup_directory))


def warn_shared_database(
    main: TomlDocument,
    state: StateSettings,
    host: str,
    sinks: Iterable[tuple[Location, SinkSettings]],
    maintenance: MaintenanceSettings,
) -> None:
    """Warn of what means something else on a PostgreSQL server, which several hosts may share, than on SQLite."""
    for location, sink in sinks:
        if state.is_postgresql and not sink.on and sink.kind in _SINKS_OF_A_HOST:
            hint = f'set on = ["{host}"] to keep it on this host'
            main.warn((*location, "on"), "is not set, so it may run on any host, and write there", hint)
        if not state.is_postgresql and not sink.runs_on(host):
            hint = f'this host is "{host}"; SQLite serves one daemon, so remove `on`'
            main.warn((*location, "on"), "does not name this host, so the sink never runs", hint)
    if not state.is_postgresql:
        return
    source = next(each for each in get_source_names("database_url") if each in main.table["state"])
    _warn_missing_extra(main, ("state", source), "postgres")
    for name, hint in _OPERATORS_JOBS.items():
        if name in maintenance.model_fields_set and getattr(maintenance, name):
            main.warn(("maintenance", name), "has no effect on a PostgreSQL server", hint)


def _warn_missing_extra(document: TomlDocument, location: Location, extra: str) -> None:
    if find_spec(_EXTRA_MODULES[extra]) is None:
        message, hint = f"requires {_EXTRA_MODULES[extra]}, which is not installed", f"pip install 'oddaemon[{extra}]'"
        document.warn(location, message, hint)


def _warn_inline_keys(document: TomlDocument) -> None:
    keys = document.inline_keys
    if keys and not document.is_private:
        count = "contains a key" if len(keys) == 1 else f"contains {len(keys)} keys"
        message = f"{count}, but other users may read the file"
        document.warn(keys[0], message, f"chmod 600 {document.path}, or put each key into a file of its own")


def _warn_api(main: TomlDocument, api: ApiSettings) -> None:
    timeout = api.request_timeout_seconds
    if timeout < REQUEST_TIMEOUT_SECONDS_MIN and not is_local_url(api.base_url):
        message = "is shorter than the API's own limit: it answers 504 after 60 s"
        hint = f"set {REQUEST_TIMEOUT_SECONDS_MIN:g} or more"
        main.warn(("api", "request_timeout_seconds"), message, hint, timeout)
    _warn_api_path(main, ("api", "base_url"), api.base_url)


def _warn_office(entry: OfficeEntry, office: OfficeTable, api: ApiSettings) -> None:
    if office.base_url is not None:
        _warn_api_path(entry.document, (*entry.location, "base_url"), office.base_url)
    spacing = SPACING_SECONDS[office.tier]
    interval = office.min_interval_seconds
    if interval is not None and interval < spacing and not is_local_url(office.base_url or api.base_url):
        message = f"is less than the {spacing:g} s that Open Dental requires for a key of tier {office.tier}"
        hint = "requests will be queued and then refused"
        entry.document.warn((*entry.location, "min_interval_seconds"), message, hint, interval)


def warn_ca_variables(main: TomlDocument, environment: Mapping[str, str]) -> None:
    """Warn if a variable that names the trusted certificates names none."""
    if problem := find_ca_problem(environment):
        main.warn((), problem, "correct or unset the variable; servers whose certificate needs it are refused")


def warn_open_files(main: TomlDocument, api: ApiSettings | None, sftp: SftpSettings | None, sinks: int) -> None:
    """Warn if this process may open fewer files than the daemon needs when all of it is busy at once."""
    if api is None:
        return
    uploads = UPLOAD_FILES if sftp is not None and sftp.is_on else 0
    needed = OWN_FILES + api.max_in_flight + HTTP_CLIENTS + uploads + FILES_PER_SINK * sinks
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY and limit < needed:
        message = f"the daemon may need {needed} open files, all connections included, but its limit is {limit}"
        hint = "raise `LimitNOFILE=` of the unit (in a shell, `ulimit -n`), or lower `max_in_flight`"
        main.warn(("api", "max_in_flight"), message, hint, api.max_in_flight)


def _warn_api_path(document: TomlDocument, location: Location, url: str) -> None:
    if urlsplit(url).path != API_PATH:
        message = f"does not end in {API_PATH}, the path in Open Dental's documentation"
        document.warn(location, message, "", url)
