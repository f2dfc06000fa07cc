"""What pydantic found wrong with a table, in words for the person who wrote it.

No text of pydantic's own is passed on without need: it speaks of Python's types, and may quote what it was given.
"""

import re
from collections.abc import Collection, Iterator
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from oddaemon.settings.document import Document
from oddaemon.settings.lines import Location
from oddaemon.settings.problem import Problem, did_you_mean
from oddaemon.settings.wrong import WRONG

_TYPES = {
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
_TYPED = {
    ("labels", "string_type"): ("must have a value", "write labels as key=value;key=value"),
    ("clinics", "int_type"): ("must be a whole number", "write clinics as 1;2"),
    ("enabled", "bool_type"): ("must be yes or no", ""),
    ("min_interval_seconds", "float_type"): ("must be a number", "such as 2.5"),
}
"""By setting: what is a text in a cell."""
_BOUNDS = {
    "greater_than": ("must be more than", "gt"),
    "greater_than_equal": ("must be at least", "ge"),
    "less_than_equal": ("must be at most", "le"),
}
_QUOTED = re.compile(r"'([^']*)'")


def explain(
    document: Document, location: Location, error: ValidationError, names: Collection[str]
) -> Iterator[Problem]:
    """Every problem of the table at `location`, whose known keys are `names`."""
    told = typed if document.is_typed else _told
    for details in error.errors(include_url=False):
        place = (*location, *details["loc"])
        if details["type"] == "extra_forbidden":
            yield document.problem(place, "unknown key", did_you_mean(str(place[-1]), names))
        else:
            message, hint = told(details)
            value = None if details["type"] == "missing" else details["input"]
            yield document.problem(place, message, hint, value)


def typed(details: ErrorDetails) -> tuple[str, str]:
    """What is wrong with a value that was typed into a cell or as an answer, where nobody thinks of TOML."""
    if details["type"] == WRONG:
        words: tuple[str, str] = details["ctx"]["typed"]
        return words
    return _TYPED.get((str(details["loc"][0]), details["type"])) or _told(details)


def _told(details: ErrorDetails) -> tuple[str, str]:
    kind, context, value = details["type"], details.get("ctx", {}), details["input"]
    if kind == WRONG:
        return context["message"], context["hint"]
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return f"{words} {_plain(context[bound])}", ""
    if kind == "literal_error":
        return _choice(value, _QUOTED.findall(context["expected"]))
    if kind == "missing":
        return "missing", ""
    if kind == "float_type" and type(value) is int:
        return "is out of all bounds", ""
    return _TYPES.get(kind, (details["msg"], ""))


def _choice(value: object, known: list[str]) -> tuple[str, str]:
    message = f"must be one of {', '.join(f'`{name}`' for name in known)}"
    return message, did_you_mean(value, known) if isinstance(value, str) else ""


def _plain(bound: Any) -> str:  # noqa: ANN401 - a number of pydantic's context
    return f"{bound:.15g}" if isinstance(bound, float) else str(bound)
