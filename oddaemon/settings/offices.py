"""All `[[office]]` tables of all files: found, checked one by one, then compared with each other."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from pydantic import ValidationError

from oddaemon.settings.credentials import find_key, sources_of
from oddaemon.settings.document import Document
from oddaemon.settings.explain import explain, typed
from oddaemon.settings.lines import Location
from oddaemon.settings.office import OFFICE_NAMES, OfficeTable
from oddaemon.settings.problem import Findings
from oddaemon.settings.secret import Secret
from oddaemon.settings.sftp import Sftp

_KEY_SOURCES = sources_of("customer_key")


@dataclass(frozen=True, slots=True)
class OfficeEntry:
    """An office as far as it could be read."""

    document: Document
    location: Location
    written_id: object
    """What stands as `id`, valid or not."""
    table: OfficeTable | None
    customer_key: Secret | None
    key_location: Location
    """Where the key, or the way to it, is written."""

    @property
    def name(self) -> str:
        """How problems of other places speak of this one."""
        return self.document.name_of(self.location)


def read_offices(document: Document, environment: Mapping[str, str], findings: Findings) -> list[OfficeEntry]:
    """Every office of one file, in its order; what is wrong with each goes to `findings`."""
    entries: list[OfficeEntry] = []
    for location, written in takewhile(lambda _: not findings.is_full, _tables(document, findings)):
        rest = {name: value for name, value in written.items() if name not in _KEY_SOURCES}
        table = None
        try:
            table = OfficeTable.model_validate(rest)
        except ValidationError as error:
            findings.take(explain(document, location, error, OFFICE_NAMES))
        key = find_key(document, location, written, "customer_key", environment)
        if key is not None and not isinstance(key, Secret):
            findings.problems.append(key)
            key = None
        source = next((name for name in _KEY_SOURCES if name in written), "customer_key")
        entries.append(OfficeEntry(document, location, written.get("id"), table, key, (*location, source)))
    return entries


def flaw_of(table: Mapping[str, Any], settings: Collection[str]) -> str:
    """What is wrong with these settings of an office, which need not be whole yet; empty if nothing is."""
    try:
        OfficeTable.model_validate(table)
    except ValidationError as error:
        flaws = (typed(each) for each in error.errors(include_url=False) if each["loc"][0] in settings)
        return next(("; ".join(filter(None, flaw)) for flaw in flaws), "")
    return ""


def compare_offices(entries: Iterable[OfficeEntry], developer_key: Secret | None, findings: Findings) -> None:
    """Reports ids and keys that stand in two places. Case does not tell two ids apart: file systems may not."""
    ids: dict[str, OfficeEntry] = {}
    keys: dict[Secret, OfficeEntry] = {}
    for entry in takewhile(lambda _: not findings.is_full, entries):
        document, location, key = entry.document, entry.location, entry.customer_key
        if isinstance(entry.written_id, str) and entry.written_id:
            first = ids.setdefault(entry.written_id.casefold(), entry)
            if first is not entry:
                message = f"the same id as {first.name}"
                findings.problems.append(
                    document.problem((*location, "id"), message, "choose another", entry.written_id)
                )
        if key is None:
            continue
        if key == developer_key:
            message, hint = "this is the developer key", "the office's own customer key belongs here"
            findings.problems.append(document.problem(entry.key_location, message, hint))
        elif (first := keys.setdefault(key, entry)) is not entry:
            message, hint = f"the same key as {first.name}", "one key is one office's database: remove one of them"
            findings.problems.append(document.problem(entry.key_location, message, hint))


def require_receiver(entries: Iterable[OfficeEntry], sftp: Sftp | None, findings: Findings) -> None:
    """Reports offices that are to upload while nobody receives."""
    if sftp is None or sftp.is_on:
        return
    for entry in entries:
        if entry.table is not None and entry.table.reader == "sftp":
            message, hint = "the office would upload, and nobody receives", "write [sftp] listen and public_host"
            problem = entry.document.problem((*entry.location, "reader"), message, hint, "sftp")
            findings.problems.append(problem)


def _tables(document: Document, findings: Findings) -> Iterator[tuple[Location, dict[str, Any]]]:
    """Where each office stands and what it says, also where it was meant but written wrongly."""
    written = document.table.get("office")
    if isinstance(written, dict):
        hint = "write [[office]] for an office, [offices] for their directory"
        findings.problems.append(document.problem(("office",), "one pair of brackets, but singular", hint))
        if "directory" not in written:
            yield ("office",), written
    yield from _rows(document, "office", findings)
    if isinstance(document.table.get("offices"), list):
        hint = "write [[office]]; [offices] only names their directory"
        findings.problems.append(document.problem(("offices",), "unknown list of tables", hint))
        yield from _rows(document, "offices", findings)


def _rows(document: Document, name: str, findings: Findings) -> Iterator[tuple[Location, dict[str, Any]]]:
    match document.table.get(name, []):
        case [*rows]:
            for index, row in enumerate(rows):
                if isinstance(row, dict):
                    yield (name, index), row
                else:
                    findings.take([document.problem((name, index), "must be a table", "write [[office]]")])
        case dict():
            pass
        case _:
            findings.problems.append(document.problem((name,), "must be a table", "write [[office]]"))
