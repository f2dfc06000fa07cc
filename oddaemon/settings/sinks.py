"""All `[[sink]]` tables: where published balances are delivered to, and which offices' go there."""

from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any

from pydantic import ValidationError

from oddaemon.core.delivery import Content, Patience
from oddaemon.settings.credentials import Check, find_key, sources_of
from oddaemon.settings.document import Document
from oddaemon.settings.explain import explain
from oddaemon.settings.fittings import check_sink
from oddaemon.settings.lines import Location
from oddaemon.settings.problem import Findings, Problem, did_you_mean
from oddaemon.settings.sink import KINDS, SinkSettings, SinkTable, WithContent
from oddaemon.settings.sink_secrets import checked_dsn, checked_signing_secret

_SECRETS: Mapping[str, tuple[str, Check | None]] = {
    "webhook": ("secret", checked_signing_secret),
    "postgres": ("dsn", checked_dsn),
}
_SHOWN_NEVER = {"url", "secret", "dsn"}
SINK_NAMES = frozenset(
    {
        *(name for table in KINDS.values() for name in table.model_fields),
        *(source for name, _ in _SECRETS.values() for source in sources_of(name)),
    }
    - _SHOWN_NEVER
)
"""Names whose values may be shown."""


def read_sinks(
    document: Document,
    offices: Mapping[str, Mapping[str, str]],
    environment: Mapping[str, str],
    findings: Findings,
) -> tuple[SinkSettings, ...]:
    """Every sink of `oddaemon.toml`, in its order; what is wrong with each goes to `findings`.

    Args:
        document: the file.
        offices: the labels of every office by its id.
        environment: where `…_env` secrets are looked up.
        findings: takes problems and warnings.
    """
    found: list[SinkSettings] = []
    names: dict[str, Location] = {}
    for location, written in takewhile(lambda _: not findings.is_full, _tables(document, findings)):
        name = written.get("name")
        first = names.setdefault(name, location) if isinstance(name, str) else location
        if first is not location:
            message = f"the same name as {document.name_of(first)}"
            findings.take([document.problem((*location, "name"), message, "choose another", name)])
        sink = _read(document, location, written, environment, findings)
        if sink is not None:
            _check_selection(document, location, sink, offices, findings)
            check_sink(document, location, sink, findings)
            found.append(sink)
    return tuple(found)


def _read(
    document: Document,
    location: Location,
    written: Mapping[str, Any],
    environment: Mapping[str, str],
    findings: Findings,
) -> SinkSettings | None:
    kind = written.get("kind")
    model = KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        message = "is no kind of sink" if "kind" in written else "missing"
        hint = (did_you_mean(kind, KINDS) if isinstance(kind, str) else "") or f"write one of {', '.join(KINDS)}"
        shown = kind if isinstance(kind, str | int | float) else None
        findings.problems.append(document.problem((*location, "kind"), message, hint, shown))
        return None
    name, check = _SECRETS.get(str(kind), ("", None))
    sources = sources_of(name) if name else ()
    secret, table = None, None
    if check is not None:
        found = find_key(document, location, written, name, environment, check=check)
        if isinstance(found, Problem):
            findings.problems.append(found)
        else:
            secret = found
    foreign = {key: _homes(key) for key in written if key not in model.model_fields and key not in sources}
    for key in (key for key, homes in foreign.items() if homes):
        message = f"belongs to sinks of kind {' and '.join(f'`{home}`' for home in foreign[key])}"
        findings.take([document.problem((*location, key), message)])
    rest = {key: value for key, value in written.items() if key not in sources and not foreign.get(key)}
    try:
        table = model.model_validate(rest, context={"directory": document.directory})
    except ValidationError as error:
        findings.take(explain(document, location, error, {*model.model_fields, *sources}))
    if table is None or (check is not None and secret is None):
        return None
    content = table.content if isinstance(table, WithContent) else "snapshot"
    return SinkSettings(table, secret, Content(content), _patience(table))


def _homes(key: str) -> list[str]:
    """The kinds of sinks that have this key."""
    return [
        kind
        for kind, table in KINDS.items()
        if key in table.model_fields or (kind in _SECRETS and key in sources_of(_SECRETS[kind][0]))
    ]


def _patience(table: SinkTable) -> Patience:
    return Patience(
        backoff_base_seconds=table.backoff_base_seconds,
        backoff_max_seconds=table.backoff_max_seconds,
        retry_after_max_seconds=table.retry_after_max_seconds,
        give_up_after_seconds=table.give_up_after_seconds,
    )


def _check_selection(
    document: Document,
    location: Location,
    sink: SinkSettings,
    known: Mapping[str, Mapping[str, str]],
    findings: Findings,
) -> None:
    for index, office_id in enumerate(sink.table.offices):
        if office_id not in known:
            place = (*location, "offices", index)
            hint = did_you_mean(office_id, known)
            findings.take([document.problem(place, "no office has this id", hint, office_id)])
    if known and not any(sink.selects(*office) for office in known.items()):
        findings.warnings.append(
            document.problem(location, "no office goes to this sink", "see its offices and labels")
        )


def _tables(document: Document, findings: Findings) -> Iterator[tuple[Location, dict[str, Any]]]:
    written = document.table.get("sink", [])
    if isinstance(written, dict):
        findings.problems.append(document.problem(("sink",), "one pair of brackets", "write [[sink]]"))
        return
    if not isinstance(written, list):
        findings.problems.append(document.problem(("sink",), "must be a table", "write [[sink]]"))
        return
    for index, row in enumerate(written):
        if isinstance(row, dict):
            yield ("sink", index), row
        else:
            findings.take([document.problem(("sink", index), "must be a table", "write [[sink]]")])
