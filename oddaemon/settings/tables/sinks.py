"""Reads all `[[sink]]` tables: where published balances are delivered to, and of which offices."""

from collections.abc import Iterator, Mapping
from typing import Any

from oddaemon.core.suggestions import suggest_name
from oddaemon.settings.files.document import TomlDocument
from oddaemon.settings.files.line_numbers import Location
from oddaemon.settings.tables.base import read_table
from oddaemon.settings.tables.sink import SINK_TABLES, SinkSettings

_HIDDEN_FIELDS = {"url", "secret", "dsn"}
SINK_FIELDS = frozenset[str]().union(*(table.list_keys() for table in SINK_TABLES.values())) - _HIDDEN_FIELDS
"""Names whose values may be shown."""


def read_sinks(
    document: TomlDocument, offices: Mapping[str, Mapping[str, str]], environment: Mapping[str, str]
) -> Iterator[tuple[Location, SinkSettings]]:
    """Read every sink of `oddaemon.toml`, in its order, each with its place.

    Args:
        document: The file.
        offices: The labels of every office by its id.
        environment: Where `…_env` secrets are looked up.
    """
    if isinstance(document.table.get("sink"), dict):
        document.report(("sink",), "has one pair of brackets", "write [[sink]]")
    names: dict[str, Location] = {}
    for location, written in document.iter_rows("sink"):
        name = written.get("name")
        first = names.setdefault(name, location) if isinstance(name, str) else location
        if first is not location:
            message = f"is also the name of {document.describe_location(first)}"
            document.report((*location, "name"), message, "choose another name", name)
        sink = _read_sink(document, location, written, environment)
        if sink is not None:
            _check_selection(document, location, sink, offices)
            yield location, sink


def _read_sink(
    document: TomlDocument, location: Location, written: Mapping[str, Any], environment: Mapping[str, str]
) -> SinkSettings | None:
    kind = written.get("kind")
    model = SINK_TABLES.get(kind) if isinstance(kind, str) else None
    if model is None:
        message = "is not a kind of sink" if "kind" in written else "is missing"
        hint = (
            suggest_name(kind, SINK_TABLES) if isinstance(kind, str) else ""
        ) or f"set one of {', '.join(SINK_TABLES)}"
        document.report((*location, "kind"), message, hint, kind if isinstance(kind, str | int | float) else None)
        return None
    foreign = {key: kinds for key in written if key not in model.list_keys() and (kinds := _find_kinds(key))}
    for key, kinds in foreign.items():
        kind_names = " and ".join(f"`{each}`" for each in kinds)
        document.report((*location, key), f"is a key of sinks of kind {kind_names}")
    own = {key: value for key, value in written.items() if key not in foreign}
    return read_table(document, location, own, model, environment)[0]


def _find_kinds(key: str) -> list[str]:
    """List the kinds of sinks that have this key."""
    return [kind for kind, table in SINK_TABLES.items() if key in table.list_keys()]


def _check_selection(
    document: TomlDocument, location: Location, sink: SinkSettings, known: Mapping[str, Mapping[str, str]]
) -> None:
    for index, office_id in enumerate(sink.offices):
        if office_id not in known and not document.diagnostics.is_full:
            hint = suggest_name(office_id, known)
            document.report((*location, "offices", index), "no office has this id", hint, office_id)
    if known and not any(sink.matches(*office) for office in known.items()):
        document.warn(location, "no office matches this sink", "check its `offices` and `labels`")
