"""Loads settings from `oddaemon.toml` and its directory of offices, or reports every problem in them.

Reading does not stop at the first problem: all tables of all files are checked. It reads files and the environment,
and changes nothing.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from oddaemon.core.model import Cadence, Plausibility
from oddaemon.core.secret import Secret
from oddaemon.core.suggestions import suggest_name
from oddaemon.settings.files.directory import read_directory
from oddaemon.settings.files.document import TomlDocument, read_document
from oddaemon.settings.files.problem import BadConfiguration, Diagnostics, Problem
from oddaemon.settings.files.redacted import render_redacted
from oddaemon.settings.files.writer import OfficeDraft
from oddaemon.settings.model import LoadResult, Settings
from oddaemon.settings.office_cache import OfficeFileCache
from oddaemon.settings.tables.base import Table, read_table
from oddaemon.settings.tables.office import OFFICE_FIELDS
from oddaemon.settings.tables.offices import OfficeEntry, check_duplicate_offices, require_sftp_receiver
from oddaemon.settings.tables.sections import (
    HOST_KEY_FILE,
    SOCKET_PATH_BYTES_MAX,
    UPLOAD_DIRECTORY,
    AlertSettings,
    ApiSettings,
    CadenceTable,
    DaemonSettings,
    HttpSettings,
    LogSettings,
    MaintenanceSettings,
    OfficesDirectory,
    PlausibilityTable,
    SftpSettings,
    fits_unix_socket,
)
from oddaemon.settings.tables.sinks import SINK_FIELDS, read_sinks
from oddaemon.settings.tables.state import FleetSettings, StateSettings
from oddaemon.settings.values.secret import SECRET_NAMES
from oddaemon.settings.warnings import (
    add_warnings,
    warn_ca_variables,
    warn_missing_requirements,
    warn_open_files,
    warn_shared_database,
)

_SECTIONS: dict[str, type[Table]] = {
    "api": ApiSettings,
    "state": StateSettings,
    "fleet": FleetSettings,
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
_OFFICE_SECTIONS = {"offices", "cadence", "plausibility"}
"""Their values are part of the settings of each office."""
_SAFE_NAMES = OFFICE_FIELDS.union(SINK_FIELDS, *(model.list_keys() for model in _SECTIONS.values())) - set(SECRET_NAMES)


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


def try_load(
    path: Path,
    environment: Mapping[str, str] = os.environ,
    drafts: Iterable[OfficeDraft] = (),
    *,
    cache: OfficeFileCache | None = None,
) -> LoadResult:
    """Load settings or problems, and warnings. Never raises because of what the files contain.

    Args:
        path: As for `load`.
        environment: As for `load`.
        drafts: Offices to check as if they were in files of the directory.
        cache: What the last reading of this configuration has left; the result is the same without.
    """
    cache = cache or OfficeFileCache(lasts=False)
    diagnostics = Diagnostics(files={path.absolute()})
    settings = _read_settings(path, environment, drafts, diagnostics, cache)
    if cache.lacks(diagnostics):
        cache.forget()
        diagnostics = Diagnostics(files={path.absolute()})
        settings = _read_settings(path, environment, drafts, diagnostics, cache)

    def sort_key(problem: Problem) -> tuple[bool, Path, int]:
        return problem.file != path, problem.file, problem.line or 0

    problems = tuple(sorted(diagnostics.problems, key=sort_key))
    warnings = tuple(sorted(diagnostics.warnings, key=sort_key))
    return LoadResult(None if problems else settings, problems, warnings, frozenset(diagnostics.files))


def _read_settings(
    path: Path,
    environment: Mapping[str, str],
    drafts: Iterable[OfficeDraft],
    diagnostics: Diagnostics,
    cache: OfficeFileCache,
) -> Settings | None:
    """Read all files. Returns the settings, which count only if there are no problems."""
    cache.begin()
    main = read_document(path, _SAFE_NAMES, diagnostics)
    if main is None:
        return None
    _check_top_level_names(main, {*_SECTIONS, "office", "sink"})
    sections, secrets = _read_sections(main, _SECTIONS, environment)
    offices: OfficesDirectory | None = sections["offices"]
    documents = [main, *_read_office_documents(main, offices, cache)]
    documents.extend(draft.to_document(_SAFE_NAMES, diagnostics) for draft in drafts)
    return _build_settings(documents, sections, secrets.get("developer_key"), environment, cache)


def find_control_socket(path: Path) -> Path | None:
    """Find the control socket of the daemon of this configuration, even if its files have problems; None: it has none.

    Raises:
        BadConfiguration: The problems prevent even that.
    """
    diagnostics = Diagnostics()
    main = read_document(path, _SAFE_NAMES, diagnostics)
    if main is not None:
        sections, _ = _read_sections(main, ("state", "http"), {})
        if sections["state"] and sections["http"]:
            return _with_default_control_socket(main, sections["http"], sections["state"]).control_socket
    raise BadConfiguration(tuple(diagnostics.problems))


def render_redacted_files(path: Path, redact: Callable[[str], str]) -> list[tuple[Path, str]]:
    """Render each readable file of a configuration so that it may be shown to others, even if it has problems.

    Args:
        path: `oddaemon.toml`.
        redact: Removes registered secrets from a value.
    """
    main = read_document(path, _SAFE_NAMES, Diagnostics())
    if main is None:
        return []
    offices = _read_sections(main, ("offices",), {})[0]["offices"]
    documents = [main, *_read_office_documents(main, offices, OfficeFileCache(lasts=False))]
    return [(document.path, render_redacted(document, _SAFE_NAMES, redact)) for document in documents]


def _read_sections(
    main: TomlDocument, names: Iterable[str], environment: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, Secret]]:
    """Read the single tables of `main` with these names; a missing table is an empty one.

    Returns:
        Each table by its name, None if it has problems; and the secrets that were found.
    """
    sections, secrets = dict[str, Any](), dict[str, Secret]()
    for name in names:
        written = main.table.get(name, {})
        if isinstance(written, dict):
            sections[name], found = read_table(main, (name,), written, _SECTIONS[name], environment)
            secrets |= found
        else:
            sections[name] = None
            if not (name == "offices" and isinstance(written, list)):
                main.report((name,), "must be a single table", f"write [{name}] once")
    return sections, secrets


def _build_settings(
    documents: list[TomlDocument],
    sections: dict[str, Any],
    developer_key: Secret | None,
    environment: Mapping[str, str],
    cache: OfficeFileCache,
) -> Settings | None:
    main, api, sftp = documents[0], sections["api"], sections["sftp"]
    entries = [entry for document in documents for entry in cache.read_offices(document, environment)]
    check_duplicate_offices(entries, developer_key)
    sinks = list(read_sinks(main, _collect_labels(entries), environment))
    add_warnings(documents, entries, api)
    require_sftp_receiver(entries, sftp)
    warn_missing_requirements(main, sinks, sftp, sections["maintenance"])
    warn_open_files(main, api, sftp, len(sinks))
    warn_ca_variables(main, environment)
    if any(section is None for section in sections.values()):
        return None
    warn_shared_database(main, sections["state"], sections["fleet"].host, sinks, sections["maintenance"])
    cadence = Cadence(**sections["cadence"].model_dump())
    plausibility = Plausibility(**sections["plausibility"].model_dump())
    offices = cache.make_settings(entries, api, cadence, plausibility)
    if not main.diagnostics.problems:
        cache.keep(entries, offices, main.diagnostics)
    return Settings(
        source=main.path.absolute(),
        offices_directory=sections["offices"].directory,
        offices=offices,
        sinks=tuple(sink for _, sink in sinks),
        **{
            **{name: sections[name] for name in sections.keys() - _OFFICE_SECTIONS},
            "http": _with_default_control_socket(main, sections["http"], sections["state"]),
            "sftp": _with_default_paths(main, sftp, sections["state"]),
        },
    )


def _with_default_paths(main: TomlDocument, sftp: SftpSettings, state: StateSettings) -> SftpSettings:
    """Fill in the paths that depend on another table."""
    if not sftp.is_on:
        return sftp
    directory = main.directory if state.is_postgresql else state.path.parent
    defaults = {"host_key": directory / HOST_KEY_FILE, "directory": directory / UPLOAD_DIRECTORY}
    return sftp.model_copy(update={name: getattr(sftp, name) or path for name, path in defaults.items()})


def _collect_labels(entries: Iterable[OfficeEntry]) -> dict[str, Mapping[str, str]]:
    """Collect the labels of every office by id. Those with problems are included: sinks can name them."""
    return {str(entry.raw_id): entry.table.labels if entry.table is not None else {} for entry in entries}


def _with_default_control_socket(main: TomlDocument, http: HttpSettings, state: StateSettings) -> HttpSettings:
    """Fill in the default of the control socket.

    It stands beside the database: one file, one daemon. A server has a daemon for each configuration.
    """
    if http.control_socket is not None:
        return http
    if state.is_postgresql:
        place, default_path = "configuration", main.path.absolute().with_suffix(".sock")
    else:
        place, default_path = "database", state.path.with_name(state.path.name + ".sock")
    if fits_unix_socket(default_path):
        return http.model_copy(update={"control_socket": default_path})
    message = f"the default path beside the {place} is longer than {SOCKET_PATH_BYTES_MAX} bytes"
    hint = "set a shorter path; without one the daemon has no control socket"
    main.warn(("http", "control_socket"), message, hint)
    return http


def _read_office_documents(
    main: TomlDocument, offices: OfficesDirectory | None, cache: OfficeFileCache
) -> list[TomlDocument]:
    if offices is None or offices.directory is None:
        return []

    def read(path: Path) -> TomlDocument | None:
        found = cache.find_document(path, main.diagnostics)
        return found or read_document(path, _SAFE_NAMES, main.diagnostics)

    documents = read_directory(main, offices.directory, read)
    for document in documents:
        if not cache.is_known(document):
            _check_top_level_names(document, {"office"})
    return documents


def _check_top_level_names(document: TomlDocument, known: set[str]) -> None:
    """Report unknown names at the top level of a file."""
    office_fields = [name for name in document.table if name in OFFICE_FIELDS]
    if office_fields:
        message = "is a key of an office, but stands above the first table"
        document.report((office_fields[0],), message, "write [[office]] above it")
    for name, value in document.table.items():
        if name in known or name in office_fields or (name == "offices" and isinstance(value, list)):
            continue
        if document.diagnostics.is_full:
            break
        document.report((name,), *_describe_unknown_name(name, known))


def _describe_unknown_name(name: str, known: set[str]) -> tuple[str, str]:
    if "api" not in known:
        return "only [[office]] tables are allowed in files of the directory", suggest_name(name, known)
    if name == "sinks":
        return "unknown table", "write [[sink]] for each sink"
    sections = sorted(section for section, model in _SECTIONS.items() if name in model.list_keys())
    if sections:
        return "is outside its table", f"move it below [{sections[0]}]"
    return "unknown key", suggest_name(name, known)
