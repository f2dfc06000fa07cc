"""Reads all `[[office]]` tables of all files: checks each, then compares them with each other."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from pydantic import ValidationError

from oddaemon.core.secret import Secret
from oddaemon.settings.files.document import TomlDocument
from oddaemon.settings.files.line_numbers import Location
from oddaemon.settings.files.problem import Diagnostics
from oddaemon.settings.files.pydantic_errors import describe_form_error, translate_validation_error
from oddaemon.settings.files.secret_sources import find_secret, get_source_names
from oddaemon.settings.tables.office import OFFICE_FIELDS, OfficeTable
from oddaemon.settings.tables.sftp import SftpSettings

_KEY_SOURCES = get_source_names("customer_key")


@dataclass(frozen=True, slots=True)
class OfficeEntry:
    """An office, as far as it could be read."""

    document: TomlDocument
    location: Location
    raw_id: object
    """The value of `id`, valid or not."""
    table: OfficeTable | None
    customer_key: Secret | None
    key_location: Location
    """Where the key or its source is written."""

    @property
    def location_text(self) -> str:
        """Describes this place for problems of other places."""
        return self.document.describe_location(self.location)


def read_offices(document: TomlDocument, environment: Mapping[str, str], diagnostics: Diagnostics) -> list[OfficeEntry]:
    """Read every office of one file, in its order; problems go to `diagnostics`."""
    entries: list[OfficeEntry] = []
    for location, written in takewhile(lambda _: not diagnostics.is_full, _iter_office_tables(document, diagnostics)):
        rest = {name: value for name, value in written.items() if name not in _KEY_SOURCES}
        table = None
        try:
            table = OfficeTable.model_validate(rest)
        except ValidationError as error:
            diagnostics.add_problems(translate_validation_error(document, location, error, OFFICE_FIELDS))
        key = find_secret(document, location, written, "customer_key", environment)
        if key is not None and not isinstance(key, Secret):
            diagnostics.problems.append(key)
            key = None
        source = next((name for name in _KEY_SOURCES if name in written), "customer_key")
        entries.append(OfficeEntry(document, location, written.get("id"), table, key, (*location, source)))
    return entries


def validate_partial(table: Mapping[str, Any], setting_names: Collection[str]) -> str:
    """Describe the first problem of these settings of an office, which may be incomplete; empty: no problem."""
    try:
        OfficeTable.model_validate(table)
    except ValidationError as error:
        problems = (
            describe_form_error(each) for each in error.errors(include_url=False) if each["loc"][0] in setting_names
        )
        return next(("; ".join(filter(None, problem)) for problem in problems), "")
    return ""


def check_duplicate_offices(
    entries: Iterable[OfficeEntry], developer_key: Secret | None, diagnostics: Diagnostics
) -> None:
    """Report ids and keys that occur twice. Ids are compared without case, as file systems may do the same."""
    ids: dict[str, OfficeEntry] = {}
    keys: dict[Secret, OfficeEntry] = {}
    for entry in takewhile(lambda _: not diagnostics.is_full, entries):
        document, location, key = entry.document, entry.location, entry.customer_key
        if isinstance(entry.raw_id, str) and entry.raw_id:
            first = ids.setdefault(entry.raw_id.casefold(), entry)
            if first is not entry:
                message = f"is also the id of {first.location_text}"
                diagnostics.problems.append(
                    document.make_problem((*location, "id"), message, "choose another id", entry.raw_id)
                )
        if key is None:
            continue
        if key == developer_key:
            message, hint = "is the developer key", "write the office's own customer key"
            diagnostics.problems.append(document.make_problem(entry.key_location, message, hint))
        elif (first := keys.setdefault(key, entry)) is not entry:
            message, hint = (
                f"is also the key of {first.location_text}",
                "each key opens one office's database: remove one of the two",
            )
            diagnostics.problems.append(document.make_problem(entry.key_location, message, hint))


def require_sftp_receiver(entries: Iterable[OfficeEntry], sftp: SftpSettings | None, diagnostics: Diagnostics) -> None:
    """Report offices with `reader = "sftp"` if no receiver is configured."""
    if sftp is None or sftp.is_on:
        return
    for entry in entries:
        if entry.table is not None and entry.table.reader == "sftp":
            message, hint = "requires an `[sftp]` section", "set `listen` and `public_host` in [sftp]"
            problem = entry.document.make_problem((*entry.location, "reader"), message, hint, "sftp")
            diagnostics.problems.append(problem)


def _iter_office_tables(document: TomlDocument, diagnostics: Diagnostics) -> Iterator[tuple[Location, dict[str, Any]]]:
    """Find each office and its table, including those with a wrong header."""
    written = document.table.get("office")
    if isinstance(written, dict):
        hint = "write [[office]] for an office, [offices] for their directory"
        diagnostics.problems.append(document.make_problem(("office",), "has one pair of brackets", hint))
        if "directory" not in written:
            yield ("office",), written
    yield from _iter_rows(document, "office", diagnostics)
    if isinstance(document.table.get("offices"), list):
        hint = "write [[office]]; [offices] only names their directory"
        diagnostics.problems.append(document.make_problem(("offices",), "unknown list of tables", hint))
        yield from _iter_rows(document, "offices", diagnostics)


def _iter_rows(
    document: TomlDocument, name: str, diagnostics: Diagnostics
) -> Iterator[tuple[Location, dict[str, Any]]]:
    match document.table.get(name, []):
        case [*rows]:
            for index, row in enumerate(rows):
                if isinstance(row, dict):
                    yield (name, index), row
                else:
                    diagnostics.add_problems(
                        [document.make_problem((name, index), "must be a table", "write [[office]]")]
                    )
        case dict():
            pass
        case _:
            diagnostics.problems.append(document.make_problem((name,), "must be a table", "write [[office]]"))
