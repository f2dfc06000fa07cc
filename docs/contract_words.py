"""How types, values and events are written in `contracts.md`."""

import dataclasses
import inspect
import json
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path
from typing import Any

from oddaemon.telemetry.events import EVENT_TYPES
from oddaemon.telemetry.events.base import Event, Level

SAMPLE_INSTANT = datetime(2026, 3, 8, 7, tzinfo=UTC)


def list_events() -> Iterator[tuple[str, str, str, str]]:
    """Of each event of the log: its name, level, fields with their types, and meaning."""
    for kind in sorted(EVENT_TYPES, key=lambda each: each.name):
        level = kind.level.name.lower() if kind.log_level is Event.log_level else "varies"
        hints = typing.get_type_hints(kind)
        given = {field.name: hints[field.name] for field in dataclasses.fields(kind)}  # type: ignore[arg-type]  # every event is a dataclass
        parts = kind(**{name: _make_sample(hint) for name, hint in given.items()}).log_fields()
        fields = ", ".join(f"{name}: {describe_type(given[name])}" for name in parts)
        yield kind.name, level, fields, inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0].replace("\n", " ")


def describe_type(hint: Any) -> str:  # noqa: ANN401 - any annotation
    """A type in plain words; enumerations by their values."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return describe_type(arguments[0]) + "".join(describe_bounds(each) for each in arguments[1:])
    if origin is not None:
        return _describe_composed(origin, arguments)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return " | ".join(str(each.name.lower() if issubclass(hint, Level) else each.value) for each in hint)
    return _WORDS.get(hint) or {"Secret": "secret"}.get(hint.__name__, hint.__name__)


def _describe_composed(origin: Any, arguments: tuple[Any, ...]) -> str:  # noqa: ANN401 - any annotation
    if origin in {typing.Union, types.UnionType}:
        parts = [describe_type(each) for each in arguments if each is not type(None)]
        return " or ".join([*dict.fromkeys(parts), *(["null"] if type(None) in arguments else [])])
    if origin is typing.Literal:
        return " | ".join(json.dumps(each) for each in arguments)
    if issubclass(origin, Mapping):
        return f"object of {describe_type(arguments[1])}"
    return f"list of {' / '.join(dict.fromkeys(describe_type(each) for each in arguments if each is not Ellipsis))}"


_WORDS: Mapping[Any, str] = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "boolean",
    object: "any",
    datetime: "instant",
    date: "date",
    Path: "path",
    type(None): "null",
}


def describe_bounds(about: object) -> str:
    """What a constraint of pydantic's says of a number; nothing of any other."""
    found = [
        f"{sign} {_format_number(getattr(about, name))}" for name, sign in _SIGNS.items() if _is_number(about, name)
    ]
    for inner in getattr(about, "metadata", ()):
        found += [bound.strip(", ") for bound in [describe_bounds(inner)] if bound]
    return f", {', '.join(found)}" if found else ""


_SIGNS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}


def _format_number(number: float) -> str:
    return f"{int(number) if float(number).is_integer() else number:,}"


def _is_number(about: object, name: str) -> bool:
    return isinstance(getattr(about, name, None), int | float)


def _make_sample(hint: Any) -> Any:  # noqa: ANN401 - any annotation
    """Some value of a type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        return None if type(None) in arguments else _make_sample(arguments[0])
    if isinstance(hint, type) and issubclass(hint, Enum):
        return next(iter(hint))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {}
    return {datetime: SAMPLE_INSTANT, date: SAMPLE_INSTANT.date()}.get(hint) or (origin or hint)()


def render_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""

    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

    return "\n".join([line(head), f"|{'---|' * len(head)}", *map(line, rows)])


def render_names(names: Iterable[str]) -> str:
    """Names in a row."""
    return ", ".join(f"`{name}`" for name in names)
