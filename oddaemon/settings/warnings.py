"""Warnings about a configuration that can be used."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from oddaemon.core.secret import Secret
from oddaemon.settings.files.document import TomlDocument
from oddaemon.settings.files.line_numbers import Location
from oddaemon.settings.files.problem import Diagnostics
from oddaemon.settings.tables.office import SPACING_SECONDS, OfficeTable
from oddaemon.settings.tables.offices import OfficeEntry
from oddaemon.settings.tables.sections import ApiSettings
from oddaemon.settings.values.url import API_PATH, is_local_url

REQUEST_TIMEOUT_SECONDS_MIN = 65.0
"""The API answers 504 after 60 s; a shorter time-out reports failures of requests that would succeed."""


def add_warnings(
    documents: list[TomlDocument], entries: list[OfficeEntry], api: ApiSettings | None, diagnostics: Diagnostics
) -> None:
    """Add the warnings about a configuration, which may have problems, too."""
    for document in documents:
        _warn_inline_keys(document, diagnostics)
    if not documents:
        return
    main = documents[0]
    if not entries and not diagnostics.problems:
        hint = "add [[office]] tables, here or in the directory of [offices]"
        diagnostics.warnings.append(main.make_problem((), "no office is configured", hint))
    if api is not None:
        _warn_api(main, api, diagnostics)
        for entry in entries:
            if entry.table is not None:
                _warn_office(entry.document, entry.location, entry.table, api, diagnostics)


def _warn_inline_keys(document: TomlDocument, diagnostics: Diagnostics) -> None:
    locations = list(_find_inline_keys(document))
    if locations and not document.is_private:
        count = "contains a key" if len(locations) == 1 else f"contains {len(locations)} keys"
        message = f"{count}, but other users may read the file"
        hint = f"chmod 600 {document.path}, or put each key into a file of its own"
        diagnostics.warnings.append(document.make_problem(locations[0], message, hint))


def _find_inline_keys(document: TomlDocument) -> Iterable[Location]:
    api = document.table.get("api")
    if isinstance(api, dict) and isinstance(api.get("developer_key"), Secret):
        yield "api", "developer_key"
    offices = document.table.get("office")
    for index, office in enumerate(offices if isinstance(offices, list) else []):
        if isinstance(office, dict) and isinstance(office.get("customer_key"), Secret):
            yield "office", index, "customer_key"
    sinks = document.table.get("sink")
    for index, sink in enumerate(sinks if isinstance(sinks, list) else []):
        for name in ("secret", "dsn"):
            if isinstance(sink, dict) and isinstance(sink.get(name), Secret):
                yield "sink", index, name


def _warn_api(main: TomlDocument, api: ApiSettings, diagnostics: Diagnostics) -> None:
    timeout = api.request_timeout_seconds
    if timeout < REQUEST_TIMEOUT_SECONDS_MIN and not is_local_url(api.base_url):
        message = "is shorter than the API's own limit: it answers 504 after 60 s"
        hint = f"set {REQUEST_TIMEOUT_SECONDS_MIN:g} or more"
        diagnostics.warnings.append(main.make_problem(("api", "request_timeout_seconds"), message, hint, timeout))
    _warn_api_path(main, ("api", "base_url"), api.base_url, diagnostics)


def _warn_office(
    document: TomlDocument, location: Location, office: OfficeTable, api: ApiSettings, diagnostics: Diagnostics
) -> None:
    if office.base_url is not None:
        _warn_api_path(document, (*location, "base_url"), office.base_url, diagnostics)
    spacing = SPACING_SECONDS[office.tier]
    interval = office.min_interval_seconds
    if interval is not None and interval < spacing and not is_local_url(office.base_url or api.base_url):
        message = f"is less than the {spacing:g} s that Open Dental requires for a key of tier {office.tier}"
        hint = "requests will be queued and then refused"
        diagnostics.warnings.append(document.make_problem((*location, "min_interval_seconds"), message, hint, interval))


def _warn_api_path(document: TomlDocument, location: Location, url: str, diagnostics: Diagnostics) -> None:
    if urlsplit(url).path != API_PATH:
        message = f"does not end in {API_PATH}, the path in Open Dental's documentation"
        diagnostics.warnings.append(document.make_problem(location, message, "", url))
