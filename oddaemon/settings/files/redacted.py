"""Renders a configuration that may be shown to others: known harmless values, and a placeholder for all others.

It is rendered from the parsed document, so no comment, no misplaced key and no unknown table is shown.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from oddaemon.core.secret import Secret
from oddaemon.settings.files.document import TomlDocument
from oddaemon.settings.files.writer import render_key, render_value
from oddaemon.settings.values.secret import redact

HIDDEN = "…"
HEADER_COMMENT = "# As parsed: without comments, and with … in place of everything that could be a secret."

_SUSPICIOUS = re.compile(r"key|secret|token|passw|credential|auth|dsn|header|ping_url|proxy_url", re.IGNORECASE)
"""Names of values that could be secrets, whether or not this version knows them."""
_SOURCE_SUFFIXES = ("_file", "_env")
"""The place of a secret is not a secret."""
_COMMAND = "command"
_LABELS = "labels"


def render_redacted(
    document: TomlDocument, safe_names: Collection[str], redact_registered: Callable[[str], str]
) -> str:
    """Render the document as TOML, for people.

    Args:
        document: The parsed document; its strings under unknown names are secrets already.
        safe_names: The names of settings that may be shown.
        redact_registered: Removes registered secrets from a value, before it is rendered.
    """

    def redact_all(value: Any) -> Any:  # noqa: ANN401 - a TOML value may be anything
        match value:
            case str():
                return redact_registered(value)
            case list():
                return list(map(redact_all, value))
            case dict():
                return {redact_registered(name): redact_all(inner) for name, inner in value.items()}
        return value

    return "\n".join([HEADER_COMMENT, *_render_table(redact_all(document.table), "", frozenset(safe_names))]) + "\n"


def _render_table(table: Mapping[str, Any], path: str, safe_names: Collection[str]) -> Iterator[str]:
    for name, value in table.items():
        if not _is_table(value):
            yield f"{render_key(redact(name))} = {render_value(_redact_value(name, value, path, safe_names))}"
    for name, value in table.items():
        if not _is_table(value):
            continue
        key = render_key(redact(name))
        inner_path = f"{path}.{key}" if path else key
        for each in value if isinstance(value, list) else [value]:
            yield ""
            yield f"[[{inner_path}]]" if isinstance(value, list) else f"[{inner_path}]"
            yield from _render_table(each, inner_path, safe_names)


def _is_table(value: object) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)
    )


def _redact_value(name: str, value: object, path: str, safe_names: Collection[str]) -> object:
    is_label = path.rpartition(".")[2] == _LABELS  # Free text: it may hold anything.
    is_suspicious = _SUSPICIOUS.search(name) and not name.endswith(_SOURCE_SUFFIXES)
    if is_label or name not in safe_names or is_suspicious:
        return HIDDEN
    if name == _COMMAND and isinstance(value, list):
        # Its arguments may hold anything.
        return [*map(_redact_nested, value[:1]), *(HIDDEN for _ in value[1:])]
    return _redact_nested(value)


def _redact_nested(value: object) -> object:
    match value:
        case str():
            return _redact_text(value)
        case list():
            return list(map(_redact_nested, value))
        case Secret() | dict():
            return HIDDEN
    return value


def _redact_text(text: str) -> str:
    """Redact what looks like a key; of a URL, keep neither the user nor anything after the path."""
    if "://" in text:
        scheme, _, rest = text.partition("://")
        try:
            path = urlsplit(f"//{rest.rpartition('@')[2]}")
        except ValueError:
            return HIDDEN
        text = f"{scheme}://{path.netloc}{path.path}"
    return redact(text)
