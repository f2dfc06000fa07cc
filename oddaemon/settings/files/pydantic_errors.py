"""Translates pydantic's errors for the author of a configuration.

Pydantic's own texts are avoided: they use the names of Python's types and may quote the value.
"""

import re
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from oddaemon.core.suggestions import suggest_name
from oddaemon.settings.files.document import TomlDocument
from oddaemon.settings.files.line_numbers import Location
from oddaemon.settings.values.invalid import INVALID

_TYPE_TEXTS = {
    "string_type": ("must be a string", "write it in quotes"),
    "int_type": ("must be a whole number", ""),
    "int_from_float": ("must be a whole number", ""),
    "float_type": ("must be a number", ""),
    "finite_number": ("must be a finite number", ""),
    "bool_type": ("must be true or false", "without quotes"),
    "list_type": ("must be a list", "such as [1, 2]"),
    "too_long": ("has too many entries", ""),
    "too_short": ("must not be empty", ""),
    "dict_type": ("must be a table", ""),
}
_FORM_TEXTS = {
    ("labels", "string_type"): ("must have a value", "write labels as key=value;key=value"),
    ("clinics", "int_type"): ("must be a whole number", "write clinics as 1;2"),
    ("enabled", "bool_type"): ("must be yes or no", ""),
    ("min_interval_seconds", "float_type"): ("must be a number", "such as 2.5"),
}
"""By setting, for values that are texts in a cell."""
_BOUNDS = {
    "greater_than": ("must be more than", "gt"),
    "greater_than_equal": ("must be at least", "ge"),
    "less_than_equal": ("must be at most", "le"),
}
_QUOTED = re.compile(r"'([^']*)'")


def report_validation_error(
    document: TomlDocument,
    location: Location,
    error: ValidationError,
    names: Collection[str],
    sources: Mapping[str, tuple[str, object]] = MappingProxyType({}),
) -> None:
    """Report every problem of the table at `location`.

    Args:
        document: The file.
        location: Of the table.
        error: Its problems.
        names: Its known keys.
        sources: For a field that has more than one source: the key that was written, and its value.
    """
    describe = describe_form_error if document.is_form_input else _describe_toml_error
    for details in error.errors(include_url=False):
        if document.diagnostics.is_full:
            return
        name, *inner = details["loc"]
        source, value = sources.get(str(name), (name, details["input"]))
        place = (*location, source, *inner)
        if details["type"] == "extra_forbidden":
            document.report(place, "unknown key", suggest_name(str(place[-1]), names))
        else:
            message, hint = describe(details)
            document.report(place, message, hint, None if details["type"] == "missing" else value)


def describe_form_error(details: ErrorDetails) -> tuple[str, str]:
    """Describe the problem of a value that was typed into a cell or a prompt, without mentioning TOML."""
    if details["type"] == INVALID:
        texts: tuple[str, str] = details["ctx"]["typed"]
        return texts
    return _FORM_TEXTS.get((str(details["loc"][0]), details["type"])) or _describe_toml_error(details)


def _describe_toml_error(details: ErrorDetails) -> tuple[str, str]:
    kind, context, value = details["type"], details.get("ctx", {}), details["input"]
    if kind == INVALID:
        return context["message"], context["hint"]
    if kind in _BOUNDS:
        text, bound = _BOUNDS[kind]
        return f"{text} {_format_bound(context[bound])}", ""
    if kind == "literal_error":
        return _describe_choice(value, _QUOTED.findall(context["expected"]))
    if kind == "missing":
        return "missing", ""
    if kind == "float_type" and type(value) is int:
        return "is out of range", ""
    return _TYPE_TEXTS.get(kind, (details["msg"], ""))


def _describe_choice(value: object, known: list[str]) -> tuple[str, str]:
    message = f"must be one of {', '.join(f'`{name}`' for name in known)}"
    return message, suggest_name(value, known) if isinstance(value, str) else ""


def _format_bound(bound: Any) -> str:  # noqa: ANN401 - a number of pydantic's context
    return f"{bound:.15g}" if isinstance(bound, float) else str(bound)
