"""Loads settings from `oddaemon.toml` and its directory of offices, or reports every problem in them.

Reading does not stop at the first problem: all tables of all files are checked. It reads files and the environment,
and changes nothing.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from oddaemon.core.model import Cadence, Plausibility
from oddaemon.core.secret import Secret
from oddaemon.settings.files.directory import list_office_groups, read_directory
from oddaemon.settings.files.document import TomlDocument, read_document
from oddaemon.settings.files.problem import BadConfiguration, Diagnostics, Problem
from oddaemon.settings.files.pydantic_errors import translate_validation_error
from oddaemon.settings.files.redacted import render_redacted
from oddaemon.settings.files.secret_sources import find_secret, get_source_names, list_secret_files
from oddaemon.settings.files.writer import OfficeDraft
from oddaemon.settings.model import LoadResult, Settings
from oddaemon.settings.tables.alerts import AlertSettings, find_ping_url
from oddaemon.settings.tables.base import Table
from oddaemon.settings.tables.office import OFFICE_FIELDS, make_office_settings
from oddaemon.settings.tables.offices import OfficeEntry, check_duplicate_offices, read_offices, require_sftp_receiver
from oddaemon.settings.tables.optional_packages import check_requirements
from oddaemon.settings.tables.sections import (
    SOCKET_PATH_BYTES_MAX,
    ApiSettings,
    CadenceTable,
    DaemonSettings,
    HttpSettings,
    LogSettings,
    MaintenanceSettings,
    OfficesDirectory,
    PlausibilityTable,
    StateSettings,
    fits_unix_socket,
)
from oddaemon.settings.tables.sftp import HOST_KEY_FILE, UPLOAD_DIRECTORY, SftpSettings
from oddaemon.settings.tables.sinks import SINK_FIELDS, read_sinks
from oddaemon.settings.values.secret import SECRET_NAMES
from oddaemon.settings.values.suggestions import suggest_name
from oddaemon.settings.warnings import add_warnings

_SECTIONS: dict[str, type[Table]] = {
    "api": ApiSettings,
    "state": StateSettings,
    "http": HttpSettings,
    "offices": OfficesDirectory,
    "cadence": CadenceTable,
    "plausibility": PlausibilityTable,
    "daemon": DaemonSettings,
    "log": LogSettings,
    "maintenance": MaintenanceSettings,
    "alerts": AlertSettings,
    "sftp": SftpSettings,
}
_SECTION_SECRETS: dict[type[Table], str] = {ApiSettings: "developer_key", AlertSettings: "ping_url"}
"""The secret of a table, which has three possible sources."""
_SECTION_FIELDS: dict[str, frozenset[str]] = {
    section: frozenset(
        {*model.model_fields, *(get_source_names(_SECTION_SECRETS[model]) if model in _SECTION_SECRETS else ())}
    )
    for section, model in _SECTIONS.items()
}
_SAFE_NAMES = frozenset.union(OFFICE_FIELDS, SINK_FIELDS, *_SECTION_FIELDS.values()).difference(SECRET_NAMES)

_Section = TypeVar("_Section", bound=Table)


def load(path: Path, environment: Mapping[str, str] = os.environ) -> Settings:
    """Load a configuration; warnings are ignored.

    Args:
        path: `oddaemon.toml`.
        environment: Where `…_env` keys are looked up.

    Raises:
        BadConfiguration: With every problem of every file.
    """
    loaded = try_load(path, environment)
    if loaded.settings is None:
        raise BadConfiguration(loaded.problems)
    return loaded.settings


def try_load(path: Path, environment: Mapping[str, str] = os.environ, drafts: Iterable[OfficeDraft] = ()) -> LoadResult:
    """Load settings or problems, and warnings. Never raises because of what the files contain.

    Args:
        path: As for `load`.
        environment: As for `load`.
        drafts: Offices to check as if they were in files of the directory.
    """
    diagnostics = Diagnostics()
    main = read_document(path, _SAFE_NAMES, diagnostics)
    documents: list[TomlDocument] = []
    settings, watched_paths = None, {path.absolute()}
    if main is not None:
        documents.append(main)
        _check_top_level_names(main, {*_SECTIONS, "office", "sink"}, diagnostics)
        directory = _read_section(main, "offices", OfficesDirectory, diagnostics)
        if directory is not None and directory.directory is not None:
            watched_paths.update([directory.directory, *list_office_groups(directory.directory)])
            documents.extend(_read_office_documents(main, directory.directory, diagnostics))
        documents.extend(draft.to_document(_SAFE_NAMES) for draft in drafts)
        settings = _build_settings(main, documents, directory, environment, diagnostics)

    def sort_key(problem: Problem) -> tuple[bool, Path, int]:
        return problem.file != path, problem.file, problem.line or 0

    problems = tuple(sorted(diagnostics.problems, key=sort_key))
    warnings = tuple(sorted(diagnostics.warnings, key=sort_key))
    watched_paths.update(file for document in documents for file in list_secret_files(document))
    return LoadResult(None if problems else settings, problems, warnings, frozenset(watched_paths))


def find_control_socket(path: Path) -> Path | None:
    """Find the control socket of the daemon of this configuration, even if its files have problems; None: it has none.

    Raises:
        BadConfiguration: The problems prevent even that.
    """
    diagnostics = Diagnostics()
    main = read_document(path, _SAFE_NAMES, diagnostics)
    if main is not None:
        state, http = (
            _read_section(main, "state", StateSettings, diagnostics),
            _read_section(main, "http", HttpSettings, diagnostics),
        )
        if state and http:
            return _with_default_control_socket(main, http, state, diagnostics).control_socket
    raise BadConfiguration(tuple(diagnostics.problems))


def render_redacted_files(path: Path) -> list[tuple[Path, str]]:
    """Render each readable file of a configuration so that it may be shown to others, even if it has problems."""
    diagnostics = Diagnostics()
    main = read_document(path, _SAFE_NAMES, diagnostics)
    if main is None:
        return []
    directory = _read_section(main, "offices", OfficesDirectory, diagnostics)
    documents = [main]
    if directory is not None and directory.directory is not None:
        documents += _read_office_documents(main, directory.directory, diagnostics)
    return [(document.path, render_redacted(document, _SAFE_NAMES)) for document in documents]


def _build_settings(
    main: TomlDocument,
    documents: list[TomlDocument],
    directory: OfficesDirectory | None,
    environment: Mapping[str, str],
    diagnostics: Diagnostics,
) -> Settings | None:
    developer_key = _find_developer_key(main, environment, diagnostics)
    api = _read_section(main, "api", ApiSettings, diagnostics, developer_key=developer_key or Secret(""))
    state = _read_section(main, "state", StateSettings, diagnostics)
    http = _read_section(main, "http", HttpSettings, diagnostics)
    cadence = _read_section(main, "cadence", CadenceTable, diagnostics)
    plausibility = _read_section(main, "plausibility", PlausibilityTable, diagnostics)
    daemon = _read_section(main, "daemon", DaemonSettings, diagnostics)
    log = _read_section(main, "log", LogSettings, diagnostics)
    maintenance = _read_section(main, "maintenance", MaintenanceSettings, diagnostics)
    alerts = _read_section(
        main, "alerts", AlertSettings, diagnostics, ping_url=find_ping_url(main, environment, diagnostics)
    )
    sftp = _read_section(main, "sftp", SftpSettings, diagnostics)
    entries = [entry for document in documents for entry in read_offices(document, environment, diagnostics)]
    check_duplicate_offices(entries, developer_key, diagnostics)
    sinks = read_sinks(main, _collect_labels(entries), environment, diagnostics)
    add_warnings(documents, entries, api, diagnostics)
    require_sftp_receiver(entries, sftp, diagnostics)
    check_requirements(main, sftp, maintenance, diagnostics)
    if not (api and state and http and cadence and plausibility and daemon and log and maintenance):
        return None
    if not (alerts and sftp and directory):
        return None
    spec_cadence = Cadence(**cadence.model_dump())
    spec_plausibility = Plausibility(**plausibility.model_dump())
    offices = (
        make_office_settings(
            entry.table,
            entry.customer_key,
            api,
            entry.document.path.absolute(),
            cadence=spec_cadence,
            plausibility=spec_plausibility,
        )
        for entry in entries
        if entry.table is not None and entry.customer_key is not None
    )
    return Settings(
        source=main.path.absolute(),
        api=api,
        state=state,
        http=_with_default_control_socket(main, http, state, diagnostics),
        cadence=spec_cadence,
        plausibility=spec_plausibility,
        daemon=daemon,
        log=log,
        maintenance=maintenance,
        alerts=alerts,
        sftp=_with_default_paths(sftp, state),
        offices_directory=directory.directory,
        offices=tuple(offices),
        sinks=sinks,
    )


def _with_default_paths(sftp: SftpSettings, state: StateSettings) -> SftpSettings:
    """Fill in the paths that depend on another table."""
    if not sftp.is_on:
        return sftp
    defaults = {"host_key": state.path.with_name(HOST_KEY_FILE), "directory": state.path.with_name(UPLOAD_DIRECTORY)}
    return sftp.model_copy(update={name: getattr(sftp, name) or path for name, path in defaults.items()})


def _collect_labels(entries: Iterable[OfficeEntry]) -> dict[str, Mapping[str, str]]:
    """Collect the labels of every office by id. Those with problems are included: sinks can name them."""
    return {str(entry.raw_id): entry.table.labels if entry.table is not None else {} for entry in entries}


def _with_default_control_socket(
    main: TomlDocument, http: HttpSettings, state: StateSettings, diagnostics: Diagnostics
) -> HttpSettings:
    """Fill in the default of the control socket, which stands beside the database: one database, one daemon."""
    if http.control_socket is not None:
        return http
    default_path = state.path.with_name(state.path.name + ".sock")
    if fits_unix_socket(default_path):
        return http.model_copy(update={"control_socket": default_path})
    message = f"the default path beside the database is longer than {SOCKET_PATH_BYTES_MAX} bytes"
    hint = "set a shorter path; without one the daemon has no control socket"
    diagnostics.warnings.append(main.make_problem(("http", "control_socket"), message, hint))
    return http


def _read_section(
    main: TomlDocument, name: str, model: type[_Section], diagnostics: Diagnostics, **secrets: Secret | None
) -> _Section | None:
    """Read one of the tables of `main`; problems go to `diagnostics`. A missing table is an empty one."""
    written: Any = main.table.get(name, {})
    if not isinstance(written, dict):
        if not (name == "offices" and isinstance(written, list)):
            diagnostics.problems.append(main.make_problem((name,), "must be a single table", f"write [{name}] once"))
        return None
    sources = get_source_names(_SECTION_SECRETS[model]) if secrets else ()
    rest = {key: value for key, value in written.items() if key not in sources}
    try:
        return model.model_validate({**rest, **secrets}, context={"directory": main.directory})
    except ValidationError as error:
        diagnostics.add_problems(translate_validation_error(main, (name,), error, _SECTION_FIELDS[name]))
        return None


def _find_developer_key(main: TomlDocument, environment: Mapping[str, str], diagnostics: Diagnostics) -> Secret | None:
    written = main.table.get("api", {})
    found = find_secret(main, ("api",), written, "developer_key", environment) if isinstance(written, dict) else None
    if isinstance(found, Problem):
        diagnostics.problems.append(found)
        return None
    return found


def _read_office_documents(main: TomlDocument, directory: Path, diagnostics: Diagnostics) -> list[TomlDocument]:
    documents = read_directory(main, directory, _SAFE_NAMES, diagnostics)
    for document in documents:
        _check_top_level_names(document, {"office"}, diagnostics)
    return documents


def _check_top_level_names(document: TomlDocument, known: set[str], diagnostics: Diagnostics) -> None:
    """Report unknown names at the top level of a file."""
    office_fields = [name for name in document.table if name in OFFICE_FIELDS]
    if office_fields:
        message = "is a key of an office, but stands above the first table"
        diagnostics.problems.append(document.make_problem((office_fields[0],), message, "write [[office]] above it"))
    for name, value in document.table.items():
        if name in known or name in office_fields or (name == "offices" and isinstance(value, list)):
            continue
        if diagnostics.is_full:
            break
        message, hint = _describe_unknown_name(name, known)
        diagnostics.problems.append(document.make_problem((name,), message, hint))


def _describe_unknown_name(name: str, known: set[str]) -> tuple[str, str]:
    if "api" not in known:
        return "only [[office]] tables are allowed in files of the directory", suggest_name(name, known)
    if name == "sinks":
        return "unknown table", "write [[sink]] for each sink"
    sections = sorted(section for section, names in _SECTION_FIELDS.items() if name in names)
    if sections:
        return "is outside its table", f"move it below [{sections[0]}]"
    return "unknown key", suggest_name(name, known)
