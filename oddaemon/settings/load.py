"""From `oddaemon.toml` and its directory of offices to settings, or to everything that is wrong with them.

Nothing stops at the first problem: all tables of all files are read, and what can be said is said at once.
Reads files and the environment, and changes nothing.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from oddaemon.core.model import Cadence, Plausibility
from oddaemon.settings.advice import advise
from oddaemon.settings.alerts import Alerts, ping_url
from oddaemon.settings.credentials import find_key, key_files, sources_of
from oddaemon.settings.directory import directory_documents, office_groups
from oddaemon.settings.document import Document, parse
from oddaemon.settings.draft import Draft
from oddaemon.settings.explain import explain
from oddaemon.settings.fittings import check_fittings
from oddaemon.settings.model import Loaded, Settings
from oddaemon.settings.office import OFFICE_NAMES, OfficeSettings, office_settings
from oddaemon.settings.offices import OfficeEntry, compare_offices, read_offices, require_receiver
from oddaemon.settings.problem import BadConfiguration, Findings, Problem, did_you_mean
from oddaemon.settings.secret import SECRET_NAMES, Secret
from oddaemon.settings.sections import (
    SOCKET_PATH_BYTES_MAX,
    Api,
    CadenceTable,
    Daemon,
    Http,
    Log,
    Maintenance,
    OfficesDirectory,
    PlausibilityTable,
    State,
    fits_a_socket,
)
from oddaemon.settings.sftp import DIRECTORY, HOST_KEY, Sftp
from oddaemon.settings.showing import shown
from oddaemon.settings.sinks import SINK_NAMES, read_sinks
from oddaemon.settings.table import Table

_SECTIONS: dict[str, type[Table]] = {
    "api": Api,
    "state": State,
    "http": Http,
    "offices": OfficesDirectory,
    "cadence": CadenceTable,
    "plausibility": PlausibilityTable,
    "daemon": Daemon,
    "log": Log,
    "maintenance": Maintenance,
    "alerts": Alerts,
    "sftp": Sftp,
}
_SECRETS: dict[type[Table], str] = {Api: "developer_key", Alerts: "ping_url"}
"""The secret of a table, which may be written in three ways."""
_NAMES: dict[str, frozenset[str]] = {
    section: frozenset({*model.model_fields, *(sources_of(_SECRETS[model]) if model in _SECRETS else ())})
    for section, model in _SECTIONS.items()
}
_HARMLESS = frozenset.union(OFFICE_NAMES, SINK_NAMES, *_NAMES.values()).difference(SECRET_NAMES)

_Section = TypeVar("_Section", bound=Table)


def load(path: Path, environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of a configuration without problems; warnings are passed over.

    Args:
        path: `oddaemon.toml`.
        environment: Where `…_env` keys are looked up.

    Raises:
        BadConfiguration: With every problem of every file.
    """
    loaded = read(path, environment)
    if loaded.settings is None:
        raise BadConfiguration(loaded.problems)
    return loaded.settings


def read(path: Path, environment: Mapping[str, str] = os.environ, drafts: Iterable[Draft] = ()) -> Loaded:
    """Settings or problems, and warnings; never raises over what the files contain.

    Args:
        path: As for `load`.
        environment: As for `load`.
        drafts: Offices to be read as if they stood in files of the directory.
    """
    findings = Findings()
    main = parse(path, _HARMLESS, findings)
    documents: list[Document] = []
    settings, places = None, {path.absolute()}
    if main is not None:
        documents.append(main)
        _check_names(main, {*_SECTIONS, "office", "sink"}, findings)
        directory = _section(main, "offices", OfficesDirectory, findings)
        if directory is not None and directory.directory is not None:
            places.update([directory.directory, *office_groups(directory.directory)])
            documents.extend(_office_documents(main, directory.directory, findings))
        documents.extend(draft.document(_HARMLESS) for draft in drafts)
        settings = _settings(main, documents, directory, environment, findings)

    def by_place(problem: Problem) -> tuple[bool, Path, int]:
        return problem.file != path, problem.file, problem.line or 0

    problems = tuple(sorted(findings.problems, key=by_place))
    warnings = tuple(sorted(findings.warnings, key=by_place))
    places.update(file for document in documents for file in key_files(document))
    return Loaded(None if problems else settings, problems, warnings, frozenset(places))


def control_socket(path: Path) -> Path | None:
    """Where the daemon of this configuration takes its orders, whatever else is wrong in its files; None: nowhere.

    Raises:
        BadConfiguration: Not even that can be told.
    """
    findings = Findings()
    main = parse(path, _HARMLESS, findings)
    if main is not None:
        state, http = _section(main, "state", State, findings), _section(main, "http", Http, findings)
        if state and http:
            return _with_control_socket(main, http, state, findings).control_socket
    raise BadConfiguration(tuple(findings.problems))


def shown_files(path: Path) -> list[tuple[Path, str]]:
    """Each file of a configuration that can be read, as it may be shown to others, whatever is wrong in them."""
    findings = Findings()
    main = parse(path, _HARMLESS, findings)
    if main is None:
        return []
    directory = _section(main, "offices", OfficesDirectory, findings)
    documents = [main]
    if directory is not None and directory.directory is not None:
        documents += _office_documents(main, directory.directory, findings)
    return [(document.path, shown(document, _HARMLESS)) for document in documents]


def _settings(
    main: Document,
    documents: list[Document],
    directory: OfficesDirectory | None,
    environment: Mapping[str, str],
    findings: Findings,
) -> Settings | None:
    developer_key = _developer_key(main, environment, findings)
    api = _section(main, "api", Api, findings, developer_key=developer_key or Secret(""))
    state = _section(main, "state", State, findings)
    http = _section(main, "http", Http, findings)
    cadence = _section(main, "cadence", CadenceTable, findings)
    plausibility = _section(main, "plausibility", PlausibilityTable, findings)
    daemon = _section(main, "daemon", Daemon, findings)
    log = _section(main, "log", Log, findings)
    maintenance = _section(main, "maintenance", Maintenance, findings)
    alerts = _section(main, "alerts", Alerts, findings, ping_url=ping_url(main, environment, findings))
    sftp = _section(main, "sftp", Sftp, findings)
    entries = [entry for document in documents for entry in read_offices(document, environment, findings)]
    compare_offices(entries, developer_key, findings)
    sinks = read_sinks(main, _labels(entries), environment, findings)
    advise(documents, entries, api, findings)
    require_receiver(entries, sftp, findings)
    check_fittings(main, sftp, maintenance, findings)
    if not (api and state and http and cadence and plausibility and daemon and log and maintenance):
        return None
    if not (alerts and sftp and directory):
        return None
    return Settings(
        source=main.path.absolute(),
        api=api,
        state=state,
        http=_with_control_socket(main, http, state, findings),
        cadence=Cadence(**cadence.model_dump()),
        plausibility=Plausibility(**plausibility.model_dump()),
        daemon=daemon,
        log=log,
        maintenance=maintenance,
        alerts=alerts,
        sftp=_with_places(sftp, state),
        offices_directory=directory.directory,
        offices=tuple(_offices(entries, api)),
        sinks=sinks,
    )


def _with_places(sftp: Sftp, state: State) -> Sftp:
    """`sftp` with the places that hang on another table."""
    if not sftp.is_on:
        return sftp
    beside = {"host_key": state.path.with_name(HOST_KEY), "directory": state.path.with_name(DIRECTORY)}
    return sftp.model_copy(update={name: getattr(sftp, name) or place for name, place in beside.items()})


def _labels(entries: Iterable[OfficeEntry]) -> dict[str, Mapping[str, str]]:
    """Of every office by id, also of those that have problems: sinks must not have them, too."""
    return {str(entry.written_id): entry.table.labels if entry.table is not None else {} for entry in entries}


def _with_control_socket(main: Document, http: Http, state: State, findings: Findings) -> Http:
    """`http` with the socket's default, which hangs on another table: one database, one daemon, one socket."""
    if http.control_socket is not None:
        return http
    beside = state.path.with_name(state.path.name + ".sock")
    if fits_a_socket(beside):
        return http.model_copy(update={"control_socket": beside})
    message = f"there is none, as the path beside the database has more than {SOCKET_PATH_BYTES_MAX} bytes"
    hint = "set a shorter one, or the daemon takes no orders"
    findings.warnings.append(main.problem(("http", "control_socket"), message, hint))
    return http


def _offices(entries: Iterable[OfficeEntry], api: Api) -> Iterable[OfficeSettings]:
    for entry in entries:
        if entry.table is not None and entry.customer_key is not None:
            yield office_settings(entry.table, entry.customer_key, api.base_url, entry.document.path.absolute())


def _section(
    main: Document, name: str, model: type[_Section], findings: Findings, **given: Secret | None
) -> _Section | None:
    """One of `main`'s own tables; what is wrong with it goes to `findings`. An absent table is an empty one."""
    written: Any = main.table.get(name, {})
    if not isinstance(written, dict):
        if not (name == "offices" and isinstance(written, list)):
            findings.problems.append(main.problem((name,), "must be one table", f"write [{name}], once"))
        return None
    sources = sources_of(_SECRETS[model]) if given else ()
    rest = {key: value for key, value in written.items() if key not in sources}
    try:
        return model.model_validate({**rest, **given}, context={"directory": main.directory})
    except ValidationError as error:
        findings.take(explain(main, (name,), error, _NAMES[name]))
        return None


def _developer_key(main: Document, environment: Mapping[str, str], findings: Findings) -> Secret | None:
    written = main.table.get("api", {})
    found = find_key(main, ("api",), written, "developer_key", environment) if isinstance(written, dict) else None
    if isinstance(found, Problem):
        findings.problems.append(found)
        return None
    return found


def _office_documents(main: Document, directory: Path, findings: Findings) -> list[Document]:
    documents = directory_documents(main, directory, _HARMLESS, findings)
    for document in documents:
        _check_names(document, {"office"}, findings)
    return documents


def _check_names(document: Document, known: set[str], findings: Findings) -> None:
    """Reports what stands at the top of a file and does not belong there."""
    flat = [name for name in document.table if name in OFFICE_NAMES]
    if flat:
        message = "belongs to an office, but stands above the first table"
        findings.problems.append(document.problem((flat[0],), message, "write [[office]] above it"))
    for name, value in document.table.items():
        if name in known or name in flat or (name == "offices" and isinstance(value, list)):
            continue
        if findings.is_full:
            break
        message, hint = _stray(name, known)
        findings.problems.append(document.problem((name,), message, hint))


def _stray(name: str, known: set[str]) -> tuple[str, str]:
    if "api" not in known:
        return "only [[office]] tables are allowed in the files of the directory", did_you_mean(name, known)
    if name == "sinks":
        return "unknown table", "write [[sink]] for each of them"
    homes = sorted(section for section, names in _NAMES.items() if name in names)
    if homes:
        return "stands outside of its table", f"put it below [{homes[0]}]"
    return "unknown key", did_you_mean(name, known)
