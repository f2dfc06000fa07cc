"""Reads all `[[sink]]` tables: where published balances are delivered to, and of which offices."""

from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any

from pydantic import ValidationError

from oddaemon.core.delivery import Content, RetryPolicy
from oddaemon.settings.files.document import TomlDocument
from oddaemon.settings.files.line_numbers import Location
from oddaemon.settings.files.problem import Diagnostics, Problem
from oddaemon.settings.files.pydantic_errors import translate_validation_error
from oddaemon.settings.files.secret_sources import find_secret, get_source_names
from oddaemon.settings.tables.optional_packages import check_sink_requirements
from oddaemon.settings.tables.sink import SINK_TABLES, ContentSinkTable, SinkSettings, SinkTable
from oddaemon.settings.values.secret import SecretCheck
from oddaemon.settings.values.sink_secrets import check_dsn, check_signing_secret
from oddaemon.settings.values.suggestions import suggest_name

_SECRETS: Mapping[str, tuple[str, SecretCheck | None]] = {
    "webhook": ("secret", check_signing_secret),
    "postgres": ("dsn", check_dsn),
}
_HIDDEN_FIELDS = {"url", "secret", "dsn"}
SINK_FIELDS = frozenset(
    {
        *(name for table in SINK_TABLES.values() for name in table.model_fields),
        *(source for name, _ in _SECRETS.values() for source in get_source_names(name)),
    }
    - _HIDDEN_FIELDS
)
"""Names whose values may be shown."""


def read_sinks(
    document: TomlDocument,
    offices: Mapping[str, Mapping[str, str]],
    environment: Mapping[str, str],
    diagnostics: Diagnostics,
) -> tuple[SinkSettings, ...]:
    """Read every sink of `oddaemon.toml`, in its order; problems go to `diagnostics`.

    Args:
        document: the file.
        offices: the labels of every office by its id.
        environment: where `…_env` secrets are looked up.
        diagnostics: takes problems and warnings.
    """
    found: list[SinkSettings] = []
    names: dict[str, Location] = {}
    for location, written in takewhile(lambda _: not diagnostics.is_full, _iter_sink_tables(document, diagnostics)):
        name = written.get("name")
        first = names.setdefault(name, location) if isinstance(name, str) else location
        if first is not location:
            message = f"is also the name of {document.describe_location(first)}"
            diagnostics.add_problems([document.make_problem((*location, "name"), message, "choose another name", name)])
        sink = _read_sink(document, location, written, environment, diagnostics)
        if sink is not None:
            _check_selection(document, location, sink, offices, diagnostics)
            check_sink_requirements(document, location, sink, diagnostics)
            found.append(sink)
    return tuple(found)


def _read_sink(
    document: TomlDocument,
    location: Location,
    written: Mapping[str, Any],
    environment: Mapping[str, str],
    diagnostics: Diagnostics,
) -> SinkSettings | None:
    kind = written.get("kind")
    model = SINK_TABLES.get(kind) if isinstance(kind, str) else None
    if model is None:
        message = "is not a kind of sink" if "kind" in written else "is missing"
        hint = (
            suggest_name(kind, SINK_TABLES) if isinstance(kind, str) else ""
        ) or f"set one of {', '.join(SINK_TABLES)}"
        shown_value = kind if isinstance(kind, str | int | float) else None
        diagnostics.problems.append(document.make_problem((*location, "kind"), message, hint, shown_value))
        return None
    name, check = _SECRETS.get(str(kind), ("", None))
    sources = get_source_names(name) if name else ()
    secret, table = None, None
    if check is not None:
        found = find_secret(document, location, written, name, environment, check=check)
        if isinstance(found, Problem):
            diagnostics.problems.append(found)
        else:
            secret = found
    foreign = {key: _find_kinds(key) for key in written if key not in model.model_fields and key not in sources}
    for key in (key for key, kinds in foreign.items() if kinds):
        message = f"is a key of sinks of kind {' and '.join(f'`{sink_kind}`' for sink_kind in foreign[key])}"
        diagnostics.add_problems([document.make_problem((*location, key), message)])
    rest = {key: value for key, value in written.items() if key not in sources and not foreign.get(key)}
    try:
        table = model.model_validate(rest, context={"directory": document.directory})
    except ValidationError as error:
        diagnostics.add_problems(translate_validation_error(document, location, error, {*model.model_fields, *sources}))
    if table is None or (check is not None and secret is None):
        return None
    content = table.content if isinstance(table, ContentSinkTable) else "snapshot"
    return SinkSettings(table, secret, Content(content), _make_retry_policy(table))


def _find_kinds(key: str) -> list[str]:
    """List the kinds of sinks that have this key."""
    return [
        kind
        for kind, table in SINK_TABLES.items()
        if key in table.model_fields or (kind in _SECRETS and key in get_source_names(_SECRETS[kind][0]))
    ]


def _make_retry_policy(table: SinkTable) -> RetryPolicy:
    return RetryPolicy(
        backoff_base_seconds=table.backoff_base_seconds,
        backoff_max_seconds=table.backoff_max_seconds,
        retry_after_max_seconds=table.retry_after_max_seconds,
        give_up_after_seconds=table.give_up_after_seconds,
    )


def _check_selection(
    document: TomlDocument,
    location: Location,
    sink: SinkSettings,
    known: Mapping[str, Mapping[str, str]],
    diagnostics: Diagnostics,
) -> None:
    for index, office_id in enumerate(sink.table.offices):
        if office_id not in known:
            offices_location = (*location, "offices", index)
            hint = suggest_name(office_id, known)
            diagnostics.add_problems(
                [document.make_problem(offices_location, "no office has this id", hint, office_id)]
            )
    if known and not any(sink.matches(*office) for office in known.items()):
        diagnostics.warnings.append(
            document.make_problem(location, "no office matches this sink", "check its `offices` and `labels`")
        )


def _iter_sink_tables(document: TomlDocument, diagnostics: Diagnostics) -> Iterator[tuple[Location, dict[str, Any]]]:
    written = document.table.get("sink", [])
    if isinstance(written, dict):
        diagnostics.problems.append(document.make_problem(("sink",), "has one pair of brackets", "write [[sink]]"))
        return
    if not isinstance(written, list):
        diagnostics.problems.append(document.make_problem(("sink",), "must be a table", "write [[sink]]"))
        return
    for index, row in enumerate(written):
        if isinstance(row, dict):
            yield ("sink", index), row
        else:
            diagnostics.add_problems([document.make_problem(("sink", index), "must be a table", "write [[sink]]")])
