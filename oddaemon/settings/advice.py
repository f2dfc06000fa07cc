"""What runs, but should be thought about: warnings, never errors."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from oddaemon.settings.address import API_PATH, is_near
from oddaemon.settings.document import Document
from oddaemon.settings.lines import Location
from oddaemon.settings.office import SPACING_SECONDS, OfficeTable
from oddaemon.settings.offices import OfficeEntry
from oddaemon.settings.problem import Findings
from oddaemon.settings.secret import Secret
from oddaemon.settings.sections import Api

REQUEST_TIMEOUT_SECONDS_MIN = 65.0
"""The API answers 504 after 60 s; giving up earlier looks like a failure and is none."""


def advise(documents: list[Document], entries: list[OfficeEntry], api: Api | None, findings: Findings) -> None:
    """Adds the warnings about a configuration that may or may not have problems besides."""
    for document in documents:
        _inline_keys(document, findings)
    if not documents:
        return
    main = documents[0]
    if not entries and not findings.problems:
        hint = "add [[office]] tables, here or in the directory of [offices]"
        findings.warnings.append(main.problem((), "no office: there is nothing to watch", hint))
    if api is not None:
        _api(main, api, findings)
        for entry in entries:
            if entry.table is not None:
                _office(entry.document, entry.location, entry.table, api, findings)


def _inline_keys(document: Document, findings: Findings) -> None:
    places = list(_inline_places(document))
    if places and not document.is_private:
        count = "a key stands" if len(places) == 1 else f"{len(places)} keys stand"
        message = f"{count} in a file that other users may read"
        hint = f"chmod 600 {document.path}, or keep each key in a file of its own"
        findings.warnings.append(document.problem(places[0], message, hint))


def _inline_places(document: Document) -> Iterable[Location]:
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


def _api(main: Document, api: Api, findings: Findings) -> None:
    timeout = api.request_timeout_seconds
    if timeout < REQUEST_TIMEOUT_SECONDS_MIN and not is_near(api.base_url):
        message = "gives up before the API does, which answers 504 after 60 s"
        hint = f"write {REQUEST_TIMEOUT_SECONDS_MIN:g} or more"
        findings.warnings.append(main.problem(("api", "request_timeout_seconds"), message, hint, timeout))
    _path(main, ("api", "base_url"), api.base_url, findings)


def _office(document: Document, location: Location, office: OfficeTable, api: Api, findings: Findings) -> None:
    if office.base_url is not None:
        _path(document, (*location, "base_url"), office.base_url, findings)
    spacing = SPACING_SECONDS[office.tier]
    interval = office.min_interval_seconds
    if interval is not None and interval < spacing and not is_near(office.base_url or api.base_url):
        message = f"is less than the {spacing:g} s that a key of tier {office.tier} is allowed"
        hint = "requests will queue, then be refused"
        findings.warnings.append(document.problem((*location, "min_interval_seconds"), message, hint, interval))


def _path(document: Document, location: Location, url: str, findings: Findings) -> None:
    if urlsplit(url).path != API_PATH:
        message = f"the API's path is {API_PATH} everywhere that Open Dental documents"
        findings.warnings.append(document.problem(location, message, "", url))
